"""lighteval's metric, on stand-ins with the fields of lighteval's classes: the index has no lighteval to install."""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

NAME = "scdpo.environments.lighteval"


class SampleLevelComputation(ABC):
    """lighteval.metrics.metrics_sample.SampleLevelComputation."""

    @abstractmethod
    def compute(self, doc: Any, model_response: Any, **kwargs: Any) -> Any: ...


@dataclass
class SampleLevelMetric:
    """lighteval.metrics.utils.metric_utils.SampleLevelMetric."""

    metric_name: str
    higher_is_better: bool
    category: Any
    sample_level_fn: Any
    corpus_level_fn: Callable[[Any], Any]
    batched_compute: bool = False


class SamplingMethod(StrEnum):
    """lighteval.tasks.requests.SamplingMethod."""

    GENERATIVE = "GENERATIVE"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for path, names in {
        "lighteval": {},
        "lighteval.metrics": {},
        "lighteval.metrics.metrics_sample": {"SampleLevelComputation": SampleLevelComputation},
        "lighteval.metrics.utils": {},
        "lighteval.metrics.utils.metric_utils": {"SampleLevelMetric": SampleLevelMetric},
        "lighteval.tasks": {},
        "lighteval.tasks.requests": {"SamplingMethod": SamplingMethod},
    }.items():
        stand_in = ModuleType(path)
        stand_in.__dict__.update(names)
        monkeypatch.setitem(sys.modules, path, stand_in)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    yield importlib.import_module(NAME)
    sys.modules.pop(NAME, None)


@pytest.mark.parametrize(
    ("reply", "score"), [(r"It is \boxed{\frac{1}{2}}.", 1.0), ("It is 2.", 0.0), ("", 0.0)]
)
def test_a_reply_is_compared_with_every_gold_answer(module: ModuleType, reply: str, score: float) -> None:
    metric = module.verified_metric()
    doc = SimpleNamespace(get_golds=lambda: ["7", "0.5"])
    assert metric.sample_level_fn.compute(doc, SimpleNamespace(final_text=[reply])) == score


def test_the_metric_is_the_mean_and_more_is_better(module: ModuleType) -> None:
    metric = module.verified_metric()
    assert (metric.metric_name, metric.category, metric.higher_is_better) == (
        "verified",
        SamplingMethod.GENERATIVE,
        True,
    )
    assert metric.corpus_level_fn([1.0, 0.0, 0.0, 1.0]) == 0.5
