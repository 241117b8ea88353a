"""Claims that a change of values belies: outputs told by half, results misnamed, checks that confirm."""

from __future__ import annotations

import pytest

from scdpo.corrupt.rewriting.claims import check_claims
from scdpo.corrupt.rewriting.plausible import Inconsistent


@pytest.mark.parametrize(
    ("old", "new", "outputs", "reason"),
    [
        ("They are 3 and 4.", "They are 3 and 5.", ("(3, 4)", "(3, 6)"), "output_not_told"),
        ("So 8! = 40320.", "So 8! = 5040.", ("40320", "5040"), "misnamed_result"),
        (r"\\(\\binom{8}{2} = 28\\)", r"\\(\\binom{8}{2} = 56\\)", ("28", "56"), "misnamed_result"),
        (r"The \\(\\gcd(12, 8) = 4\\).", r"The \\(\\gcd(12, 8) = 2\\).", ("4", "2"), "misnamed_result"),
        ("Verification confirms 4.", "Verification confirms 5.", ("4", "5"), "confirmed"),
    ],
)
def test_a_belied_claim_is_given_up(old: str, new: str, outputs: tuple[str, str], reason: str) -> None:
    with pytest.raises(Inconsistent) as given_up:
        check_claims(old, new, *outputs)
    assert given_up.value.reason == reason


@pytest.mark.parametrize(
    ("old", "new", "outputs"),
    [
        ("They are 3 and 4.", "They are 3 and 6.", ("(3, 4)", "(3, 6)")),
        (
            "The first is 3.33.",
            "The first is 4.67.",
            ("(3.3333, 8)", "(4.6667, 8)"),
        ),  # told in part before, too
        ("So 8! = 40,320.", "So 8! = 40,320.", ("1", "2")),
        ("We check each case, x! = 5 first.", "We check each case, x! = 6 first.", ("5", "6")),
    ],
)
def test_other_texts_pass(old: str, new: str, outputs: tuple[str, str]) -> None:
    check_claims(old, new, *outputs)
