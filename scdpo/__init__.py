"""Sample, corrupt, pair, train: preference data and models from mathematics problems alone.

The names below are what callers rely on. They are loaded when first used: most of them bring in torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scdpo.corrupt.step_controlled import step_controlled_pairs
    from scdpo.data.pairs import naive_pairs
    from scdpo.data.problems import Problem, load_problems
    from scdpo.data.records import PairRecord as Pair
    from scdpo.sampling.engines import Engine
    from scdpo.sampling.sampler import Sampler, sample_solutions
    from scdpo.sampling.schedule import Schedule
    from scdpo.training.config import SCDPOConfig
    from scdpo.training.credit import token_credit
    from scdpo.training.trainer import SCDPOTrainer

_HOMES = {
    "Engine": "scdpo.sampling.engines",
    "Pair": "scdpo.data.records:PairRecord",
    "Problem": "scdpo.data.problems",
    "SCDPOConfig": "scdpo.training.config",
    "SCDPOTrainer": "scdpo.training.trainer",
    "Sampler": "scdpo.sampling.sampler",
    "Schedule": "scdpo.sampling.schedule",
    "load_problems": "scdpo.data.problems",
    "naive_pairs": "scdpo.data.pairs",
    "sample_solutions": "scdpo.sampling.sampler",
    "step_controlled_pairs": "scdpo.corrupt.step_controlled",
    "token_credit": "scdpo.training.credit",
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
    if name == "__version__":
        return version("scdpo")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute or name)
