"""``write_report``: a run folder as one HTML page that needs nothing else, no network and no server.

What models and kernels wrote is hostile: in the upper part it goes through Jinja's escaping, in the records
through JSON, gzip and base64 and then into text nodes; control characters and direction marks are shown by
their code points; and the page's Content-Security-Policy lets only its own script run and nothing be fetched.
Formulas are set by Temml (``vendor/``, MIT), which makes MathML, so that no font has to come with the page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eval.headline import headlines
from eval.heat import HeatMap
from eval.report import pack, sections
from eval.report.sections import ReportError
from eval.results import read_results
from scdpo.data.reasons import meaning
from scdpo.data.whole_files import written_whole
from scdpo.errors import MissingFileError

__all__ = ["ReportError", "credit_page", "write_report"]

# Control, bidi and zero-width characters: for a text that is to read backwards on the page; leaves tabs and "é" alone.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def write_report(run_dir: Path | str) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Args:
        run_dir: the run; whichever of its files are there are shown.

    Raises:
        FileNotFoundError: if the folder is not there.
        ReportError, ResultError, RunError: if a file of the run is not what it should be, or the page cannot be
            written; the message names it.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise MissingFileError(f"no run folder at {run_dir}")
    pieces = _environment().get_template("page.html.jinja").generate(_context(run_dir))
    path = run_dir / "report.html"
    try:
        with written_whole(path) as part, part.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(pieces)
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def credit_page(heat: HeatMap) -> str:
    """Return a page of one heat-map, which fetches nothing and holds no script."""
    template = _environment().get_template("credit.html.jinja")
    return template.render(map=heat, style=Markup(_asset("style.css")))


def _context(run_dir: Path) -> dict[str, Any]:
    evaluations = read_results(run_dir)
    found = [pack.pairs(run_dir), pack.solutions(run_dir)]
    found += [pack.transcripts(run_dir, e, f"evaluation-{i}") for i, e in enumerate(evaluations)]
    collections = [c for c in found if c is not None]
    config = run_dir / "config.yaml"
    script = "\n".join(map(_asset, ("formulas.js", "difference.js", "page.js")))
    scripts = [_asset("vendor/temml.min.js"), script] if collections else []
    return {
        "name": run_dir.resolve().name,
        "headlines": headlines([e for e in evaluations if e.finished]),
        "made": f"scdpo {version('scdpo')}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, by: scdpo report {run_dir}",
        "config": config.read_text(encoding="utf-8", errors="replace") if config.exists() else "",
        "overview": _overview(collections),
        "stages": sections.stages(run_dir),
        "accuracy": sections.accuracy(evaluations),
        "curves": sections.curves(run_dir, evaluations),
        "heat_maps": sections.heat_maps(run_dir),
        "collections": collections,
        "heads": [c.head() for c in collections],
        "meanings": _meanings(run_dir, collections),
        "style": Markup(_asset("style.css")),
        "scripts": [Markup(one) for one in scripts],
        "script_sources": " ".join(f"'sha256-{_hash(one)}'" for one in scripts) or "'none'",
    }


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _meanings(run_dir: Path, collections: list[pack.Collection]) -> dict[str, str]:
    """Return a sentence for each reason and ending that the page shows and that is known."""
    words = {drop.reason for stage in sections.stages(run_dir) for drop in stage.drops}
    words |= {
        word for c in collections for facet in ("left out", "ended by") for word in c.counts.get(facet, ())
    }
    return {word: sentence for word in sorted(words) if (sentence := meaning(word))}


def _overview(collections: list[pack.Collection]) -> list[tuple[str, list[str]]]:
    """Return the facts at the top of the page, label and lines."""
    facts: list[tuple[str, list[str]]] = []
    for collection in collections:
        if collection.kind == "pair":
            facts.append(("Preference pairs", [f"{collection.total:,}: {_words(collection.counts['kind'])}"]))
        elif collection.key == "solutions":
            counted = _words(collection.counts["verdict"])
            facts.append(("Sampled solutions", [f"{collection.total:,}: {counted}"]))
    solved = [c for c in collections if c.kind == "solution"]
    levels = sum((c.counts["isolation"] for c in solved), Counter[str]())
    models = Counter[str]()
    for collection in solved:  # an evaluation's model by its name in tables, not by its folder
        models.update(
            {collection.model: collection.total} if collection.model else collection.counts["model"]
        )
    if solved:
        facts.append(("Models", [f"{model}: {number:,} solutions" for model, number in models.most_common()]))
        facts.append(("Isolation of their code", [_words(levels)]))
    return facts


_FIRST = ("correct", "incorrect", "unverifiable")  # verdicts stand in one order everywhere


def _words(counted: Mapping[str, int]) -> str:
    ordered = sorted(
        counted.items(), key=lambda item: (_FIRST.index(item[0]) if item[0] in _FIRST else 9, -item[1])
    )
    return ", ".join(f"{number:,} {value}" for value, number in ordered)


@cache
def _asset(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__name__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = lambda number: f"{number:.4g}"
    environment.filters["counted"] = _words
    return environment


def _seen(value: Any) -> Any:
    """Show control characters, direction marks and lone surrogates by their code points."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNSEEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", value)
    return value
