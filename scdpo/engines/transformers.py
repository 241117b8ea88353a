"""The embedded engine: any causal language model of transformers, batched continuously on one device.

Requests join the running batch as they come and leave it as they finish; rows are padded on the left. Each
request draws from its own random stream, so what it samples does not depend on its neighbours, up to
the rounding of the matrix products. transformers' own continuous batching is not used: on a CPU it
generates about a hundredth of the tokens a second (``benchmarks/RESULTS.md``), and it has no seed a request.

Not covered: models without a plain key-value cache (sliding window, state space), several devices.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from scdpo.engines.base import Completion, EngineError, FinishReason, Request
from scdpo.engines.prefix_cache import PrefixCache


@dataclass(eq=False, slots=True)
class _Row:
    """A request in the batch."""

    request: Request
    future: asyncio.Future[Completion]
    random: random.Random
    stop_ids: frozenset[int]
    long_stops: tuple[str, ...]
    tokens: list[int] = field(default_factory=list)
    finish: FinishReason | None = None
    text: str = ""


class TransformersEngine:
    """A causal language model run in this process.

    Args:
        model: a folder or a hub name that ``from_pretrained`` takes.
        device: ``cpu``, ``cuda`` or another torch device; None takes a GPU where there is one.
        batch: how many requests are computed together.
        cache_tokens: how many tokens of earlier prompts keep their keys and values.

    Raises:
        EngineError: if the model cannot be loaded.
    """

    name = "transformers"

    def __init__(
        self, model: str | Path, *, device: str | None = None, batch: int = 128, cache_tokens: int = 200_000
    ) -> None:
        self.model = str(model)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float32 if self._device == "cpu" else torch.bfloat16
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(self.model)
            self._network: Any = AutoModelForCausalLM.from_pretrained(self.model, dtype=dtype)
        except (OSError, ValueError) as error:
            raise EngineError(f"cannot load the model {self.model!r}: {error}") from error
        self._network.to(self._device).eval()
        self.context = int(self._network.config.max_position_embeddings)
        ends = self._network.generation_config.eos_token_id
        ends = [self._tokenizer.eos_token_id] if ends is None else ends
        self._ends = frozenset(i for i in (ends if isinstance(ends, list) else [ends]) if i is not None)
        self._batch = batch
        self._prefixes = PrefixCache(cache_tokens)
        self._waiting: list[_Row] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._failure: EngineError | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._rows = _Rows(self._network, self._device)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, special tokens recognised, none added."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    async def complete(self, request: Request) -> Completion:
        """Sample one completion (see ``Engine.complete``)."""
        if len(request.prompt) >= self.context:
            return Completion("", (), "context")
        if self._loop is None:
            self._loop = asyncio.create_task(self._run())
        if self._failure is not None:
            raise self._failure
        single = {stop: self.encode(stop) for stop in request.stop}
        row = _Row(
            request,
            asyncio.get_running_loop().create_future(),
            random.Random(request.seed),
            frozenset(ids[0] for ids in single.values() if len(ids) == 1),
            tuple(stop for stop, ids in single.items() if len(ids) != 1),
        )
        self._waiting.append(row)
        self._wake.set()
        return await row.future

    async def close(self) -> None:
        """Stop the batch loop and its thread."""
        self._fail(EngineError("the engine is closed"))
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        self._thread.shutdown()

    def _fail(self, failure: EngineError) -> None:
        """Answer everyone who waits, now and later, with this error."""
        self._failure = failure
        for row in [*self._rows.rows, *self._waiting]:
            if not row.future.done():
                row.future.set_exception(failure)

    async def _run(self) -> None:
        """Admit, step, hand out, again; sleep when there is nothing to do."""
        try:
            while True:
                if not self._waiting and not self._rows.rows:
                    self._wake.clear()
                    await self._wake.wait()
                await asyncio.sleep(0)  # lets every caller that is ready hand in its next request
                # A newcomer's prefill stalls the whole batch, so newcomers come in groups.
                room = self._batch - len(self._rows.rows)
                newcomers: list[_Row] = []
                if self._waiting and (
                    len(self._waiting) >= self._batch // 8 or len(self._rows.rows) < self._batch // 2
                ):
                    newcomers, self._waiting = self._waiting[:room], self._waiting[room:]
                for row in await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._step, newcomers
                ):
                    if not row.future.done():
                        assert row.finish is not None
                        row.future.set_result(Completion(row.text, tuple(row.tokens), row.finish))
        except (RuntimeError, OSError) as error:  # out of memory, a lost device
            failure = EngineError(f"the model {self.model!r} failed: {error}")
            failure.__cause__ = error
            self._fail(failure)

    @torch.inference_mode()
    def _step(self, newcomers: Sequence[_Row]) -> list[_Row]:
        """Let newcomers in, sample one token a row, and take out the rows that are finished."""
        if newcomers:
            self._rows.admit(newcomers, [self._prefixes.get(row.request.prompt) for row in newcomers])
        for row, token in zip(self._rows.rows, self._sample(), strict=True):
            self._take(row, token)
        finished = [row for row in self._rows.rows if row.finish]
        if finished:
            for row, state in zip(finished, self._rows.states(finished), strict=True):
                # The state of the last token has not been computed: it was only sampled.
                self._prefixes.put([*row.request.prompt, *row.tokens[:-1]], state)
            self._rows.keep([i for i, row in enumerate(self._rows.rows) if not row.finish])
        if self._rows.rows:
            self._rows.advance([row.tokens[-1] for row in self._rows.rows])
        return finished

    def _sample(self) -> list[int]:
        """Draw one token a row from its own random stream, by inverting the distribution function."""
        rows, logits = self._rows.rows, self._rows.logits
        temperatures = torch.tensor([row.request.temperature for row in rows], device=logits.device)
        greedy = temperatures == 0
        probabilities = torch.softmax(
            logits.double() / temperatures.masked_fill(greedy, 1.0)[:, None], dim=-1
        )
        draws = torch.tensor([row.random.random() for row in rows], dtype=torch.float64, device=logits.device)
        cumulative = probabilities.cumsum(dim=-1)
        drawn = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)[:, 0]
        drawn = drawn.clamp(max=logits.shape[-1] - 1)
        return list(torch.where(greedy, logits.argmax(dim=-1), drawn).tolist())

    def _take(self, row: _Row, token: int) -> None:
        """Add a token to a row and see whether that ends it."""
        row.tokens.append(token)
        if token in row.stop_ids:
            row.finish = "stop"
        elif token in self._ends:
            row.finish = "end"
        elif row.long_stops and (text := self._text_up_to_stop(row)) is not None:
            row.finish, row.text = "stop", text
            return
        elif len(row.tokens) >= row.request.max_tokens:
            row.finish = "length"
        elif len(row.request.prompt) + len(row.tokens) >= self.context:
            row.finish = "context"
        if row.finish:
            visible = row.tokens[:-1] if row.finish == "end" else row.tokens
            row.text = self._tokenizer.decode(visible, skip_special_tokens=False)

    def _text_up_to_stop(self, row: _Row) -> str | None:
        """Return the text up to and with a stop string that is split across tokens, or None."""
        # A token is at least one byte, so the stop lies within as many tokens, and one that it starts in.
        reach = max(len(stop.encode()) for stop in row.long_stops) + 1
        tail = self._tokenizer.decode(row.tokens[-reach:], skip_special_tokens=False)
        if not any(stop in tail for stop in row.long_stops):
            return None
        text = str(self._tokenizer.decode(row.tokens, skip_special_tokens=False))
        # Only the newest token can have completed a stop; an earlier one would have ended the row.
        ends = [text.rindex(stop) + len(stop) for stop in row.long_stops if stop in text]
        return text[: min(ends)]


class _Rows:
    """The running batch: rows, their keys and values, and the logits of their next token.

    Keys and values have the shape (rows, heads, length, head size) a layer; ``_valid`` (rows, length) says
    which positions hold a token, the others are padding on the left.
    """

    def __init__(self, network: Any, device: str) -> None:
        self.rows: list[_Row] = []
        self.logits = torch.empty(0)
        self._network = network
        self._device = device
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._valid = torch.empty(0, 0, dtype=torch.bool)

    def admit(self, newcomers: Sequence[_Row], known: Sequence[torch.Tensor | None]) -> None:
        """Compute the prompts of newcomers from what is known of them, and join them to the batch."""
        lengths = [0 if state is None else state.shape[3] for state in known]
        rest = [row.request.prompt[n:] for row, n in zip(newcomers, lengths, strict=True)]
        width, reach = max(len(r) for r in rest), max(lengths)
        inputs = torch.zeros(len(rest), width, dtype=torch.long)
        fresh = torch.zeros(len(rest), width, dtype=torch.bool)
        cached = torch.zeros(len(rest), reach, dtype=torch.bool)
        for i, tokens in enumerate(rest):
            inputs[i, width - len(tokens) :] = torch.tensor(tokens)
            fresh[i, width - len(tokens) :] = True
            cached[i, reach - lengths[i] :] = True
        valid = torch.cat([cached, fresh], dim=1).to(self._device)
        layers = self._stack_known(known, reach) if reach else None
        logits, layers = self._forward(inputs.to(self._device), valid, layers)
        if self.rows:
            length = max(valid.shape[1], self._valid.shape[1])
            old, new = self._valid.shape[1], valid.shape[1]
            self._layers = [
                (
                    torch.cat([_pad(k, length - old), _pad(k2, length - new)]),
                    torch.cat([_pad(v, length - old), _pad(v2, length - new)]),
                )
                for (k, v), (k2, v2) in zip(self._layers, layers, strict=True)
            ]
            padding = torch.nn.functional.pad
            self._valid = torch.cat(
                [padding(self._valid, (length - old, 0)), padding(valid, (length - new, 0))]
            )
            self.logits = torch.cat([self.logits, logits])
        else:
            self._layers, self._valid, self.logits = layers, valid, logits
        self.rows.extend(newcomers)

    def _stack_known(
        self, known: Sequence[torch.Tensor | None], reach: int
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        some = next(state for state in known if state is not None)
        empty = some[:, :, :, :0]
        states = torch.stack(
            [_pad(s, reach - s.shape[3]) for s in (empty if s is None else s for s in known)], dim=2
        )
        return [(states[layer, 0], states[layer, 1]) for layer in range(states.shape[0])]

    def advance(self, tokens: Sequence[int]) -> None:
        """Feed each row its newest token."""
        inputs = torch.tensor(tokens, device=self._device)[:, None]
        one = torch.ones(len(tokens), 1, dtype=torch.bool, device=self._valid.device)
        self._valid = torch.cat([self._valid, one], dim=1)
        self.logits, self._layers = self._forward(inputs, self._valid, self._layers)

    def _forward(
        self,
        inputs: torch.Tensor,
        valid: torch.Tensor,
        layers: list[tuple[torch.Tensor, torch.Tensor]] | None,
    ) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
        width, length = inputs.shape[1], valid.shape[1]
        positions = (valid.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
        order = torch.arange(length, device=valid.device)
        here = order[-width:, None]
        # Padding sees itself alone: a row of nothing but masked scores would be not-a-number.
        mask = (valid[:, None, :] & (order[None, :] <= here)[None]) | (order[None, :] == here)[None]
        output = self._network(
            input_ids=inputs,
            attention_mask=mask[:, None],
            position_ids=positions,
            past_key_values=DynamicCache(layers) if layers else DynamicCache(),
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        return output.logits[:, -1].float(), [(layer.keys, layer.values) for layer in cache.layers]

    def states(self, rows: Sequence[_Row]) -> list[torch.Tensor]:
        """Return each row's keys and values without padding, as ``PrefixCache`` stores them."""
        states = []
        for row in rows:
            i = self.rows.index(row)
            kept = self._valid[i].nonzero()[:, 0]
            states.append(torch.stack([torch.stack([k[i], v[i]])[:, :, kept] for k, v in self._layers]))
        return states

    def keep(self, indices: list[int]) -> None:
        """Keep these rows only, and cut off the padding that all of them share."""
        chosen = torch.tensor(indices, dtype=torch.long, device=self._valid.device)
        self.rows = [self.rows[i] for i in indices]
        self._valid, self.logits = self._valid[chosen], self.logits[chosen]
        used = self._valid.any(dim=0).nonzero()
        first = int(used[0]) if len(used) else self._valid.shape[1]
        self._valid = self._valid[:, first:]
        self._layers = [(k[chosen, :, first:], v[chosen, :, first:]) for k, v in self._layers]


def _pad(state: torch.Tensor, amount: int) -> torch.Tensor:
    """Put ``amount`` zero positions before the others in the second last dimension."""
    return torch.nn.functional.pad(state, (0, 0, amount, 0)) if amount else state
