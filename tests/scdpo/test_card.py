"""A run folder is a data set: its card says what the columns are, whatever the first records hold."""

from __future__ import annotations

from pathlib import Path

import datasets

from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from tests.scdpo.training.conftest import record, solution, text


def test_pairs_load_where_the_first_megabytes_are_naive(tmp_path: Path) -> None:
    right, wrong = solution(1, 2, 3, 6), solution(1, 3, 4, 8)
    rows = [record(i, "naive", [], right, wrong) for i in range(20)]
    rows.append(record(0, "step_controlled", right[:1], right[1:], [text("So \\boxed{7}.")]))
    with Run(tmp_path / "run") as run:
        for row in rows:
            run.pairs.append(PairRecord.model_validate(row))
    # The loader reads 10 MB at once; so small a part has naive pairs alone.
    loaded = datasets.load_dataset(
        str(tmp_path / "run"), "pairs", split="train", cache_dir=str(tmp_path / "cache"), chunksize=4000
    )
    assert loaded["branch_step"][:] == [None] * 20 + [0]
    assert loaded[20]["prefix"] == right[:1]
    assert loaded[0]["confirmation"] == {f: {"right": 0, "tried": 0} for f in ("before", "after")}
    assert loaded[0]["origin"]["temperatures"] == []


def test_a_card_that_is_there_stays(tmp_path: Path) -> None:
    mine = "# My notes\n"
    (tmp_path / "README.md").write_text(mine, encoding="utf-8")
    with Run(tmp_path):
        pass
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == mine
