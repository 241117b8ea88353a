"""The embedded engine: any causal language model of transformers, batched continuously on one device.

Requests join the running batch as they come and leave it as they finish. Each
request draws from its own random stream, so what it samples does not depend on its neighbours, up to
the rounding of the matrix products. transformers' own continuous batching is not used: on a CPU it
generates about a hundredth of the tokens a second (``benchmarks/RESULTS.md``), and it has no seed a request.

Not covered: models without a plain key-value cache (sliding window, state space), several devices.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from sandbox.host_memory import memory
from scdpo.data.tokens import Tokens
from scdpo.sampling.engines.base import Completion, EngineError, FinishReason, Request
from scdpo.sampling.engines.prefix_cache import PrefixCache
from scdpo.sampling.engines.slots import Slots


@dataclass(eq=False, slots=True)
class _BatchRow:
    """A request in the batch."""

    request: Request
    future: asyncio.Future[Completion]
    random: random.Random
    tokens: list[int] = field(default_factory=list)
    finish: FinishReason | None = None
    text: str = ""


@contextlib.contextmanager
def _without_bar() -> Iterator[None]:
    """Keep the bar of the weights off the terminal, where the job's own is to be looked at."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


class TransformersEngine:
    """A causal language model run in this process.

    Args:
        model: a folder or a hub name that ``from_pretrained`` takes.
        device: ``cpu``, ``cuda`` or another torch device; None takes a GPU where there is one.
        batch: how many requests are computed together, where the memory suffices.
        state_bytes: how much the keys and values of these may take, and as much again those of earlier prompts; None
            takes an eighth of the memory that is free once the weights are loaded. One request is always computed.
        context: tokens that prompt and completion may have together; None takes the model's own.
        dtype: of the weights, as torch names it; None for float32 on a CPU and bfloat16 elsewhere.
        trust_remote_code: whether code from the model's folder may run.

    Raises:
        EngineError: if the model cannot be loaded.
    """

    name = "transformers"

    def __init__(
        self,
        model: str | Path,
        *,
        device: str | None = None,
        batch: int = 128,
        state_bytes: int | None = None,
        context: int | None = None,
        dtype: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.model = str(model)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        weights = _dtype(dtype or ("float32" if self._device == "cpu" else "bfloat16"))
        loading = {"trust_remote_code": trust_remote_code}
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(self.model, **loading)
            with _without_bar():
                self._network: Any = AutoModelForCausalLM.from_pretrained(
                    self.model, dtype=weights, **loading
                )
        except (OSError, ValueError) as error:
            raise EngineError(f"cannot load the model {self.model!r}: {error}") from error
        self._tokens = Tokens(self.tokenizer)
        self._characters = lru_cache(maxsize=None)(self._character)
        self._network.to(self._device).eval()
        longest = int(self._network.config.max_position_embeddings)
        self.context = min(context or longest, longest)
        ends = self._network.generation_config.eos_token_id
        ends = [self.tokenizer.eos_token_id] if ends is None else ends
        self._ends = frozenset(i for i in (ends if isinstance(ends, list) else [ends]) if i is not None)
        self._batch = batch
        self._state_bytes = state_bytes or _free_bytes(self._device) // 8
        self._prefixes = PrefixCache(self._state_bytes)
        self._waiting: list[_BatchRow] = []
        self._entering: list[_BatchRow] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._failure: EngineError | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._slots = Slots(self._network.config, weights, self._device)
        self._rows: list[_BatchRow] = []
        self._logits = torch.empty(0)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, special tokens recognised, none added."""
        return self._tokens.encode(text)

    def encode_prompt(self, text: str) -> list[int]:
        """Return the token ids of a text that a prompt begins with (see ``Engine.encode_prompt``)."""
        return self._tokens.encode_prompt(text)

    async def complete(self, request: Request) -> Completion:
        """Sample one completion (see ``Engine.complete``)."""
        if len(request.prompt) >= self.context:
            return Completion("", (), "context")
        if self._loop is None:
            self._loop = asyncio.create_task(self._run())
            self._loop.add_done_callback(self._ended)
        if self._failure is not None:
            raise self._failure
        future = asyncio.get_running_loop().create_future()
        row = _BatchRow(request, future, random.Random(request.seed))
        self._waiting.append(row)
        self._wake.set()
        return await row.future

    async def close(self) -> None:
        """Stop the batch loop and its thread."""
        self._fail(EngineError("the engine is closed"))
        if self._loop is not None and not self._loop.done():
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        self._thread.shutdown()

    def _fail(self, failure: EngineError) -> None:
        """Answer everyone who waits, now and later, with this error."""
        self._failure = failure
        for row in [*self._rows, *self._entering, *self._waiting]:
            if not row.future.done():
                row.future.set_exception(failure)

    async def _run(self) -> None:
        """Admit, step, hand out, again; sleep when there is nothing to do."""
        while True:
            if not self._waiting and not self._rows:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(0)  # lets every caller that is ready hand in its next request
            # A newcomer's prompt stalls the whole batch while it is computed, so newcomers come in groups.
            room = self._room()
            if len(self._waiting) >= self._batch // 8 or len(self._rows) < self._batch // 2:
                self._entering, self._waiting = self._waiting[:room], self._waiting[room:]
            for row in await asyncio.get_running_loop().run_in_executor(self._thread, self._step):
                if not row.future.done():
                    assert row.finish is not None
                    row.future.set_result(Completion(row.text, tuple(row.tokens), row.finish))

    def _room(self) -> int:
        """Return how many of those who wait may enter, the first first: their states must have room at full length."""
        longest = max(map(self._positions, self._rows), default=0)
        rows = len(self._rows)
        for row in self._waiting[: self._batch - rows]:
            longest = max(longest, self._positions(row))
            if rows and self._slots.bytes_for(rows + 1, longest) > self._state_bytes:
                break
            rows += 1
        return rows - len(self._rows)

    def _positions(self, row: _BatchRow) -> int:
        """Return how many positions a row comes to at most."""
        return min(len(row.request.prompt) + row.request.max_tokens, self.context) + 1

    def _ended(self, loop: asyncio.Task[None]) -> None:
        """Answer everyone who waits when the loop has ended by an error: no memory left, a lost device, a bug."""
        error = None if loop.cancelled() else loop.exception()
        if error is not None:
            failure = EngineError(f"the model {self.model!r} failed: {error!r}")
            failure.__cause__ = error
            self._fail(failure)

    @torch.inference_mode()
    def _step(self) -> list[_BatchRow]:
        """Let newcomers in, sample one token a row, and take out the rows that are finished."""
        if self._entering:
            self._admit(self._entering)
            self._entering = []
        for row, token in zip(self._rows, self._sample(), strict=True):
            self._take(row, token)
        finished = [row for row in self._rows if row.finish]
        for row in finished:
            self._leave(row)
        if self._rows:
            self._logits = self._slots.forward(self._network, [row.tokens[-1:] for row in self._rows], 0)
        return finished

    def _admit(self, newcomers: Sequence[_BatchRow]) -> None:
        """Compute the prompts of newcomers from what is known of them, those of like length together."""
        known = [self._prefixes.get(row.request.prompt) for row in newcomers]
        left = [
            len(row.request.prompt) - (0 if k is None else k.shape[3])
            for row, k in zip(newcomers, known, strict=True)
        ]
        order = sorted(range(len(newcomers)), key=left.__getitem__)
        for _, group in itertools.groupby(order, key=lambda i: left[i].bit_length()):
            first = len(self._rows)
            rest = []
            for i in group:
                self._slots.add(known[i])
                self._rows.append(newcomers[i])
                rest.append(newcomers[i].request.prompt[-left[i] :])
            logits = self._slots.forward(self._network, rest, first)
            self._logits = torch.cat([self._logits, logits]) if first else logits

    def _leave(self, row: _BatchRow) -> None:
        """Keep the state of a finished row for its next block, and give its slot to the last row."""
        slot = self._rows.index(row)
        # The state of the last token has not been computed: it was only sampled.
        known = (*row.request.prompt, *row.tokens[:-1])
        self._prefixes.put(known, lambda start, end: self._slots.read(slot, start, end))
        self._slots.remove(slot)
        last = self._rows.pop()
        if last is not row:
            self._rows[slot] = last

    def _sample(self) -> list[int]:
        """Draw one token a row from its own random stream, by inverting the distribution function."""
        rows, logits = self._rows, self._logits
        temperatures = torch.tensor([row.request.temperature for row in rows], device=logits.device)
        greedy = temperatures == 0
        probabilities = torch.softmax(
            logits.double() / temperatures.masked_fill(greedy, 1.0)[:, None], dim=-1
        )
        if any(row.request.top_p < 1 for row in rows):
            probabilities = _likeliest(probabilities, [row.request.top_p for row in rows])
        draws = torch.tensor([row.random.random() for row in rows], dtype=torch.float64, device=logits.device)
        cumulative = probabilities.cumsum(dim=-1)
        drawn = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)[:, 0]
        drawn = drawn.clamp(max=logits.shape[-1] - 1)
        return list(torch.where(greedy, logits.argmax(dim=-1), drawn).tolist())

    def _take(self, row: _BatchRow, token: int) -> None:
        """Add a token to a row and see whether that ends it."""
        row.tokens.append(token)
        # Whatever the tokens are: a stop string may be one of them, some, or the inside of one.
        if (text := self._text_up_to_stop(row)) is not None:
            row.finish, row.text = "stop", text
            return
        if token in self._ends:
            row.finish = "end"
        elif len(row.tokens) >= row.request.max_tokens:
            row.finish = "length"
        elif len(row.request.prompt) + len(row.tokens) >= self.context:
            row.finish = "context"
        if row.finish:
            visible = row.tokens[:-1] if row.finish == "end" else row.tokens
            row.text = self._tokens.spell(visible, row.request.prompt[-1])

    def _text_up_to_stop(self, row: _BatchRow) -> str | None:
        """Return the text up to and with a stop string that the newest token has completed, or None."""
        stops = row.request.stop
        if not any(stop[-1] in self._characters(row.tokens[-1]) for stop in stops):
            return None
        # A token is at least one byte, so the stop lies within as many tokens, and one that it starts in.
        reach = max(len(stop.encode()) for stop in stops) + 1
        tail = self._tokens.spell(row.tokens[-reach:], row.request.prompt[-1])
        if not any(stop in tail for stop in stops):
            return None
        text = self._tokens.spell(row.tokens, row.request.prompt[-1])
        # Only the newest token can have completed a stop; an earlier one would have ended the row.
        ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
        return text[: min(ends)] if ends else None

    def _character(self, token: int) -> frozenset[str]:
        """Return the characters of a token."""
        return frozenset(self._tokens.spell([token]))


def _likeliest(probabilities: torch.Tensor, shares: Sequence[float]) -> torch.Tensor:
    """Return the probabilities with those at 0 that are not among the likeliest of their row's share.

    Args:
        probabilities: a row of the vocabulary's for each request.
        shares: of each row, above 0 and up to 1; the likeliest token always stays.
    """
    ordered, places = probabilities.sort(dim=-1, descending=True)
    share = torch.tensor(shares, dtype=probabilities.dtype, device=probabilities.device)[:, None]
    before = ordered.cumsum(dim=-1) - ordered
    kept = ordered.masked_fill(before >= share, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, places, kept)


def _free_bytes(device: str) -> int:
    """Return how much memory a device has left."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return memory().available


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise EngineError(f"torch has no dtype {name!r}; float32, bfloat16 and float16 are usual")
    return found
