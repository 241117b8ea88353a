"""Several processes that can do the same work: who is asked, who is left alone, when to give up.

Copies of a model, behind one engine, and the workers of a cluster are both such replicas. A request goes to the
one with the least to do. The turns of one solution stay with the copy that holds their prefix in its cache,
as long as that copy is not much busier than the others. One that refuses work gets no more at once than it
had then, and is left alone for as long as it says; one that is lost is out until it answers again. Requests
carry their seed, so asking again gives what the lost one would have given. Not covered: starting or stopping them.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from scdpo.sampling.engines.base import EngineError

Query = TypeVar("Query", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
Q = TypeVar("Q")
A = TypeVar("A")

PREFIX_TOKENS: Final = 32
"""Tokens in each piece of a prompt that a replica is known by."""
KNOWN_PREFIXES: Final = 200_000
LOSSES: Final = 6
"""A request that loses as many replicas, over the whole of its patience, may itself be the cause."""
LONGEST_REST: Final = 15.0


class ReplicaBusy(Exception):
    """It has too much to do; ``seconds`` is how long it wants to be left alone, None if it does not say."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class ReplicaLost(Exception):
    """It did not answer, or not to the end."""


class Replica(Protocol[Query, Answer]):
    """One of the processes."""

    @property
    def name(self) -> str:
        """What error messages call it."""

    async def ask(self, query: Query) -> Answer:
        """Do a piece of work.

        Raises:
            ReplicaBusy, ReplicaLost: another replica may do better, or this one later.
            EngineError, SandboxError: no other would do better.
        """

    async def alive(self) -> bool:
        """Return whether it answers."""


@dataclass(eq=False, slots=True)
class _Place(Generic[Q, A]):
    """A replica and what is known of it.

    ``limit`` is how many requests it takes at once, as far as it has shown; ``refusals`` counts those in a row;
    ``trouble`` is its last failure, empty while it is up.
    """

    replica: Replica[Q, A]
    limit: float
    load: int = 0
    rests_until: float = 0.0
    refusals: int = 0
    trouble: str = ""
    revival: asyncio.Task[None] | None = field(default=None, repr=False)


class Replicas(Generic[Q, A]):
    """Replicas as one.

    Args:
        replicas: at least one.
        limit: what each is given at once, at most.
        patience: seconds that nothing is under way anywhere before those who wait are told so, and for which a
            request that loses one replica after another is asked again.
        error: what they are told with.
    """

    def __init__(
        self,
        replicas: Sequence[Replica[Q, A]],
        *,
        limit: float = math.inf,
        patience: float = 300.0,
        error: type[RuntimeError] = EngineError,
    ) -> None:
        if not replicas:
            raise ValueError("at least one replica is needed")
        self._places = [_Place(replica, limit) for replica in replicas]
        self._limit = limit
        self._patience = patience
        self._error = error
        self._homes: OrderedDict[int, _Place[Q, A]] = OrderedDict()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = asyncio.Event()

    async def ask(self, query: Q, prompt: Sequence[int] = ()) -> A:
        """Have a piece of work done.

        Args:
            query: the work.
            prompt: tokens whose longest known prefix says who may have them in its cache.

        Raises:
            RuntimeError: of the kind ``error``, if nobody takes the work; what the replica raises, if it is wrong.
        """
        lost_at: list[float] = []
        while True:
            place = await self._free(prompt)
            place.load += 1
            self._remember(prompt, place)
            try:
                answer = await place.replica.ask(query)
            except ReplicaBusy as busy:
                self._spare(place, busy)
                continue
            except ReplicaLost as failure:
                self._lose(place, str(failure))
                lost_at.append(_now())
                why = f"{place.replica.name}: {failure}"
            else:
                place.refusals = 0
                place.limit = min(self._limit, place.limit + 1 / place.limit)
                return answer
            finally:
                place.load -= 1
                self._wake(1)
            seconds = lost_at[-1] - lost_at[0]
            if len(lost_at) >= LOSSES and seconds >= self._patience:
                raise self._error(
                    f"a request failed {len(lost_at)} times in {seconds:.0f} s; the last time {why}"
                )
            await self._rest(len(lost_at))

    async def _rest(self, losses: int) -> None:
        """Let some time pass before a request is asked again, once it has been lost as often as there are replicas."""
        if losses >= len(self._places):
            seconds = min(LONGEST_REST, 0.05 * 2 ** min(losses - len(self._places), 10))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), seconds * random.uniform(0.5, 1.0))

    async def close(self) -> None:
        """Stop looking for lost replicas; those who wait end in an error."""
        self._closed.set()
        self._wake(len(self._waiting))
        revivals = [place.revival for place in self._places if place.revival is not None]
        for revival in revivals:
            revival.cancel()
        await asyncio.gather(*revivals, return_exceptions=True)

    async def _free(self, prompt: Sequence[int]) -> _Place[Q, A]:
        """Return whom to ask, waiting while there is nobody."""
        deadline = _now() + self._patience
        while True:
            if self._closed.is_set():
                raise self._error("the engine is closed")
            now = _now()
            up = [place for place in self._places if not place.trouble]
            free = [place for place in up if place.rests_until <= now and place.load < place.limit]
            if free:
                return self._choose(prompt, free)
            if any(place.load for place in up):
                deadline = now + self._patience
            if now >= deadline:
                raise self._error(self._why())
            await self._wait(min([deadline, *(p.rests_until for p in up if p.rests_until > now)]) - now)

    async def _wait(self, seconds: float) -> None:
        """Wait until somebody may have room, or for so long."""
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
        return f"nobody took a request for {self._patience:.0f} s: {'; '.join(states)}"

    def _choose(self, prompt: Sequence[int], free: Sequence[_Place[Q, A]]) -> _Place[Q, A]:
        # Others ask the same replicas, each knowing its own load alone: equals are not taken in order.
        least = min(free, key=lambda place: (place.load, random.random()))
        home = next((self._homes[key] for key in reversed(_pieces(prompt)) if key in self._homes), least)
        # A short queue is worth a prefix that need not be computed again.
        return home if home in free and home.load <= least.load + max(4, least.load // 4) else least

    def _remember(self, prompt: Sequence[int], place: _Place[Q, A]) -> None:
        for key in _pieces(prompt):
            self._homes[key] = place
            self._homes.move_to_end(key)
        while len(self._homes) > KNOWN_PREFIXES:
            self._homes.popitem(last=False)

    def _spare(self, place: _Place[Q, A], busy: ReplicaBusy) -> None:
        place.limit = max(1, place.load)
        place.refusals += 1
        seconds = busy.seconds
        if seconds is None:
            # With our own work in its queue, its next answer says that there is room.
            doubling = min(LONGEST_REST, 0.1 * 2 ** min(place.refusals, 10)) * random.uniform(0.5, 1.0)
            seconds = 0.0 if place.load else doubling
        place.rests_until = max(place.rests_until, _now() + min(seconds, self._patience))

    def _lose(self, place: _Place[Q, A], why: str) -> None:
        if not place.trouble and not self._closed.is_set():
            place.trouble = why
            place.revival = asyncio.create_task(self._revive(place))

    async def _revive(self, place: _Place[Q, A]) -> None:
        """Ask a lost replica whether it is back, at once and then ever more rarely."""
        wait = 0.25
        while not await place.replica.alive():
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, LONGEST_REST)
        place.trouble = ""
        self._wake(len(self._waiting))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _pieces(tokens: Sequence[int]) -> list[int]:
    """Return a hash of each prefix whose length is a multiple of ``PREFIX_TOKENS``, shortest first."""
    return list(_chained(tokens))


def _chained(tokens: Sequence[int]) -> Iterator[int]:
    parent = 0
    for start in range(0, len(tokens) - PREFIX_TOKENS + 1, PREFIX_TOKENS):
        parent = hash((parent, *tokens[start : start + PREFIX_TOKENS]))
        yield parent
