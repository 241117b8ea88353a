"""Tables and the sweep plot, from evaluations made by a fake sampler."""

import asyncio
import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console
from typer.testing import CliRunner

from eval.compare import (
    comparison,
    groups_table,
    load,
    markdown,
    rich_table,
    samples_table,
    sweep_plot,
)
from eval.evaluate import evaluate
from eval.metrics import p_words
from eval.results import ResultError, Settings
from scdpo.cli import app
from scdpo.data.runs import Run
from tests.eval.fakes import FakeSample


def evaluated(folder, problems, model, solved, benchmark="test", **settings):
    drawn = Settings(engine="fake", checkpoint=model, format="mathcoder", **settings)
    sample = FakeSample(lambda p, _: p.gold if int(p.id[1:]) in solved else "-1")
    with Run(folder) as run:
        return asyncio.run(evaluate(run, problems, sample, drawn, model=model, benchmark=benchmark))


@pytest.fixture
def three(tmp_path, problems):
    evaluated(tmp_path, problems, "SFT", range(2))
    evaluated(tmp_path, problems, "DPO", range(1, 4))
    evaluated(tmp_path, problems, "SCDPO", range(10))
    evaluated(tmp_path, problems, "SCDPO", range(10), benchmark="extra")
    return tmp_path


def test_rows_are_models_in_the_order_they_were_run(three):
    table = comparison(load([three]))
    assert table.models == ("SFT", "DPO", "SCDPO")
    assert table.benchmarks == ("test", "extra")


def test_each_model_is_tested_against_the_first(three):
    cells = comparison(load([three])).cells
    assert cells["SFT", "test"].paired is None
    assert cells["SCDPO", "test"].paired.mcnemar == pytest.approx(2 / 2**8)
    assert (cells["DPO", "test"].paired.first_only, cells["DPO", "test"].paired.second_only) == (1, 2)
    assert cells["SCDPO", "extra"].paired is None


def test_markdown_table(three):
    text = markdown(comparison(load([three])))
    assert "| model | test | extra |" in text
    assert "| SFT | 20.0 [5.7, 51.0] | – |" in text
    assert "| SCDPO | 100.0 [72.2, 100.0]<br>+80.0, p = 0.008 | 100.0 [72.2, 100.0] |" in text
    assert "McNemar exact, uncorrected" in text


def test_terminal_table_shows_names_as_they_are(tmp_path, problems):
    evaluated(tmp_path, problems, "[red]a|b[/red]\x1b[31m", range(3))
    table = comparison(load([tmp_path]))
    console = Console(record=True, width=120)
    console.print(rich_table(table))
    shown = console.export_text()
    assert "[red]a|b[/red]" in shown
    assert "\x1b" not in shown
    assert r"[red]a\|b[/red]" in markdown(table)


def shown(table):
    console = Console(record=True, width=80)
    console.print(table)
    return console.export_text()


def test_many_benchmarks_go_down_so_that_no_name_is_cut(tmp_path, problems):
    names = [f"benchmark-{i}" for i in range(8)]
    for name in names:
        evaluated(tmp_path, problems, "SFT", range(4), benchmark=name)
    table = comparison(load([tmp_path]))
    assert all(name in shown(rich_table(table)) for name in names)
    assert markdown(table).startswith("| benchmark | SFT |")


def test_pass_and_majority_are_printed_where_several_samples_were_drawn(tmp_path, problems):
    evaluated(tmp_path, problems, "SFT", range(4), temperature=0.7, samples=4)
    text = shown(samples_table(comparison(load([tmp_path]))))
    # Four of ten problems, right in all samples.
    assert [line.split()[5:7] for line in text.splitlines() if "SFT" in line] == [
        ["2", "│"],
        ["4", "│"],
    ]  # pass@1 is the accuracy
    assert text.count("40.0 [10.0, 70.0]") == 2 * 2
    assert "| SFT | test | 4 | 40.0 [10.0, 70.0] | 40.0 [10.0, 70.0] |" in markdown(
        comparison(load([tmp_path]))
    )
    evaluated(tmp_path / "greedy", problems, "SFT", range(4))
    assert samples_table(comparison(load([tmp_path / "greedy"]))) is None


def test_the_same_model_in_two_folders_is_told_apart_by_folder(tmp_path, problems):
    for name in ("one", "two"):
        evaluated(tmp_path / name, problems, "SFT", range(4))
    assert comparison(load([tmp_path / "one", tmp_path / "two"])).models == ("SFT (one)", "SFT (two)")


def test_differently_drawn_evaluations_get_columns_of_their_own(tmp_path, problems):
    evaluated(tmp_path, problems, "SFT", range(4))
    evaluated(tmp_path, problems, "SFT", range(4), temperature=0.7, samples=4)
    assert comparison(load([tmp_path])).benchmarks == ("test (greedy)", "test (T 0.7, 4 a problem)")


def test_two_seeds_of_one_model_get_columns_of_their_own(tmp_path, problems):
    evaluated(tmp_path, problems, "SFT", range(4), temperature=1.0)
    evaluated(tmp_path, problems, "SFT", range(5), temperature=1.0, seed=1)
    table = comparison(load([tmp_path]))
    assert table.benchmarks == ("test (T 1, 1 a problem, seed 0)", "test (T 1, 1 a problem, seed 1)")


def test_folders_of_one_name_are_told_apart_by_more_of_their_paths(tmp_path, problems):
    for name in ("one/seed-0", "two/seed-0"):
        evaluated(tmp_path / name, problems, "SFT", range(4))
    table = comparison(load([tmp_path / "one" / "seed-0", tmp_path / "two" / "seed-0"]))
    assert table.models == ("SFT (one/seed-0)", "SFT (two/seed-0)")


def test_the_same_folder_twice_is_refused(tmp_path, problems):
    evaluated(tmp_path, problems, "SFT", range(4))
    with pytest.raises(ResultError, match="two results"):
        comparison(load([tmp_path, tmp_path]))


def test_a_model_given_fewer_problems_is_marked(tmp_path, problems):
    evaluated(tmp_path, problems, "SFT", range(4))
    evaluated(tmp_path, problems[:5], "DPO", range(5))
    text = markdown(comparison(load([tmp_path])))
    assert "| SFT | 40.0 [16.8, 68.7] of 10 |" in text
    assert "| DPO | 100.0 [56.6, 100.0] of 5<br>+20.0, p = 1.000 on the 5 of both |" in text


def test_problems_that_changed_under_their_id_are_not_paired(tmp_path, problems):
    evaluated(tmp_path / "one", problems, "SFT", range(10))
    changed = [replace(p, question="another") if p.id in ("p0", "p1") else p for p in problems]
    evaluated(tmp_path / "two", changed, "DPO", range(10))
    paired = comparison(load([tmp_path / "one", tmp_path / "two"])).cells["DPO", "test"].paired
    assert (paired.problems, paired.difference) == (8, 0)


def test_accuracy_by_level_for_every_model(tmp_path, problems):
    evaluated(tmp_path, problems, "SFT", range(4))
    evaluated(tmp_path, problems, "DPO", range(10))
    text = shown(groups_table(comparison(load([tmp_path])), "level"))
    assert "SFT" in text
    assert "40.0 [11.8, 76.9] of 5" in text
    with pytest.raises(ResultError, match="none of these evaluations has problems with a colour"):
        groups_table(comparison(load([tmp_path])), "colour")


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(ResultError, match="no finished evaluation"):
        load([tmp_path])


def test_p_values_in_words():
    assert p_words(0.0312) == "p = 0.031"
    assert p_words(1e-9) == "p < 0.001"


def test_sweep_is_a_line_a_model_with_intervals(tmp_path, problems):
    for temperature, solved in ((0.0, 9), (0.8, 7), (1.6, 1)):
        for model in ("SFT", "<SCDPO> & co"):
            evaluated(tmp_path, problems, model, range(solved), temperature=temperature)
    svg = ElementTree.fromstring(sweep_plot(load([tmp_path])))
    lines = svg.findall(".//{*}polyline")
    assert [len(line.get("points").split()) for line in lines] == [3, 3]
    assert "<SCDPO> & co" in [t.text for t in svg.findall(".//{*}text")]
    heights = [float(p.split(",")[1]) for p in lines[0].get("points").split()]
    assert heights == sorted(heights)


def test_no_sweep_without_two_temperatures(three):
    with pytest.raises(ResultError, match="two temperatures"):
        sweep_plot(load([three]))


def test_a_comparison_is_also_json(three):
    said = json.loads(CliRunner().invoke(app, ["compare", str(three), "--json"]).output)
    assert said["first"] == "SFT"
    scdpo = next(c for c in said["cells"] if (c["model"], c["benchmark"]) == ("SCDPO", "test"))
    assert scdpo["accuracy"]["value"] == 1.0
    assert scdpo["difference_to_first"]["difference"] == pytest.approx(0.8)
    assert scdpo["difference_to_first"]["p_value"] == pytest.approx(
        2 / 2**8
    )  # McNemar: eight gained, none lost
    assert "SCDPO solves 100.0 %" in said["headlines"][0]
