"""Level landlock: a session does with its own files what it may do under strict, and reaches no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Limits, Sandbox
from sandbox.isolation import file_permits


@pytest.fixture(scope="module")
def landlock() -> Iterator[Sandbox]:
    with Sandbox(Limits(cell_seconds=5), level="landlock", warm=0) as box:
        yield box


OWN = """
import os, pathlib, shutil
open('a', 'w').write('x')
os.chmod('a', 0o640)
shutil.copy2('a', 'b')
os.utime('b', (5, 6))
os.mkdir('d')
os.chmod('d', 0o500)
os.symlink('a', 'link')
os.chmod('link', 0o600)
fd = os.open('a', os.O_RDONLY)
os.fchmod(fd, 0o604)
os.utime(fd, (7, 8))
pathlib.Path('b').touch()
os.chdir('d')
os.chmod('../b', 0o444)
os.chdir('..')
[oct(os.stat(n).st_mode) for n in ('a', 'b', 'd')], os.stat('a').st_mtime, os.stat('b').st_mtime > 10**9
"""


def test_a_session_changes_modes_and_times_of_its_own_files(landlock: Sandbox) -> None:
    with landlock.session() as session:
        assert session.run(OWN).output == "(['0o100604', '0o100444', '0o40500'], 8.0, True)"


REFUSED = """
import os
os.symlink('/etc/passwd', 'link')
library = open(os.__file__)
for change in (
    lambda: os.chmod('/etc/passwd', 0o644),
    lambda: os.chmod('link', 0o644),
    lambda: os.utime('link'),
    lambda: os.chmod('..', 0o755),
    lambda: os.chmod('../..', 0o755),
    lambda: os.chmod(library.fileno(), 0o755),
    lambda: os.chmod('/proc/self/root', 0o755),
    lambda: os.chmod('.', 0o4755),
    lambda: os.chown('.', os.getuid(), os.getgid()),
):
    try:
        print('CHANGED', change())
    except OSError as error:
        print(type(error).__name__, end=' ')
"""


def test_it_changes_nothing_else(landlock: Sandbox) -> None:
    with landlock.session() as session:
        assert session.run(REFUSED).output.split() == ["PermissionError"] * 9


@given(st.sampled_from(file_permits.CALLS), st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6))
def test_no_arguments_of_a_reported_call_raise(call: str, args: list[int]) -> None:
    folder = str(Path("/nowhere"))
    assert file_permits.change(call, os.getpid(), args, (folder,)) <= 0
