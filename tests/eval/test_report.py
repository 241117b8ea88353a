"""What the page holds, read without a browser."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import eval.report
from eval.report import ReportError, pack, write_report
from eval.report.sections import curves
from eval.results import Evaluation, ResultError, Settings
from scdpo.data.records import PairRecord
from scdpo.data.runs import RecordFile, RunError
from tests.eval.make_run import HOSTILE, make_pair, make_run

ASSETS = ("style.css", "formulas.js", "difference.js", "page.js", "vendor/temml.min.js")


@pytest.fixture(scope="module")
def page(run_dir):
    return write_report(run_dir).read_text(encoding="utf-8")


def test_the_sample_that_is_kept_has_the_scripts_and_the_style_of_today():
    sample = (Path(__file__).parents[2] / "docs" / "sample-report.html").read_text(encoding="utf-8")
    folder = Path(eval.report.__file__).parent
    lagging = [name for name in ASSETS if (folder / name).read_text(encoding="utf-8").strip() not in sample]
    assert not lagging, "make sample"


class Elements(HTMLParser):
    """Gathers the elements of a page with their attributes, and the text outside scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self._inside = [], [], None
        self.feed(page)
        self.text = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._inside = tag if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside is None:
            self.text.append(data)


def unpacked(page, key):
    packed = re.search(
        rf'<script type="application/gzip" id="{re.escape(key)}">([^<]*)</script>', page
    ).group(1)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_an_empty_run_says_what_to_do_next(tmp_path):
    page = write_report(tmp_path).read_text()
    assert "scdpo sample" in page
    assert Elements(page).found


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run folder"):
        write_report(tmp_path / "nowhere")


def test_overview_counts_what_is_there(page):
    text = Elements(page).text
    assert "60: 40 step-controlled, 20 naive" in text
    assert "Isolation of their code" in text


def test_funnel_tells_numbers_and_reasons(page):
    text = Elements(page).text
    assert "2,950 kept of 4,210 (70.1 %) in 61.4 s" in text
    assert "no dispreferred solution 41" in text


def test_accuracy_table_has_intervals_and_tests(page):
    text = Elements(page).text
    assert re.search(r"SCDPO \d+\.\d \[\d+\.\d, \d+\.\d\] [+-]\d+\.\d, p [=<] 0\.\d+", text)
    assert "McNemar exact, uncorrected" in text
    assert "By level and subject" in text


def test_training_curves_are_drawn_with_their_numbers(page):
    text = Elements(page).text
    for name in ("Loss", "Pairs told apart: chosen side gained more than rejected", "Learning rate"):
        assert f"{name}, over training" in text
    assert "train_runtime" not in text


def test_the_longest_log_of_a_model_is_used(tmp_path):
    for folder, steps in (("model/dpo/checkpoint-10", 2), ("model/dpo", 4), ("model/dpo/checkpoint-20", 3)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        log = [{"step": step, "loss": step / 10} for step in range(1, steps + 1)]
        (tmp_path / folder / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    text = Elements(write_report(tmp_path).read_text()).text
    assert "dpo 0.1 0.4 0.1 0.4" in text


def test_credit_is_shown_by_colour_and_number(page):
    assert page.count('class="minus s9" title="-1.5000">4<') == 2
    assert page.count("<span>-1.5</span>") == page.count("<span>+1.5</span>") == 1  # one scale for all models


def test_the_kernels_tokens_have_no_colour(page):
    assert '<span class="kernel">2</span>' in page


def test_nothing_is_fetched(page):
    elements = Elements(page)
    for tag, attributes in elements.found:
        assert "src" not in attributes, tag
        assert tag not in ("link", "iframe", "object", "img"), tag
        assert attributes.get("href", "#").startswith("#")
    assert "default-src 'none'" in page


def test_hostile_text_makes_no_element_and_no_handler(page):
    for tag, attributes in Elements(page).found:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    scripts = [a for tag, a in Elements(page).found if tag == "script" and "type" not in a]
    assert len(scripts) == 2  # the page's own and the library that sets formulas, each by its digest
    assert page.count("'sha256-") == 2


def test_hostile_text_is_still_readable(page):
    text = Elements(page).text
    assert "<img src=x onerror=" in text
    assert "{{ 7*7 }}" in text
    assert "⟨U+202E⟩" in text
    assert "\u202e" not in page


def test_template_marks_in_data_are_not_run(page):
    assert "49" not in re.findall(r"onload=alert\(1\)&gt; (\S+)", page)


def test_records_come_back_as_they_were(page, run_dir):
    index = unpacked(page, "pairs")
    rows = unpacked(page, "pairs.0")
    written = [json.loads(line) for line in (run_dir / "pairs.jsonl").read_text().split("\n")[:-1]]
    assert index["id"] == [pair["id"] for pair in written]
    assert rows[1]["rejected"] == written[1]["rejected"]
    assert rows[1]["rejected_answer"] == HOSTILE
    assert "chosen_tokens" not in rows[1]


def test_filters_hold_codes_and_counts(page):
    facets = {facet["name"]: facet for facet in unpacked(page, "pairs")["facets"]}
    kind = facets["kind"]
    assert kind["values"] == ["naive", "step-controlled"]
    assert kind["counts"] == [20, 40]
    assert kind["codes"][:4] == [0, 1, 1, 0]
    assert facets["branch"]["values"] == ["none", "step 0", "step 1", "step 2"]


def test_evaluation_transcripts_can_be_browsed(page):
    assert "Evaluation: SCDPO on gsm8k (40)" in Elements(page).text
    assert unpacked(page, "evaluation-0.0")[0]["verdict"]


def test_seeds_keep_all_their_digits(page, run_dir):
    seeds = [row["sampling"]["seed"] for row in unpacked(page, "solutions.0")]
    assert seeds[1] == str(2**62 + 1)


def test_a_lone_surrogate_stays_harmless(tmp_path):
    (tmp_path / "stages.json").write_text(
        '{"\\ud800 stage": {"in": 1, "kept": 1, "dropped": {}, "seconds": 0}}'
    )
    assert "⟨U+D800⟩ stage" in write_report(tmp_path).read_text(encoding="utf-8")


def test_rows_and_chunks_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "MAX_ROWS", 50)
    monkeypatch.setattr(pack, "CHUNK_CHARACTERS", 20_000)
    page = write_report(make_run(tmp_path / "run")).read_text()
    heads = json.loads(re.search(r'id="heads">(.*?)</script>', page).group(1))
    assert (heads[0]["rows"], heads[0]["total"]) == (50, 60)
    starts = unpacked(page, "pairs")["starts"]
    chunks = [unpacked(page, f"pairs.{i}") for i in range(len(starts))]
    assert len(chunks) > 2
    assert starts == [sum(map(len, chunks[:i])) for i in range(len(chunks))]
    assert sum(map(len, chunks)) == 50


def test_the_same_run_gives_the_same_page(run_dir, page):
    assert write_report(run_dir).read_text(encoding="utf-8") == page


def test_a_torn_last_line_is_left_out(tmp_path):
    import random

    file = RecordFile(tmp_path / "pairs.jsonl", PairRecord)
    for number in range(3):
        file.append(make_pair(random.Random(0), number))
    file.close()
    with (tmp_path / "pairs.jsonl").open("a") as torn:
        torn.write('{"id": "half')
    assert len(unpacked(write_report(tmp_path).read_text(), "pairs")["id"]) == 3


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("stages.json", "[1]", ReportError, "must hold a JSON object"),
        ("stages.json", '{"sample": {"in": 3}}', ReportError, "needs in, kept, dropped, seconds"),
        (
            "credit/a.json",
            '{"models": {"a": [{"text": "b"}]}}',
            ReportError,
            "needs title, question, and models",
        ),
        ("model/a/trainer_state.json", "{}", ReportError, "log_history is missing"),
        ("eval/a.json", "{}", ResultError, "is no evaluation result"),
        ("pairs.jsonl", "{}\n", RunError, "line 1"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, error, says):
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=says) as caught:
        write_report(tmp_path)
    assert Path(name).name in str(caught.value)


def contrast(first, second):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_every_text_colour_has_contrast_on_every_ground_it_stands_on(theme):
    style = (Path(eval.report.__file__).parent / "style.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    on_any = ("ink", "ink-soft", "code-word", "code-string", "code-number", "code-note")
    for ground in ("surface", "raised"):
        for ink in (*on_any, "accent", "good", "bad"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for side in ("good", "bad"):
        for ink in ("ink", "ink-soft", side):
            assert contrast(colours[ink], colours[f"{side}-soft"]) >= 4.5, (ink, side)


def trained(run_dir, name, points):
    folder = run_dir / "model" / name
    folder.mkdir(parents=True)
    log = [{"step": step, "loss": 0.6 + step / 100} for step in range(1, points + 1)]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": log}))


def test_a_curve_has_two_points_and_its_model_the_name_of_the_tables(tmp_path):
    trained(tmp_path, "dpo-data-equal", 3)
    trained(tmp_path, "short", 1)
    settings = Settings(engine="x", checkpoint=str(tmp_path / "model" / "dpo-data-equal"), format="cot")
    measured = Evaluation(name="e", model="DPO, data-equal", benchmark="b", settings=settings, started=0)
    (curve,) = curves(tmp_path, [measured])
    assert curve.name == "Loss"
    assert [row[0] for row in curve.rows] == ["DPO, data-equal"]
    assert "short" not in curve.chart
