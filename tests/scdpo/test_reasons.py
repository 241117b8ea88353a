"""Every word by which a record says why something was left out has a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scdpo
from scdpo.data.reasons import meaning

ROOT = Path(scdpo.__file__).parent
# A word counted (dropped["too_long"]), raised (Inconsistent("sign")) or recorded (draft.finish = "forged"); of the
# modules of filters, every word returned. Not one: an f-string, a settings key.
SAID = re.compile(
    r'dropped\["(\w+)"\]|Inconsistent\("(\w+)"\)|draft\.finish = "(\w+)"|_record\(search, .*"(\w+)"\)|Counter\(\["(\w+)"\]\)'
)
RETURNED = re.compile(r'return "([a-z_ ]+)"')
FILTERS = ("data/filters.py", "corrupt/slips.py", "corrupt/mutation/stated.py", "jobs/outcomes.py")


def words() -> set[str]:
    found = {
        w for path in ROOT.rglob("*.py") for groups in SAID.findall(path.read_text()) for w in groups if w
    }
    return found | {w for name in FILTERS for w in RETURNED.findall((ROOT / name).read_text())}


def test_every_reason_has_a_sentence() -> None:
    found = words()
    assert {"surplus", "forged", "no answer", "magnitude", "too_long"} <= found  # the search finds all kinds
    assert [word for word in sorted(found) if not meaning(word)] == []


@pytest.mark.parametrize("word", ["unfinished_forged", "unfinished forged", "forged"])
def test_a_reason_is_explained_as_records_hold_it_and_as_tables_show_it(word: str) -> None:
    assert "instead of waiting for the kernel" in meaning(word)
    assert meaning("nothing of the kind") == ""
