"""The embedded engine against transformers' own generate, and the promises of the engine interface."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from scdpo.sampling.engines import Completion, EngineError, Request
from scdpo.sampling.engines.prefix_cache import PrefixCache
from scdpo.sampling.engines.slots import Slots
from scdpo.sampling.engines.transformers import TransformersEngine


def served(
    model: Path, work: Callable[[TransformersEngine], Awaitable[list[Completion]]]
) -> list[Completion]:
    async def main() -> list[Completion]:
        engine = TransformersEngine(model, device="cpu", batch=8)
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(main())


def together(*requests: Request) -> Callable[[TransformersEngine], Awaitable[list[Completion]]]:
    async def work(engine: TransformersEngine) -> list[Completion]:
        return list(await asyncio.gather(*(engine.complete(r) for r in requests)))

    return work


def prompt(length: int) -> tuple[int, ...]:
    return tuple((7 * i + length) % 200 for i in range(length))


def test_greedy_completions_of_a_ragged_batch_are_those_of_generate(tiny_model: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(tiny_model)
    prompts = [prompt(n) for n in (1, 3, 17, 40, 64, 5, 90, 33, 21, 2)]
    for_engine = [Request(p, 20 + i, 0.0, 0) for i, p in enumerate(prompts)]
    completions = served(tiny_model, together(*for_engine))
    for p, request, completion in zip(prompts, for_engine, completions, strict=True):
        expected = network.generate(
            torch.tensor([p]),
            max_new_tokens=request.max_tokens,
            do_sample=False,
            attention_mask=torch.ones(1, len(p)),
        )
        assert list(completion.token_ids) == expected[0, len(p) :].tolist()


def test_a_continued_prompt_gives_what_a_fresh_engine_gives(tiny_model: Path) -> None:
    async def grow(engine: TransformersEngine) -> list[Completion]:
        tokens, completions = prompt(30), []
        for _ in range(4):
            completions.append(await engine.complete(Request(tokens, 20, 0.0, 0)))
            tokens += completions[-1].token_ids + prompt(3)
        return completions

    grown = served(tiny_model, grow)
    tokens = prompt(30)
    for completion in grown:
        fresh = served(tiny_model, together(Request(tokens, 20, 0.0, 0)))[0]
        assert fresh.token_ids == completion.token_ids
        tokens += completion.token_ids + prompt(3)


def test_a_seed_gives_the_same_sample_alone_and_in_company(tiny_model: Path) -> None:
    request = Request(prompt(12), 30, 1.0, 5)
    alone = served(tiny_model, together(request))[0]
    company = served(tiny_model, together(*(Request(prompt(9), 15, 1.3, s) for s in range(6)), request))
    assert company[-1].token_ids == alone.token_ids
    assert len({c.token_ids for c in company[:-1]}) == 6


def test_samples_follow_the_model_s_distribution_at_the_temperature(tiny_model: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(tiny_model)
    logits = network(torch.tensor([prompt(10)])).logits[0, -1].double()
    expected = torch.softmax(logits / 1.5, -1)
    n = 2000
    completions = served(tiny_model, together(*(Request(prompt(10), 1, 1.5, s) for s in range(n))))
    counts = torch.bincount(torch.tensor([c.token_ids[0] for c in completions]), minlength=len(expected))
    likely = expected * n > 20
    deviation = (counts - expected * n)[likely] / (expected * n * (1 - expected))[likely].sqrt()
    assert likely.sum() >= 3
    assert deviation.abs().max() < 4.5


def test_a_stop_string_split_across_tokens_ends_the_text_there(tiny_model: Path) -> None:
    free = served(tiny_model, together(Request(prompt(25), 40, 1.0, 3)))[0]
    stop = free.text[5:8]
    stopped = served(tiny_model, together(Request(prompt(25), 40, 1.0, 3, (stop,))))[0]
    assert stopped.finish == "stop"
    assert stopped.text == free.text[: free.text.index(stop) + len(stop)]


def test_states_stay_within_their_memory_and_the_samples_are_the_same(tiny_model: Path) -> None:
    wanted = [Request(prompt(5 + 11 * s % 60), 20 + 30 * (s % 7), 1.0, s) for s in range(40)]
    took: list[int] = []

    async def narrow() -> list[Completion]:
        engine = TransformersEngine(tiny_model, device="cpu", batch=32, state_bytes=bound)
        inner = engine._slots.forward

        def forward(*args: Any) -> torch.Tensor:
            logits = inner(*args)
            took.append(engine._slots._states.nbytes)
            return logits

        engine._slots.forward = forward  # type: ignore[method-assign]
        try:
            return list(await asyncio.gather(*(engine.complete(request) for request in wanted)))
        finally:
            await engine.close()

    slots = Slots(AutoConfig.from_pretrained(tiny_model), torch.float32, "cpu")
    bound = slots.bytes_for(4, 256)
    made = asyncio.run(narrow())
    assert max(took) == bound  # four rows at once, and never more
    assert [c.token_ids for c in made] == [c.token_ids for c in served(tiny_model, together(*wanted))]


def test_a_request_that_is_too_long_for_the_memory_is_computed_alone(tiny_model: Path) -> None:
    async def main() -> list[Completion]:
        engine = TransformersEngine(tiny_model, device="cpu", state_bytes=1)
        try:
            return list(
                await asyncio.gather(*(engine.complete(Request(prompt(9), 5, 0.0, s)) for s in range(3)))
            )
        finally:
            await engine.close()

    assert len({completion.token_ids for completion in asyncio.run(main())}) == 1


def test_a_cache_of_prompts_keeps_what_was_used_last_within_its_bytes() -> None:
    state = torch.zeros(2, 2, 1, 16, 4)
    cache = PrefixCache(3 * state.nbytes)
    for start in (0, 100, 200, 300):
        cache.put(range(start, start + 16), lambda *_: state)
    assert [cache.get(range(start, start + 17)) is not None for start in (0, 100, 200, 300)] == [
        False,
        True,
        True,
        True,
    ]
    assert cache.get(range(100, 117)) is not None
    cache.put(range(400, 416), lambda *_: state)
    assert cache.get(range(200, 217)) is None


def test_a_full_context_is_said(tiny_model: Path) -> None:
    long, full = served(
        tiny_model, together(Request(prompt(250), 100, 1.0, 1), Request(prompt(256), 5, 1.0, 1))
    )
    assert (long.finish, len(long.token_ids)) in {("context", 6), ("end", len(long.token_ids))}
    assert (full.finish, full.text) == ("context", "")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot load the model"):
        TransformersEngine(tmp_path / "nothing")


def test_closing_answers_requests_under_way(tiny_model: Path) -> None:
    async def main() -> None:
        engine = TransformersEngine(tiny_model, device="cpu")
        task = asyncio.create_task(engine.complete(Request(prompt(5), 200, 1.0, 0)))
        await asyncio.sleep(0.05)
        await engine.close()
        with pytest.raises((EngineError, asyncio.CancelledError)):
            await asyncio.wait_for(task, 5)
        with pytest.raises(EngineError):
            await engine.complete(Request(prompt(5), 2, 1.0, 0))

    asyncio.run(main())


def test_a_failure_in_the_batch_is_told_to_everyone_who_waits(tiny_model: Path) -> None:
    async def main() -> None:
        engine = TransformersEngine(tiny_model, device="cpu", batch=2)
        engine._network.forward = None  # what a lost device or a bug comes to: the next step raises
        tasks = [asyncio.create_task(engine.complete(Request(prompt(5), 5, 1.0, s))) for s in range(5)]
        for task in tasks:
            with pytest.raises(EngineError, match="failed"):
                await asyncio.wait_for(task, 30)
        await engine.close()

    asyncio.run(main())
