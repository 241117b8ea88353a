"""A session's memory: the bound on it, with a reserve for what must be said when it is met, and what forks share.

A cell runs under the soft limit, everything of ours under the hard one, so that a `MemoryError` can be shown and the
session goes on. Does not cover setting the limits (`isolation.levels`).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import re
import resource
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

# Room for what CPython itself takes while an error unwinds: it has one or two arenas of small objects in it.
BALLAST = 4 * 2**20


class AddressSpace:
    """The session's two limits, as they were when it began."""

    def __init__(self) -> None:
        """Begin in the process that calls."""
        self._ballast: mmap.mmap | None = None
        self.begin()

    def begin(self) -> None:
        """Read the limits of this process and take the reserve into use."""
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_AS)
        self.use_reserve()

    @contextlib.contextmanager
    def bounded(self) -> Iterator[None]:
        """Hold a cell to its limit, a ballast included that `met` throws off."""
        if self._ballast is None:  # of pages that nobody touches: it takes address space, not memory
            self._ballast = mmap.mmap(-1, BALLAST, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._hold(self._soft)
        try:
            yield
        finally:
            self.use_reserve()

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Have the reserve for a moment, within a cell or outside one."""
        before, _ = resource.getrlimit(resource.RLIMIT_AS)
        self.use_reserve()
        try:
            yield
        finally:
            self._hold(before)

    def met(self) -> None:
        """Make room where a cell has met its limit; first in a way that takes no memory."""
        if self._ballast is not None:
            self._ballast.close()
            self._ballast = None
        self.use_reserve()

    def use_reserve(self) -> None:
        """Let this process have the reserve too, until the next cell."""
        self._hold(self._hard)

    def _hold(self, soft: int) -> None:
        with contextlib.suppress(ValueError):  # the cell has given the reserve up for good
            resource.setrlimit(resource.RLIMIT_AS, (soft, self._hard))


def share_objects() -> None:
    """Let every object that there is now be kept for good, by this process and all that are forked from it.

    The collector looks at none of them again, and from CPython 3.12 on references to them are not counted (PEP 683), as
    they never are to None: where they are, a session that looks at an object writes to its page, and has it to itself.
    """
    gc.collect()
    probe = object()
    # In a build without the global lock the number lies elsewhere.
    if sys.version_info >= (3, 12) and _count(probe).value == sys.getrefcount(probe) - 1:
        not_counted = _count(None).value
        for each in _reached_from(gc.get_objects()):
            _count(each).value = not_counted
    gc.freeze()


def _count(counted: object) -> ctypes.c_uint32:
    """Return the lower half of the number of references to an object, as it lies in memory."""
    return ctypes.c_uint32.from_address(id(counted))


def _reached_from(objects: list[Any]) -> list[Any]:
    """Return `objects` and all that they refer to, each once."""
    seen: dict[int, Any] = {}
    while objects:
        new = {id(each): each for each in objects if id(each) not in seen}
        seen |= new
        objects = gc.get_referents(*new.values())
        # The collector sees nothing of what a code object holds.
        for code in (each for each in new.values() if isinstance(each, CodeType)):
            objects += [code.co_consts, code.co_names, *code.co_varnames, code.co_name, code.co_qualname]
            objects += [code.co_filename, code.co_linetable, code.co_exceptiontable]
    return list(seen.values())


_LARGE_PAGE = 2**21
_MADV_COLLAPSE = 25
_WRITABLE = re.compile(r"(\w+)-(\w+) rw-p \w+ 00:00 0 ")


def use_large_pages() -> None:
    """Put this process's memory into large pages where it can be (Linux 6.1 and newer).

    A fork then copies one entry of a page table where it copied 512, which is most of what it costs; what a session
    writes to is still copied in small pages.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/maps", encoding="utf-8") as maps:
        areas = [match for line in maps if (match := _WRITABLE.match(line)) and "[stack" not in line]
    for area in areas:
        start, end = (int(bound, 16) for bound in area.groups())
        for address in range(-(-start // _LARGE_PAGE) * _LARGE_PAGE, end - _LARGE_PAGE + 1, _LARGE_PAGE):
            # Refused where the kernel is older or the area has holes: a small page does as well.
            libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(_LARGE_PAGE), _MADV_COLLAPSE)
