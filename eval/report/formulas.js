"use strict";
// Formulas in prose: finds them, and sets them as MathML with Temml. Text from models only ever becomes text nodes.
const formulas = (() => {
  const LONGEST = 2000; // characters of a formula; a longer one is shown as it was written
  const OPTIONS = { throwOnError: true, trust: false, maxExpand: 100, maxSize: [20, 20], wrap: "tex" };
  // $$…$$, \[…\], \(…\) and $…$. For: "so $x+1$ is". Not for: "$5 and $6", "$5-$6" (a blank before the second sign, or
  // a digit behind it).
  const DELIMITED =
    /\$\$([^$]+)\$\$|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\)|\$(?!\s)((?:\\.|[^$\\\n])*?(?:\\.|[^$\\\s]))\$(?!\d)/g;
  const BOX = "\\boxed{"; // models also write it outside of any signs

  function boxes(plain) {
    const found = [];
    let from = 0;
    for (let at = plain.indexOf(BOX); at >= 0; at = plain.indexOf(BOX, at + 1)) {
      let depth = 0;
      let end = at + BOX.length - 1;
      do depth += { "{": 1, "}": -1 }[plain[end++]] || 0;
      while (depth > 0 && end < plain.length);
      if (depth > 0) break;
      found.push({ source: plain.slice(from, at) }, { source: plain.slice(at, end), tex: plain.slice(at, end) });
      from = end;
      at = end - 1;
    }
    return [...found, { source: plain.slice(from) }];
  }

  // Cuts a text into pieces: `source`, and `tex` where it is a formula.
  function pieces(text) {
    const found = [];
    let from = 0;
    for (const match of text.matchAll(DELIMITED)) {
      found.push(...boxes(text.slice(from, match.index)));
      found.push({ source: match[0], tex: match[1] ?? match[2] ?? match[3] ?? match[4], display: !(match[3] ?? match[4]) });
      from = match.index + match[0].length;
    }
    return [...found, ...boxes(text.slice(from))].filter((piece) => piece.source);
  }

  // Returns the formula as an element, or null where it cannot be set.
  function set({ tex, source, display }) {
    if (tex.length > LONGEST) return null;
    const made = document.createElement("span");
    made.className = "formula";
    made.title = source;
    try {
      temml.render(tex, made, { ...OPTIONS, displayMode: !!display });
    } catch {
      return null;
    }
    return made.querySelector("[href], [src]") ? null : made;
  }

  return { pieces, set };
})();
