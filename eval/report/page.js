"use strict";
// Browses the records. Text from models only ever becomes text nodes, through `text` below.
(() => {
  const PAGE_ROWS = 50; // records listed at once, however many there are
  const CHUNKS_KEPT = 6; // opened chunks held in memory
  const SLICE = 2000; // rows made ready for searching at a time
  const HIGHLIGHTED = 20000; // characters of code; longer code is shown plain
  const [heads, meanings] = ["heads", "meanings"].map((id) => JSON.parse(document.getElementById(id).textContent));
  if (!heads.length) return;
  const byId = (id) => document.getElementById(id);
  const state = { head: null, index: null, facets: {}, matches: [], page: 0, row: -1, query: "", set: true, other: null, changes: null, change: "" };
  const indices = new Map();
  const chunks = new Map();

  // ---- building elements

  // Control characters, direction marks and lone surrogates are shown by their code points.
  const UNSEEN = /[\p{Cc}\p{Cs}\p{Co}\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;
  function text(parent, value) {
    let from = 0;
    for (const match of value.matchAll(UNSEEN)) {
      if ("\n\t\r".includes(match[0])) continue;
      parent.append(value.slice(from, match.index));
      const code = "U+" + match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      const mark = document.createElement("span");
      mark.className = "control";
      mark.textContent = code;
      parent.append(mark);
      from = match.index + match[0].length;
    }
    parent.append(value.slice(from));
    return parent;
  }

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    for (const child of children) typeof child === "string" ? text(made, child) : made.append(child);
    return made;
  }

  const WORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally " +
    "for from global if import in is lambda nonlocal not or pass raise return try while with yield").split(" "));
  const TOKENS = /(#[^\n]*)|("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(\b\d[\w.]*)|([A-Za-z_]\w*)/g;
  const PARTS = /\s+|\d+(?:[.,]\d+)*|[\p{L}\p{N}_]+|[^]/gu;
  const split = (value, kind) => Array.from(value.matchAll(PARTS), ([part]) => ({ value: part, kind }));

  // A block with its words: each with its text, its kind of code or its formula, and later whether it `differs`.
  function worded(block) {
    return { ...block, words: block.type === "code" ? codeWords(block.content) : proseWords(block) };
  }

  function codeWords(source) {
    if (source.length > HIGHLIGHTED) return split(source, "");
    const words = [];
    let from = 0;
    for (const match of source.matchAll(TOKENS)) {
      const kind = match[1] ? "c" : match[2] ? "s" : match[3] ? "n" : WORDS.has(match[4]) ? "k" : "";
      words.push(...split(source.slice(from, match.index), ""), ...split(match[0], kind));
      from = match.index + match[0].length;
    }
    return [...words, ...split(source.slice(from), "")];
  }

  function proseWords(block) {
    if (block.type !== "text" || !state.set) return split(block.content, "");
    return formulas.pieces(block.content).flatMap((piece) =>
      piece.tex === undefined || piece.source.search(UNSEEN) >= 0 && /[^\n\t\r]/.test(piece.source.match(UNSEEN).join(""))
        ? split(piece.source, "") : [{ value: piece.source, kind: "", formula: piece }]);
  }

  // Marks the words of two lists of worded blocks that the other does not have.
  function markDifferences(left, right) {
    const sides = [left, right].map((blocks) => blocks.flatMap((b) => b.words).filter((w) => w.value.trim()));
    const marks = difference(...sides.map((words) => words.map((w) => w.value)));
    sides.forEach((words, side) => words.forEach((word, i) => { word.differs = marks[side][i]; }));
  }

  // Writes words into an element, as few nodes as will do; a blank between two marked words is marked too.
  function write(parent, words) {
    words.forEach((w, i) => {
      if (!w.value.trim()) w.differs = Boolean(words[i - 1]?.differs && words[i + 1]?.differs && !w.value.includes("\n"));
    });
    for (let i = 0; i < words.length;) {
      const { kind, differs, formula } = words[i];
      let to = i + 1;
      while (!formula && to < words.length && !words[to].formula && words[to].kind === kind && !words[to].differs === !differs) to++;
      const value = words.slice(i, to).map((w) => w.value).join("");
      const into = differs ? parent.appendChild(document.createElement("mark")) : parent;
      const shown = formula && formulas.set(formula);
      if (shown) into.append(shown);
      else if (kind) into.append(element("span", { class: kind }, value));
      else text(into, value);
      i = to;
    }
    return parent;
  }

  const prose = (content, attributes = { class: "prose" }) =>
    write(element("p", attributes), proseWords({ type: "text", content }));

  // ---- opening what is packed

  async function opened(id) {
    const packed = atob(byId(id).textContent);
    const bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  async function indexOf(key) {
    if (!indices.has(key)) {
      const index = await opened(key);
      index.hay = new Array(index.id.length);
      indices.set(key, index);
      setTimeout(prepare, 0, index);
    }
    return indices.get(key);
  }

  async function recordAt(head, index, row) {
    let low = 0;
    let high = index.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (index.starts[middle] <= row) low = middle;
      else high = middle - 1;
    }
    const id = head.key + "." + low;
    if (!chunks.has(id)) {
      const chunk = await opened(id);
      if (chunks.size >= CHUNKS_KEPT) chunks.delete(chunks.keys().next().value);
      chunks.set(id, chunk);
    }
    return chunks.get(id)[row - index.starts[low]];
  }

  // ---- filtering and listing

  function haystack(index, row) {
    index.hay[row] ??= [index.id[row], index.problem[row], index.question[row], index.answers[row]].join("\n").toLowerCase();
    return index.hay[row];
  }

  // Prepares the search a slice at a time, so that neither opening nor the first search makes the page wait.
  function prepare(index, from = 0) {
    const to = Math.min(from + SLICE, index.id.length);
    for (let row = from; row < to; row++) haystack(index, row);
    if (to < index.id.length) setTimeout(prepare, 0, index, to);
  }

  function filter() {
    const { index, facets, changes, change } = state;
    const query = state.query.trim().toLowerCase();
    const wanted = index.facets.filter((f) => facets[f.name] !== undefined).map((f) => [f.codes, facets[f.name]]);
    state.matches = [];
    for (let row = 0; row < index.id.length; row++) {
      if ((!change || changes[row] === change) && wanted.every(([codes, value]) => codes[row] === value) && (!query || haystack(index, row).includes(query))) {
        state.matches.push(row);
      }
    }
    state.page = 0;
    list();
    if (!state.matches.includes(state.row)) guarded(show(state.matches.length ? example() : -1, false));
  }

  const pages = () => Math.max(1, Math.ceil(state.matches.length / PAGE_ROWS));

  function list() {
    const { index, matches, page } = state;
    const shown = matches.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
    const none = element("li", { class: "none" }, "No record matches. Clear the search and the filters to see all.");
    byId("rows").replaceChildren(...(shown.length ? [] : [none]), ...shown.map((row) => {
      const button = element("button", { type: "button" },
        element("span", { class: "question" }, index.question[row] || "(empty question)"),
        element("span", { class: "answers" }, index.answers[row] + " · " + index.problem[row]));
      if (row === state.row) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => guarded(show(row, true)));
      return element("li", {}, button);
    }));
    byId("rows").scrollTop = 0;
    byId("count").textContent = matches.length === index.id.length
      ? number(matches.length) + " records" : number(matches.length) + " of " + number(index.id.length) + " records match";
    byId("page").value = page + 1;
    byId("page").max = pages();
    byId("pages").textContent = "of " + number(pages());
    byId("page-back").disabled = page === 0;
    byId("page-on").disabled = page + 1 >= pages();
  }

  const number = (n) => n.toLocaleString("en");

  function turn(page) {
    state.page = Math.min(Math.max(0, page), pages() - 1);
    list();
  }

  function facetControls(index) {
    byId("facets").replaceChildren(...index.facets.map((facet) => {
      const select = element("select", {}, element("option", { value: "" }, "any"));
      facet.values.forEach((value, i) =>
        select.append(element("option", { value: String(i), ...explained(value) }, value + " (" + number(facet.counts[i]) + ")")));
      select.addEventListener("change", () => {
        if (select.value === "") delete state.facets[facet.name];
        else state.facets[facet.name] = Number(select.value);
        filter();
      });
      return element("label", {}, facet.name[0].toUpperCase() + facet.name.slice(1) + " ", select);
    }));
  }

  async function open(key) {
    const head = heads.find((h) => h.key === key);
    byId("count").textContent = "Opening the records …";
    const index = await indexOf(key);
    if (byId("collection").value !== key) return; // another one was chosen meanwhile
    Object.assign(state, { head, index, facets: {}, query: "", row: -1 });
    byId("query").value = "";
    byId("part").hidden = head.rows === head.total;
    byId("part").textContent = `The first ${number(head.rows)} of ${number(head.total)} records are in this page; all are in ${head.file}.`;
    facetControls(index);
    const others = heads.filter((h) => h !== head && h.group && h.group === head.group);
    await compareWith(head === heads.find((h) => h.group === head.group) ? undefined : others[0], others);
    if (state.head === head) filter();
  }

  // ---- two models on the same problems

  const CHANGES = ["fixed", "broken", "both right", "both wrong"];

  // Compares the open solutions with another model's, problem by problem and in their order; undefined for none.
  async function compareWith(other, others) {
    const { head, index } = state;
    Object.assign(state, { other: null, changes: null, change: "" });
    if (other) {
      const theirs = await indexOf(other.key);
      if (state.head !== head) return;
      const rows = matched(index, theirs);
      state.other = { head: other, index: theirs, rows };
      state.changes = rows.map((row, i) => row === undefined ? "" :
        CHANGES[index.right[i] ? (theirs.right[row] ? 2 : 0) : theirs.right[row] ? 1 : 3]);
    }
    comparisonControls(other, others);
  }

  function matched(index, theirs) {
    const places = new Map();
    theirs.problem.forEach((problem, row) => places.set(problem, [...(places.get(problem) || []), row]));
    const used = new Map();
    return index.problem.map((problem) => {
      const number = used.get(problem) || 0;
      used.set(problem, number + 1);
      return (places.get(problem) || [])[number];
    });
  }

  function comparisonControls(other, others) {
    const between = element("select", {}, element("option", { value: "" }, "no other model"),
      ...others.map((h) => element("option", { value: h.key }, h.model)));
    between.value = other ? other.key : "";
    between.addEventListener("change", () => guarded(
      compareWith(others.find((h) => h.key === between.value), others).then(() => { state.row = -1; filter(); })));
    const change = element("select", {}, element("option", { value: "" }, "any"));
    const words = other && { fixed: `${other.model} wrong, ${state.head.model} right`, broken: `${other.model} right, ${state.head.model} wrong` };
    for (const name of other ? CHANGES : []) {
      const count = number(state.changes.filter((found) => found === name).length);
      change.append(element("option", { value: name }, `${name}${words[name] ? ": " + words[name] : ""} (${count})`));
    }
    change.addEventListener("change", () => { state.change = change.value; filter(); });
    byId("between").replaceChildren(...(others.length ? [element("label", {}, "Compared with ", between)] : []),
      ...(other ? [element("label", {}, "Change ", change)] : []));
  }

  // ---- one record

  function steps(blocks) {
    const found = [];
    for (const block of blocks) {
      const last = found[found.length - 1];
      if (block.type === "execution" && last && last[last.length - 1].type === "code") last.push(block);
      else found.push([block]);
    }
    return found;
  }

  function blockElement(block) {
    if (block.type === "code") return write(element("pre", { class: "code", tabindex: "0", "aria-label": "Python code" }), block.words);
    if (block.type === "text") return write(element("p", { class: "prose" }), block.words);
    const output = element("pre", { class: "output", tabindex: "0", "aria-label": "Output" });
    return block.content ? write(output, block.words) : text(output, "(no output)");
  }

  function stepElements(blocks, first, temperatures) {
    return steps(blocks).map((step, i) => {
      const heat = temperatures && temperatures[i] !== undefined ? ", temperature " + Number(temperatures[i].toFixed(3)) : "";
      const kind = step[0].type === "code" ? "code" : step[0].type === "text" ? "text" : "output";
      return element("div", { class: "step" },
        element("h5", {}, `Step ${first + i}, ${kind}${heat}`), ...step.map(blockElement));
    });
  }

  function meta(entries) {
    return element("dl", { class: "meta" }, ...entries.filter(([, value]) => value !== "" && value !== null)
      .map(([label, value]) => element("div", {}, element("dt", {}, label), element("dd", explained(value), String(value)))));
  }

  // The tooltip of a reason or an ending.
  const explained = (value) => (meanings[value] ? { title: meanings[value] } : {});

  const answer = (value) => (value === null ? "no answer" : value);

  const rate = ({ right, tried }) => (tried ? `${right} of ${tried}` : "");

  function pairBody(pair) {
    const branch = steps(pair.prefix).length;
    const heats = pair.origin.temperatures;
    const [prefix, chosen, rejected] = [pair.prefix, pair.chosen, pair.rejected].map((blocks) => blocks.map(worded));
    markDifferences(chosen, rejected);
    const body = [
      meta([["problem", pair.problem_id], ["gold", pair.gold], ["kind", pair.kind.replace("_", "-")],
        ["made by", pair.origin.corruptor], ["mutation", pair.origin.mutation], ["attempts", pair.origin.attempts],
        ["right from the shared steps", rate(pair.confirmation.before)],
        ["right after the first wrong step", rate(pair.confirmation.after)],
        ["chosen from", pair.origin.chosen_id], ["rejected from", pair.origin.rejected_id]]),
      prose(pair.question, { class: "prose asked" }),
    ];
    if (branch) {
      body.push(element("h4", {}, "Shared prefix"), ...stepElements(prefix, 0),
        element("p", { class: "branch" }, `Branch after step ${pair.branch_step}`));
    } else {
      body.push(element("p", { class: "branch" }, "Two whole solutions"));
    }
    body.push(element("p", { class: "note" }, "Marked: words that the other side does not have."));
    body.push(element("div", { class: "sides" },
      side("chosen", "Chosen", "✓ Chosen: " + answer(pair.chosen_answer), stepElements(chosen, branch)),
      side("rejected", "Rejected", "✗ Rejected: " + answer(pair.rejected_answer), stepElements(rejected, branch, heats))));
    return body;
  }

  const side = (kind, label, title, content) => element("section", { class: "side " + kind, "aria-label": label },
    element("h4", {}, title), ...content);

  const outcome = ({ verdict }) => [
    element("p", { class: verdict.status === "correct" ? "right" : "wrong" },
      (verdict.status === "correct" ? "✓ " : "✗ ") + verdict.status + ": " + answer(verdict.answer)),
    element("p", { class: "note" }, verdict.reason),
  ];

  function solutionBody(solution, other) {
    const { sampling } = solution;
    const blocks = solution.blocks.map(worded);
    const head = [
      meta([["problem", solution.problem_id], ["gold", solution.gold], ["model", sampling.model], ["engine", sampling.engine],
        ["format", sampling.format], ["seed", sampling.seed], ["tokens", sampling.tokens], ["ended by", sampling.finish],
        ["isolation", solution.isolation], ["left out", solution.dropped.replaceAll("_", " ")],
        ["clean", solution.clean ? "yes" : "no"]]),
      prose(solution.question, { class: "prose asked" }),
    ];
    if (!other) return [...head, ...stepElements(blocks, 0, sampling.temperatures), ...outcome(solution)];
    const theirs = other.blocks.map(worded);
    markDifferences(theirs, blocks);
    const column = (record, label, words) => side(record.verdict.status === "correct" ? "chosen" : "rejected", label,
      label, [...stepElements(words, 0, record.sampling.temperatures), ...outcome(record)]);
    return [...head, element("p", { class: "note" }, "Marked: words that the other model's solution does not have."),
      element("div", { class: "sides" }, column(other, state.other.head.model, theirs), column(solution, state.head.model, blocks))];
  }

  async function show(row, focus) {
    const { head, index } = state;
    state.row = row;
    if (row < 0) {
      byId("record").replaceChildren(element("h3", { id: "record-title", tabindex: "-1" }, "No record chosen"),
        element("p", { class: "note" }, index.id.length ? "None matches the search and the filters." : "There are none."));
      return;
    }
    const { other } = state;
    const record = await recordAt(head, index, row);
    const place = other ? other.rows[row] : undefined;
    const beside = place === undefined ? null : await recordAt(other.head, other.index, place);
    if (state.row !== row || state.head !== head || state.other !== other) return;
    const at = state.matches.indexOf(row);
    const move = (label, to, name) => {
      const button = element("button", { type: "button", class: name }, label);
      button.disabled = to === undefined;
      button.addEventListener("click", () => guarded(show(to, true)));
      return button;
    };
    const back = element("button", { type: "button", class: "back" }, "Back to the list");
    back.addEventListener("click", () => {
      const current = document.querySelector("#rows [aria-current]") || byId("query");
      current.focus();
    });
    byId("record").replaceChildren(
      element("h3", { id: "record-title", tabindex: "-1" }, record.id),
      element("div", { class: "moves" }, move("Previous", state.matches[at - 1], "previous"),
        move("Next", at < 0 ? undefined : state.matches[at + 1], "next"), back),
      ...(head.kind === "pair" ? pairBody(record) : solutionBody(record, beside)));
    const page = at < 0 ? state.page : Math.floor(at / PAGE_ROWS);
    const scrolled = page === state.page ? byId("rows").scrollTop : 0;
    state.page = page;
    list();
    byId("rows").scrollTop = scrolled;
    if (!focus) return;
    byId("record-title").focus();
    history.replaceState(null, "", `#record=${head.key}/${row}`);
  }

  async function followAddress() {
    const match = /^#record=([^/]+)\/(\d+)$/.exec(location.hash);
    const head = match && heads.find((h) => h.key === match[1]);
    const key = head ? head.key : heads[0].key;
    byId("collection").value = key;
    await open(key);
    if (head && Number(match[2]) < head.rows) {
      await show(Number(match[2]), true);
      byId("record").scrollIntoView();
    }
  }

  // What a newcomer should see first: a pair with a branch, where there is one.
  function example() {
    const kind = state.index.facets.find((facet) => facet.name === "kind");
    const wanted = kind ? kind.values.findIndex((value) => value.startsWith("step")) : -1;
    return state.matches.find((row) => wanted >= 0 && kind.codes[row] === wanted) ?? state.matches[0];
  }

  // ---- controls

  let waiting = 0;
  byId("query").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.query = byId("query").value; filter(); }, 120);
  });
  byId("collection").addEventListener("change", () => guarded(open(byId("collection").value)));
  const form = document.querySelector(".filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const select of byId("facets").querySelectorAll("select")) select.value = "";
    const change = byId("between").querySelector("label + label select");
    if (change) change.value = "";
    byId("query").value = "";
    Object.assign(state, { facets: {}, query: "", change: "" });
    filter();
  });
  byId("set").addEventListener("change", () => {
    state.set = byId("set").checked;
    if (state.row >= 0) guarded(show(state.row, false));
  });
  byId("page-back").addEventListener("click", () => turn(state.page - 1));
  byId("page-on").addEventListener("click", () => turn(state.page + 1));
  byId("page").addEventListener("change", () => turn(Math.trunc(Number(byId("page").value)) - 1 || 0));

  function guarded(work) {
    return work.catch((error) => {
      byId("count").textContent = typeof DecompressionStream === "undefined"
        ? "This browser cannot open the records; a version from 2023 or later can." : "The records cannot be opened: " + error.message;
    });
  }
  guarded(followAddress());
})();
