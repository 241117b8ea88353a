"""What sessions can import beside the standard library, and what they find imported already.

Every installed package can be imported; loading one costs its time in each session anew, unless it is preloaded.
Does not cover how they are made readable (`isolation.rootfs`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

# What nearly every mathematical solution uses.
PRELOAD = ("numpy", "numpy.random", "numpy.linalg", "sympy")


@dataclass(frozen=True, slots=True)
class Libraries:
    """Modules that are imported once, before any session starts, and folders that sessions import from.

    Attributes:
        preload: names of modules beside those always loaded.
        packages: absolute paths of folders, looked through after the installed packages.
    """

    preload: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def libraries(preload: Iterable[str], packages: Iterable[str | os.PathLike[str]]) -> Libraries:
    """Return the libraries named by a caller.

    Raises:
        ValueError: a name is none of a module, or a folder is not there or is the root of the file system.
    """
    if isinstance(preload, str):
        raise ValueError(f"preload is a list of module names, not the text {preload!r}")
    if isinstance(packages, str | os.PathLike):
        raise ValueError(f"packages is a list of folders: write packages=[{str(packages)!r}]")
    names = tuple(preload)
    for name in names:
        if not (isinstance(name, str) and all(part.isidentifier() for part in name.split("."))):
            raise ValueError(f"preload: {name!r} is not the name of a module")
    folders = tuple(os.path.realpath(folder) for folder in packages)
    for folder in folders:
        if not os.path.isdir(folder):
            raise ValueError(f"packages: there is no folder {folder}")
        if folder == os.sep:
            raise ValueError("packages: the root folder would show sessions every file of the host")
    return Libraries(names, folders)
