"""The doctor tries layers; a level that cannot be had is refused with the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import IsolationError, Sandbox, doctor, launcher

LEVELS = """
import json, sys, warnings
from sandbox import IsolationError, Sandbox, doctor
layers = doctor.probe()
said = {"doctor": doctor.best_level(layers), "fixes": [layer.fix for layer in layers if not layer.works]}
for level in sys.argv[1:]:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with Sandbox(level=level, warm=0) as box, box.session() as s, s.fork() as t:
                said[level] = [s.run("open('/etc/passwd')").isolation, t.origin.kind, t.origin.reason]
                said[level].append([str(w.message) for w in caught])
    except IsolationError as error:
        said[level] = str(error)
print(json.dumps(said))
"""


def test_every_layer_works_here_or_names_its_fix() -> None:
    for layer in doctor.probe():
        assert layer.detail
        assert layer.works != bool(layer.fix)


def test_the_level_follows_from_the_layers() -> None:
    def layers(*broken: str) -> list[doctor.Layer]:
        return [doctor.Layer(n, n not in broken, n, "") for n in ("strict", "landlock")]  # type: ignore[arg-type]

    assert doctor.best_level(layers()) == "strict"
    assert doctor.best_level(layers("strict")) == "landlock"
    assert doctor.best_level(layers("landlock")) is None


def levels(run_script: Callable, lacks: str, ordinary: bool, *asked: str) -> dict[str, Any]:
    """Return what the doctor says on a host that `lacks` something, and what comes of asking for each level."""
    done = run_script("-c", LEVELS, *asked, ordinary=ordinary, lacks=lacks)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("ordinary", [pytest.param(False, marks=pytest.mark.slow), True])
def test_an_ordinary_user_gets_the_same_level(strict: None, run_script: Callable, ordinary: bool) -> None:
    said = levels(run_script, "", ordinary, "auto")
    assert (said["doctor"], said["auto"][:2], said["fixes"]) == ("strict", ["strict", "fork"], [])


def test_without_namespaces_strict_is_refused_and_auto_falls_back(strict: None, run_script: Callable) -> None:
    said = levels(run_script, "no_namespaces", True, "strict", "auto")
    assert "max_user_namespaces" in said["strict"]
    isolation, _kind, _reason, warned = said["auto"]
    assert (isolation, said["doctor"]) == ("landlock", "landlock")
    assert any("max_user_namespaces" in message for message in warned)
    assert all("max_user_namespaces" in fix for fix in said["fixes"])


@pytest.mark.parametrize(
    "lacks", [pytest.param("no_landlock", marks=pytest.mark.slow), "no_landlock,no_mount_setattr"]
)
def test_strict_needs_no_landlock(strict: None, run_script: Callable, lacks: str) -> None:
    said = levels(run_script, lacks, False, "auto", "landlock")
    assert (said["doctor"], said["auto"][:2]) == ("strict", ["strict", "fork"])
    assert "Landlock is missing" in said["landlock"]
    assert any("Landlock is missing" in fix for fix in said["fixes"])


@pytest.mark.parametrize("ordinary", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_where_a_listener_is_refused_forks_are_replays(
    strict: None, run_script: Callable, ordinary: bool
) -> None:
    said = levels(run_script, "no_listener", ordinary, "auto")
    isolation, kind, reason, _ = said["auto"]
    assert (said["doctor"], isolation, kind) == ("strict", "strict", "replay")
    assert "listener" in reason


def test_where_nothing_can_be_had_the_error_names_both(strict: None, run_script: Callable) -> None:
    said = levels(run_script, "no_namespaces,no_landlock", True, "auto")
    assert said["doctor"] is None
    assert "max_user_namespaces" in said["auto"]
    assert "Landlock is missing" in said["auto"]


def test_a_session_that_cannot_isolate_itself_never_runs(
    strict: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A zygote for a machine without a system call table must refuse, not run unfiltered.
    boot = launcher._BOOT.replace(
        "from sandbox.inside.zygote",
        "import platform; platform.machine = lambda: 'riscv64'; from sandbox.inside.zygote",
    )
    monkeypatch.setattr(launcher, "_BOOT", boot)
    with Sandbox(level="strict", warm=0) as box, pytest.raises(IsolationError):
        box.session()
