"""Sample, corrupt, pair, train: preference data and models from mathematics problems alone.

The names below are what callers rely on. They are loaded when first used: most of them bring in torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scdpo.config import SCDPOConfig
    from scdpo.credit import token_credit
    from scdpo.engines import Engine
    from scdpo.pairs import naive_pairs
    from scdpo.problems import Problem, load_problems
    from scdpo.records import PairRecord as Pair
    from scdpo.sampler import Sampler, sample_solutions
    from scdpo.schedule import Schedule
    from scdpo.step_controlled import step_controlled_pairs
    from scdpo.trainer import SCDPOTrainer

_HOMES = {
    "Engine": "scdpo.engines",
    "Pair": "scdpo.records:PairRecord",
    "Problem": "scdpo.problems",
    "SCDPOConfig": "scdpo.config",
    "SCDPOTrainer": "scdpo.trainer",
    "Sampler": "scdpo.sampler",
    "Schedule": "scdpo.schedule",
    "load_problems": "scdpo.problems",
    "naive_pairs": "scdpo.pairs",
    "sample_solutions": "scdpo.sampler",
    "step_controlled_pairs": "scdpo.step_controlled",
    "token_credit": "scdpo.credit",
}

__all__ = [
    "Engine",
    "Pair",
    "Problem",
    "SCDPOConfig",
    "SCDPOTrainer",
    "Sampler",
    "Schedule",
    "load_problems",
    "naive_pairs",
    "sample_solutions",
    "step_controlled_pairs",
    "token_credit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute or name)
