"""Notations and layouts that models write, each right beside a wrong one that looks like it."""

import importlib
import pkgutil
import subprocess
import sys
from typing import Any

import pytest

import verifier
from verifier import verify
from verifier.patterns import pattern

RIGHT = [
    (r"\boxed{2\text{ and }\frac13}", r"\frac{7}{3}"),
    (r"\boxed{\text{(a) } 3 \text{ (b) } 5}", "3; 5"),
    (r"\boxed{(1)\ 3;\ (2)\ 5}", "3; 5"),
    (r"\boxed{9.8\ \text{m}\,\text{s}^{-2}}", r"9.8\ \mathrm{m/s^2}"),
    (r"\boxed{6\ \text{kg}\cdot\text{m}}", "6"),
    (r"\boxed{3{:}45 \text{ PM}}", "15:45"),
    (r"\boxed{\overline{AB}}", "AB"),
    (r"\boxed{P(A \cup B) = 0.7}", "0.7"),
    (r"\boxed{AB + BC = 5}", "5"),
    (r"\boxed{\text{Twelve dollars}}", "12"),
    (r"\boxed{1.234.567}", "1234567"),
    (r"\boxed{1_000_000}", "1000000"),
    (r"\boxed{\text{approximately } 42}", "42"),
    (r"\boxed{12}", "B) 12"),
    (r"\boxed{y = C_1 e^{x} + C_2 e^{-x}}", "y = c_1e^{-x} + c_2e^{x}"),
    (r"\boxed{y=Ce^{x}}", "y = c e^x"),
    (r"\boxed{y = Ae^{-x}+Be^{2x}}", "y=Ae^{-x}+Be^{2x}"),
    (r"\boxed{-\frac14\cos 2x + C}", r"\frac12\sin^2x + C"),
    ("Hence, option (c) is correct.", "C"),
    ("したがって、答えは 24 個です。", "24"),
    ("정답은 24개입니다.", "24"),
    ("> **12**", "12"),
    ("Final answer -> 12", "12"),
    ("Final: 12", "12"),
    ("<b>12</b>", "12"),
    (r"\begin{align*} x &= 3\cdot 4 \\ &= 12 \end{align*}", "12"),
    (r"\[\begin{aligned} S &= 6 \cdot 7 \\ &= 42. \end{aligned}\]", "42"),
    (r"\boxed{x=3}", "x=3 (the other root is extraneous)"),
    (r"\boxed{42}", "42 (approximately)"),
    ("\\boxed{\\begin{aligned} x &= 2 \\\\\n y &= 3 \\end{aligned}}", "(2,3)"),
    (r"\boxed{\begin{cases} x &= 2 \\ y &= 3 \end{cases}}", "x=2, y=3"),
    (r"Thus $x=7$. $\blacksquare$", "7"),
    ("Correct choice: **B**", "B"),
    (r"So the probability is about 0.139 (exactly $\frac{5}{36}$).", "5/36"),
]
NOT_RIGHT = [
    (r"\boxed{2\text{ and }3}", "23"),
    (r"\boxed{(1)(2)}", "1; 2"),
    (r"\boxed{9.8\ \text{m}\,\text{s}^{2}}", r"9.8\ \mathrm{m/s^2}"),
    (r"\boxed{\overline{AB}}", "5"),
    (r"\boxed{2x + z = 5}", "5"),
    (r"\boxed{\text{one or two dollars}}", "1"),
    (r"\boxed{1.234}", "1234"),
    (r"\boxed{204_5}", "204"[:2]),
    (r"\boxed{y = C_1 e^{x} + C_2 e^{-2x}}", "y = c_1e^{-x} + c_2e^{x}"),
    (r"\boxed{-\cos x + C}", r"\cos x + C"),
    (r"\boxed{180 - A - C}", "90 - A - C"),
    (r"\begin{align*} x &= 3 \\ y &= 12 \end{align*}", "12"),
    ("a<b and b>12", "12"),
]


@pytest.mark.parametrize(("prediction", "gold"), RIGHT)
def test_it_is_read(prediction: str, gold: str) -> None:
    assert verify(prediction, gold).status == "correct"


@pytest.mark.parametrize(("prediction", "gold"), NOT_RIGHT)
def test_what_looks_like_it_is_left_alone(prediction: str, gold: str) -> None:
    assert verify(prediction, gold).status != "correct"


def _patterns() -> list[tuple[str, Any]]:
    lazy = type(pattern(""))
    names = [
        m.name for m in pkgutil.walk_packages(verifier.__path__, "verifier.") if ".service" not in m.name
    ]
    modules = map(importlib.import_module, [n for n in names if not n.endswith("worker_main")])
    return [(f"{m.__name__}.{k}", v) for m in modules for k, v in vars(m).items() if isinstance(v, lazy)]


def test_every_pattern_compiles() -> None:
    found = _patterns()
    assert len(found) > 100
    for _, one in found:
        assert one.search is not None


def test_importing_loads_nothing_heavy() -> None:
    heavy = {"flint", "sympy", "subprocess", "concurrent.futures", "asyncio", "multiprocessing", "logging"}
    code = f"import sys, verifier; print(sorted({heavy!r} & set(sys.modules)))"
    bare = subprocess.run(
        [sys.executable, "-c", code.replace("verifier;", "re;")], capture_output=True, text=True, check=True
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == bare.stdout


UNSURE = [
    (r"\boxed{1+2+\cdots+10}", "55"),
    (r"\boxed{1,2,\ldots,10}", r"1,2,3,\ldots,10"),
    (r"\boxed{1+2+\cdots+n}", r"\frac{n(n+1)}{2}"),
]


@pytest.mark.parametrize(("prediction", "gold"), UNSURE)
def test_what_dots_stand_for_is_not_known_to_be_wrong(prediction: str, gold: str) -> None:
    assert verify(prediction, gold).status == "unverifiable"


def test_a_limit_that_holds_is_no_false_statement() -> None:
    assert verify(r"\boxed{\lim_{x\to0}\frac{\sin x}{x}=1}", "2").reason != "a statement that is false"
