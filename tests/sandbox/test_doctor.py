"""The doctor tries layers; a level that cannot be had is refused with the fix."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sandbox import IsolationError, Sandbox, doctor, launcher

WITHOUT_NAMESPACES = """
import json, sys
from sandbox import Sandbox, IsolationError, doctor
from sandbox.doctor import probe, best_level
print(json.dumps([best_level(probe())]))
"""

# Forbid user namespaces to this process and its children with a filter of our own, as Docker's profile does.
FORBID = """
import ctypes, struct, sys, json, warnings
from sandbox import Sandbox, IsolationError, doctor
from sandbox.isolation import syscalls
from sandbox.isolation import seccomp
syscalls.prctl(38, 1)
nr = syscalls.NR["unshare"]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, nr), (6, 0, 0, 0x00050001), (6, 0, 0, 0x7fff0000)]
seccomp.install(b"".join(struct.pack("HBBI", *c) for c in code), listener=False)
try:
    Sandbox(level="strict").session()
except IsolationError as error:
    refusal = str(error)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with Sandbox(level="auto") as box, box.session() as s:
        r = s.run("open('/etc/passwd')")
layers = doctor.probe()
print(json.dumps([refusal, r.isolation, r.status, [str(w.message) for w in caught], doctor.best_level(layers),
                  [l.fix for l in layers if not l.works]]))
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


@pytest.mark.parametrize("ordinary", [False, True])
def test_an_ordinary_user_gets_the_same_level(strict: None, run_script: Callable, ordinary: bool) -> None:
    done = run_script("-c", WITHOUT_NAMESPACES, ordinary=ordinary)
    assert json.loads(done.stdout) == ["strict"], done.stderr


def test_without_namespaces_strict_is_refused_and_auto_falls_back(strict: None, run_script: Callable) -> None:
    done = run_script("-c", FORBID, ordinary=True)
    assert done.returncode == 0, done.stderr[-3000:]
    refusal, isolation, status, warned, level, fixes = json.loads(done.stdout.splitlines()[-1])
    assert "max_user_namespaces" in refusal
    assert (isolation, status, level) == ("landlock", "error", "landlock")
    assert any("landlock" in message for message in warned)
    assert all("max_user_namespaces" in fix for fix in fixes)


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
