"""What an evaluation leaves in the run folder: ``eval/NAME.json`` and ``eval/NAME.transcripts.jsonl``.

The first holds the numbers and one score a problem (paired tests need those); the second every solution,
one ``SolutionRecord`` a line. This module only reads and names them; ``eval.evaluate`` makes them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.metrics import Estimate
from scdpo.data.runs import RunError

FOLDER = "eval"
LONGEST_NAME = 100
"""Characters of a model's or benchmark's name that file names keep."""


class ResultError(RunError):
    """A result cannot be read or used; the message names the file and the remedy."""


class Settings(BaseModel):
    """How the solutions were sampled.

    ``weights`` is the ``fingerprint`` of a checkpoint on this machine; ``temperature`` 0 is greedy; ``samples`` are
    those of one problem; ``blocks`` and ``block_tokens`` bound a solution, 0 where the sampler's own bounds held.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    checkpoint: str
    format: str
    weights: str = ""
    system: str = ""
    samples: int = 1
    temperature: float = 0.0
    seed: int = 0
    blocks: int = 0
    block_tokens: int = 0


class Cost(BaseModel):
    """What the evaluation took: sampled tokens, and wall-clock seconds summed over its starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int = 0
    seconds: float = 0.0


class Evaluation(BaseModel):
    """One model on one benchmark.

    ``model`` is the row and ``benchmark`` the column of a table; ``started`` is seconds since 1970. Until it
    is ``finished`` there are no estimates. ``pass_at`` and ``majority_at`` are by k; ``by`` holds the
    accuracy by ``level`` and by ``subject`` where the problems have one; ``verdicts`` and ``endings`` count
    solutions; ``scores`` is problem id -> share of its samples that are right, and ``problems`` problem id -> a
    digest of its question and gold answer, so that two evaluations are paired only where both are the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    model: str
    benchmark: str
    settings: Settings
    started: float
    finished: bool = False
    cost: Cost = Cost()
    accuracy: Estimate | None = None
    pass_at: dict[int, Estimate] = {}
    majority_at: dict[int, Estimate] = {}
    by: dict[str, dict[str, Estimate]] = {}
    verdicts: dict[str, int] = {}
    endings: dict[str, int] = {}
    scores: dict[str, float] = {}
    problems: dict[str, str] = {}

    @property
    def title(self) -> str:
        """The evaluation in words; the temperature where it was not greedy."""
        heat = self.settings.temperature
        return f"{self.model} on {self.benchmark}" + (f", temperature {heat:g}" if heat else "")


def result_name(model: str, benchmark: str, settings: Settings) -> str:
    """Return the NAME of an evaluation: letters, digits, ``.``, ``_`` and ``-`` only."""
    parts = [_plain_name(model), _plain_name(benchmark)]
    if settings.samples > 1 or settings.temperature > 0:
        parts.append(_plain_name(f"t{settings.temperature:g}-n{settings.samples}"))
    if settings.seed:
        parts.append(f"s{settings.seed}")
    return ".".join(parts)


def _plain_name(text: str) -> str:
    """Return text for a file name; what loses letters or is cut short ends in a digest, to stay apart from others."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text.replace(".", "_")).strip("-")
    if len(plain) > LONGEST_NAME or any(c.isalnum() and not c.isascii() for c in text):
        plain = f"{plain[:LONGEST_NAME]}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
    return plain.strip("-") or "x"


def result_path(run_dir: Path, name: str) -> Path:
    """Return where the numbers of an evaluation lie."""
    return run_dir / FOLDER / f"{name}.json"


def transcripts_path(run_dir: Path, name: str) -> Path:
    """Return where the solutions of an evaluation lie."""
    return run_dir / FOLDER / f"{name}.transcripts.jsonl"


def read_result(path: Path) -> Evaluation:
    """Read one ``eval/NAME.json``.

    Raises:
        ResultError: if it is not there or not such a file.
    """
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ResultError(f"{path} is no evaluation result: {field}: {first['msg']}") from error


def read_results(run_dir: Path) -> list[Evaluation]:
    """Return the finished evaluations of a run folder, in the order in which they were started.

    Raises:
        ResultError: if a file in ``eval/`` is not a result.
    """
    results = [read_result(path) for path in (run_dir / FOLDER).glob("*.json")]
    return sorted((r for r in results if r.finished), key=lambda r: (r.started, r.name))
