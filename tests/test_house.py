"""The house: one name a thing, typed packages, one version, and verbs that are there."""

from __future__ import annotations

import ast
from collections import defaultdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

from scdpo.cli import VERBS

PACKAGES = ("sandbox", "verifier", "scdpo", "eval")


def test_a_class_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for package in PACKAGES:
        for path in Path(import_module(package).__path__[0]).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(str(path))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_its_version_and_that_it_is_typed(package: str) -> None:
    module = import_module(package)
    assert module.__version__ == version("scdpo")
    assert (Path(module.__path__[0]) / "py.typed").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_does_not_have_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = import_module(package).nothing_of_the_kind


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_s_module_holds_a_function_of_its_name_with_an_example(verb: str) -> None:
    assert "[b]" in (VERBS[verb].function.__doc__ or ""), "the help of a verb shows an example"
