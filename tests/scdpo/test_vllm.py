"""vLLM for real, on whatever device there is: in this process and as ``vllm serve``.

Most with the built-in model, and some with SmolLM2-135M, which was pretrained on text that nobody here wrote.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sandbox import AsyncSandbox, Block
from sandbox.formats import get_format
from scdpo.data.problems import embedded_model_path, load_problems
from scdpo.data.records import SolutionRecord
from scdpo.sampling.engines import Completion, Engine, EngineError, Request
from scdpo.sampling.engines.load import EngineChoice, load_engine
from scdpo.sampling.sampler import Draft, Sampler, SamplerLimits, sample_solutions
from scdpo.sampling.schedule import Schedule

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"),
]

T = TypeVar("T")
Do = Callable[[Coroutine[Any, Any, T]], T]
FORMAT = get_format("mathcoder")
START_SECONDS = 400


@pytest.fixture(scope="module")
def do() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run a coroutine on the one event loop that the engines live on."""
    with asyncio.Runner() as runner:
        yield runner.run


@contextmanager
def served(model: Path, *options: str) -> Iterator[str]:
    """Start what ``vllm serve`` starts and end it afterwards; the command itself wants a package named vllm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--host", "127.0.0.1",
         "--port", str(port), "--dtype", "float32", "--enforce-eager", "--no-enable-chunked-prefill", "--block-size", "32", *options],
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(START_SECONDS):
            time.sleep(1)
            assert server.poll() is None, "vllm serve ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def loaded(kind: str, model: Path, do: Do[Any]) -> Iterator[Engine]:
    """Load the engine of a kind with a model, and its server where it has one."""

    async def load(choice: EngineChoice) -> Engine:
        return load_engine(choice)

    with ExitStack() as stack:
        if kind == "server":
            choice = EngineChoice("server", servers=(stack.enter_context(served(model)),))
        else:
            choice = EngineChoice("vllm", str(model))
        engine: Engine = do(load(choice))
        yield engine
        do(engine.close())


@pytest.fixture(scope="module", params=["vllm", "server"])
def engine(request: pytest.FixtureRequest, do: Do[Any]) -> Iterator[Engine]:
    with loaded(request.param, embedded_model_path(), do) as engine:
        yield engine


@pytest.fixture(scope="module", params=["vllm", "server"])
def pretrained(request: pytest.FixtureRequest, smollm2_folder: Path, do: Do[Any]) -> Iterator[Engine]:
    with loaded(request.param, smollm2_folder, do) as engine:
        yield engine


def prompts(engine: Engine, count: int = 8) -> list[tuple[int, ...]]:
    problems = load_problems("embedded", "test", limit=count)
    return [tuple(engine.encode(FORMAT.prompt(p.question))) for p in problems]


def complete(do: Do[list[Completion]], engine: Engine, requests: list[Request]) -> list[Completion]:
    async def main() -> list[Completion]:
        return await asyncio.gather(*map(engine.complete, requests))

    return do(main())


def test_a_block_ends_at_its_mark_and_its_ids_spell_it(engine: Engine, do: Do[Any]) -> None:
    requests = [Request(ids, 200, 1.0, seed, FORMAT.stop) for seed, ids in enumerate(prompts(engine))]
    for completion in complete(do, engine, requests):
        assert completion.finish == "stop"
        assert completion.text.endswith(FORMAT.stop)
        assert engine.encode(completion.text)[-1] == completion.token_ids[-1]


def test_a_seed_fixes_the_sample_and_another_changes_it(engine: Engine, do: Do[Any]) -> None:
    [prompt] = prompts(engine, 1)
    first = complete(do, engine, [Request(prompt, 60, 1.3, seed, FORMAT.stop) for seed in range(32)])
    again = complete(do, engine, [Request(prompt, 60, 1.3, seed, FORMAT.stop) for seed in range(32)])
    assert sum(a == b for a, b in zip(first, again, strict=True)) >= 31  # rounding may differ with the batch
    assert len({c.token_ids for c in first}) > 4


def test_a_stop_string_may_lie_across_tokens(engine: Engine, do: Do[Any]) -> None:
    [prompt] = prompts(engine, 1)
    [plain] = complete(do, engine, [Request(prompt, 40, 0.0, 1, FORMAT.stop)])
    middle = len(plain.text) // 2
    stop = plain.text[middle - 2 : middle + 3]
    [cut] = complete(do, engine, [Request(prompt, 40, 0.0, 1, (stop,))])
    assert cut.finish == "stop"
    assert cut.text == plain.text[: plain.text.index(stop) + len(stop)]
    assert cut.token_ids == plain.token_ids[: len(cut.token_ids)]


def test_ends_that_are_no_stop_are_told_apart(engine: Engine, do: Do[Any]) -> None:
    [prompt] = prompts(engine, 1)
    filled = (prompt * engine.context)[: engine.context - 2]
    spent, over, full, nearly = complete(
        do,
        engine,
        [
            Request(prompt, 2, 0.0, 1),
            Request((*filled, 20, 20), 5, 0.0, 1),
            Request((*filled, 20), 5, 1.5, 1, FORMAT.stop),
            Request(prompt, engine.context, 0.0, 1),
        ],
    )
    assert (spent.finish, len(spent.token_ids)) == ("length", 2)
    assert (over.finish, over.token_ids) == ("context", ())
    assert (full.finish in ("context", "stop", "end"), len(full.token_ids)) == (True, 1)
    assert nearly.finish == "end"
    assert engine.encode(nearly.text) == list(nearly.token_ids[:-1])


def test_whole_solutions_are_sampled_run_and_verified(engine: Engine, do: Do[Any]) -> None:
    async def main() -> list[SolutionRecord]:
        problems = load_problems("embedded", "test", limit=24)
        async with AsyncSandbox(max_sessions=24) as box:
            sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=24))
            return [record async for record in sample_solutions(problems, sampler)]

    records: list[SolutionRecord] = do(main())
    assert all(len(r.sampling.block_tokens) == len(r.blocks) + 1 for r in records if not r.dropped)
    assert sum(block.type == "execution" for r in records for block in r.blocks) > 12
    assert sum(r.verdict.status == "correct" for r in records) >= 2


def test_many_prompts_at_once_are_more_than_one_step_takes(engine: Engine, do: Do[Any]) -> None:
    [prompt] = prompts(engine, 1)
    requests = [Request((100 + seed, *prompt * 4), 5, 1.0, seed, FORMAT.stop) for seed in range(128)]
    assert all(c.token_ids for c in complete(do, engine, requests))


def test_a_request_that_is_refused_is_told_as_the_engine_s_error(engine: Engine, do: Do[Any]) -> None:
    [prompt] = prompts(engine, 1)
    with pytest.raises(EngineError, match="temperature"):
        do(engine.complete(Request(prompt, 5, 1000.0, 1)))


def under_way(engine: Engine, count: int) -> list[asyncio.Task[Completion]]:
    """Ask for completions that take long."""
    requests = [Request((20, 21), 900, 2.0, seed) for seed in range(count)]
    return [asyncio.create_task(engine.complete(request)) for request in requests]


def test_a_core_that_dies_is_told_to_all_who_wait(do: Do[Any]) -> None:
    from scdpo.sampling.engines.vllm import VLLMEngine

    async def main() -> None:
        engine = VLLMEngine(embedded_model_path())
        await engine.complete(Request((20, 21), 2, 0.0, 1))
        waiting = under_way(engine, 64)
        await asyncio.sleep(0.2)
        for process in engine._engine.engine_core.resources.engine_manager.processes:
            os.kill(process.pid, signal.SIGKILL)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} <= {EngineError, Completion}
        with pytest.raises(EngineError):
            await engine.complete(Request((20, 21), 2, 0.0, 1))
        await engine.close()

    do(main())


def test_closing_answers_requests_under_way(do: Do[Any]) -> None:
    from scdpo.sampling.engines.vllm import VLLMEngine

    async def main() -> None:
        engine = VLLMEngine(embedded_model_path())
        await engine.complete(Request((20, 21), 2, 0.0, 1))
        waiting = under_way(engine, 64)
        await asyncio.sleep(0.2)
        await engine.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} <= {EngineError, Completion}

    do(main())


def test_a_pretrained_model_says_what_it_knows(pretrained: Engine, do: Do[Any]) -> None:
    prompt = tuple(pretrained.encode("The capital of France is"))
    [completion] = complete(do, pretrained, [Request(prompt, 8, 0.0, 1, (".",))])
    assert completion.text == " Paris."
    assert completion.finish == "stop"


def test_a_pretrained_model_s_stop_may_lie_across_its_tokens(pretrained: Engine, do: Do[Any]) -> None:
    prompt = tuple(pretrained.encode("The capital of France is"))
    [completion] = complete(do, pretrained, [Request(prompt, 8, 0.0, 1, ("ris.\n\nTh",))])
    assert (completion.text, completion.finish) == (" Paris.\n\nTh", "stop")


EXAMPLE = r"""What is 2 + 3?

We let Python add.
```python
print(2 + 3)
```
```output
5
```
The answer is \boxed{5}."""


def test_a_pretrained_model_s_code_is_run_after_one_example(pretrained: Engine, do: Do[Any]) -> None:
    async def main() -> list[Draft]:
        async with AsyncSandbox(max_sessions=4) as box:
            limits = SamplerLimits(blocks=4, block_tokens=60)
            sampler = Sampler(pretrained, box, format="markdown", system=EXAMPLE, limits=limits)
            begun = Draft("We let Python add.\n", (Block("text", "We let Python add."),))
            greedy = Schedule.constant(0.0)
            return await asyncio.gather(
                *(sampler.write(f"What is {a} + 5?", greedy, 1, begun) for a in (17, 9, 30, 41))
            )

    drafts: list[Draft] = do(main())
    assert all(draft.finish for draft in drafts)
    sums = [draft.blocks[:2] for draft in drafts]
    assert (Block("code", "print(17 + 5)"), Block("execution", "22")) in sums
