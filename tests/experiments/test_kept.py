"""Scores of a study survive processes that keep theirs at the same time."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from experiments.kept import keep, read

MODELS = 20


def keep_many(path: Path, seed: int) -> None:
    for model in range(MODELS):
        keep(path, seed, f"model {model}", {"a": 1.0, "b": 0.0}, {"pairs": {"naive": model}})


def test_processes_that_keep_scores_of_different_seeds_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        list(processes.map(keep_many, [path] * 3, range(3)))
    assert {seed: len(of["scores"]) for seed, of in read(path).items()} == {
        "0": MODELS,
        "1": MODELS,
        "2": MODELS,
    }
