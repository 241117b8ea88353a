"""The card of a run folder: a ``README.md`` that tells people, and ``datasets.load_dataset``, what its files hold.

Without it the loader guesses the columns from the first 10 MB of a file, and fails where those hold naive pairs alone,
whose branch step is null and whose prefix is empty. Not covered: exported pairs, which have a card of their own
(``scdpo.data.export``).
"""

from __future__ import annotations

from functools import cache
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel

from scdpo.data.records import BranchRecord, PairRecord, SolutionRecord, ValueRecord

_FILES: Final[dict[str, type[BaseModel]]] = {
    "pairs": PairRecord,
    "solutions": SolutionRecord,
    "branches": BranchRecord,
    "values": ValueRecord,
}
_DTYPES: Final = {str: "string", int: "int64", float: "float64", bool: "bool"}
_TEXT: Final = """# A run of scdpo

`solutions.jsonl`: sampled solutions, verified. `branches.jsonl`: how often it was tried to go wrong after each step.
`pairs.jsonl`: preference pairs. `values.jsonl`: how often the model succeeds from each step, where that was asked for.
One record a line; `datasets.load_dataset("this folder", "pairs")` reads them.
"""


@cache
def run_card() -> str:
    """Return the text of the card."""
    header = {
        "configs": [{"config_name": name, "data_files": f"{name}.jsonl"} for name in _FILES],
        "dataset_info": [{"config_name": name, "features": _fields(kind)} for name, kind in _FILES.items()],
    }
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n{_TEXT}"


def _fields(kind: type[BaseModel]) -> list[dict[str, Any]]:
    return [{"name": name, **_feature(field.annotation)} for name, field in kind.model_fields.items()]


def _feature(kind: Any) -> dict[str, Any]:
    """Return a field's type as ``datasets`` writes features in a card."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {"struct": _fields(kind)}
    inner = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is list:
        feature = _feature(inner[0])
        return {"list": feature.get("dtype") or feature.get("struct") or feature}
    if get_origin(kind) is Literal:
        return _feature(type(inner[0]))
    return _feature(inner[0]) if inner else {"dtype": _DTYPES[kind]}
