"""Several copies of one model behind one ``complete``: who is asked, who is left alone, when to give up.

A request goes to the copy with the least to do. The turns of one solution stay with the copy that holds
their prefix in its cache, as long as that copy is not much busier than the others. A copy that refuses work
gets no more at once than it had then, and is left alone for as long as it says; one that is lost is out until it
answers again. Requests carry their seed, so asking again gives what the lost copy would have given.
Not covered: starting or stopping copies.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Protocol

from scdpo.engines.base import Completion, EngineError, Request

PREFIX_TOKENS: Final = 32
"""Tokens in each piece of a prompt that a copy is known by."""
KNOWN_PREFIXES: Final = 200_000
LOSSES: Final = 6
"""A request that loses as many copies is itself the cause."""
LONGEST_REST: Final = 15.0


class ReplicaBusy(Exception):
    """The copy has too much to do; ``seconds`` is how long it wants to be left alone, None if it does not say."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class ReplicaLost(Exception):
    """The copy did not answer, or not to the end."""


class Replica(Protocol):
    """One copy of the model."""

    @property
    def name(self) -> str:
        """What error messages call it."""

    async def ask(self, request: Request) -> Completion:
        """Sample one completion.

        Raises:
            ReplicaBusy, ReplicaLost: another copy may do better, or this one later.
            EngineError: no copy would do better.
        """

    async def alive(self) -> bool:
        """Return whether it answers."""


@dataclass(eq=False, slots=True)
class _Place:
    """A copy and what is known of it.

    ``limit`` is how many requests it takes at once, as far as it has shown; ``refusals`` counts those in a row;
    ``trouble`` is its last failure, empty while it is up.
    """

    replica: Replica
    load: int = 0
    limit: float = math.inf
    rests_until: float = 0.0
    refusals: int = 0
    trouble: str = ""
    revival: asyncio.Task[None] | None = field(default=None, repr=False)


class Replicas:
    """Copies of one model.

    Args:
        replicas: at least one.
        patience: seconds a request waits while no copy takes it, before it ends in an ``EngineError``.
    """

    def __init__(self, replicas: Sequence[Replica], *, patience: float = 300.0) -> None:
        if not replicas:
            raise ValueError("at least one replica is needed")
        self._places = [_Place(replica) for replica in replicas]
        self._patience = patience
        self._homes: OrderedDict[int, _Place] = OrderedDict()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def complete(self, request: Request) -> Completion:
        """Sample one completion on some copy (see ``Engine.complete``).

        Raises:
            EngineError: if no copy takes the request within ``patience``, or one finds it wrong.
        """
        lost: list[str] = []
        deadline = monotonic() + self._patience
        while len(lost) < LOSSES:
            place = await self._free(request.prompt, deadline)
            place.load += 1
            try:
                completion = await place.replica.ask(request)
            except ReplicaBusy as busy:
                self._spare(place, busy)
                continue
            except ReplicaLost as failure:
                lost.append(f"{place.replica.name}: {failure}")
                self._lose(place, str(failure))
                deadline = monotonic() + self._patience
                continue
            finally:
                place.load -= 1
                self._wake(1)
            place.refusals = 0
            place.limit += 1 / place.limit
            self._remember((*request.prompt, *completion.token_ids), place)
            return completion
        raise EngineError(f"a request failed {LOSSES} times; the last time {lost[-1]}")

    async def close(self) -> None:
        """Stop looking for lost copies; requests under way end in an ``EngineError``."""
        self._closed = True
        self._wake(len(self._waiting))
        revivals = [place.revival for place in self._places if place.revival is not None]
        for revival in revivals:
            revival.cancel()
        await asyncio.gather(*revivals, return_exceptions=True)

    async def _free(self, prompt: Sequence[int], deadline: float) -> _Place:
        """Return the copy to ask, waiting while there is none."""
        while True:
            if self._closed:
                raise EngineError("the engine is closed")
            now = monotonic()
            up = [place for place in self._places if not place.trouble]
            free = [place for place in up if place.rests_until <= now and place.load < place.limit]
            if free:
                return self._choose(prompt, free)
            if now >= deadline:
                raise EngineError(self._why())
            await self._wait(min([deadline, *(p.rests_until for p in up if p.rests_until > now)]) - now)

    async def _wait(self, seconds: float) -> None:
        """Wait until a copy may have room, or for so long."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(woken)
        # Not all at the same moment: those who wait would all be refused again.
        try:
            await asyncio.wait([woken], timeout=seconds * random.uniform(1.0, 1.2))
        except asyncio.CancelledError:
            if woken.done():
                self._wake(1)  # the room is for the next one
            raise
        finally:
            if not woken.done():
                self._waiting.remove(woken)

    def _wake(self, count: int) -> None:
        while self._waiting and count > 0:
            self._waiting.popleft().set_result(None)
            count -= 1

    def _why(self) -> str:
        states = [f"{place.replica.name} ({place.trouble or 'busy'})" for place in self._places]
        return f"no copy of the model took a request for {self._patience:.0f} s: {'; '.join(states)}"

    def _choose(self, prompt: Sequence[int], free: Sequence[_Place]) -> _Place:
        least = min(free, key=lambda place: place.load)
        home = next((self._homes[key] for key in reversed(_pieces(prompt)) if key in self._homes), least)
        # A short queue is worth a prefix that need not be computed again.
        return home if home in free and home.load <= least.load + max(4, least.load // 4) else least

    def _remember(self, tokens: Sequence[int], place: _Place) -> None:
        for key in _pieces(tokens):
            self._homes[key] = place
            self._homes.move_to_end(key)
        while len(self._homes) > KNOWN_PREFIXES:
            self._homes.popitem(last=False)

    def _spare(self, place: _Place, busy: ReplicaBusy) -> None:
        place.limit = max(1, place.load)
        place.refusals += 1
        seconds = busy.seconds
        if seconds is None:
            # With our own work in its queue, its next answer says that there is room.
            doubling = min(LONGEST_REST, 0.1 * 2 ** min(place.refusals, 10)) * random.uniform(0.5, 1.0)
            seconds = 0.0 if place.load else doubling
        place.rests_until = max(place.rests_until, monotonic() + min(seconds, self._patience))

    def _lose(self, place: _Place, why: str) -> None:
        if not place.trouble and not self._closed:
            place.trouble = why
            place.revival = asyncio.create_task(self._revive(place))

    async def _revive(self, place: _Place) -> None:
        """Ask a lost copy whether it is back, at once and then ever more rarely."""
        wait = 0.25
        while not await place.replica.alive():
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, LONGEST_REST)
        place.trouble = ""
        self._wake(len(self._waiting))


def _pieces(tokens: Sequence[int]) -> list[int]:
    """Return a hash of each prefix whose length is a multiple of ``PREFIX_TOKENS``, shortest first."""
    return list(_chained(tokens))


def _chained(tokens: Sequence[int]) -> Iterator[int]:
    parent = 0
    for start in range(0, len(tokens) - PREFIX_TOKENS + 1, PREFIX_TOKENS):
        parent = hash((parent, *tokens[start : start + PREFIX_TOKENS]))
        yield parent
