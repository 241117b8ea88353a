"""Work folders on the host, for sessions whose level gives them no file system of their own.

What a session left in one is hostile: links are not followed, pipes not opened. Does not cover quotas (`watch`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any


def make() -> str:
    """Make a session's folder on the host (where there is no work folder of its own): TMPDIR/…/work and
    …/tmp.
    """
    folder = tempfile.mkdtemp(prefix="scdpo-")
    for name in ("work", "tmp"):
        os.mkdir(os.path.join(folder, name))
    return folder


def remove(folder: str) -> None:
    """Remove `folder` and all it holds."""
    shutil.rmtree(folder, onerror=_make_removable)


def _make_removable(function: Callable[..., Any], path: str, _info: Any) -> None:
    """Give the folder above `path` back its permissions, and try again."""
    os.chmod(os.path.dirname(path), 0o700)
    if os.path.isdir(path) and not os.path.islink(path):
        os.chmod(path, 0o700)
    function(path)
