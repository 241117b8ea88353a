"""A pretrained instruct model behind vLLM's own server: its completions, its chat endpoint, its tool calls.

The code of the tutorial ``docs/tutorials/instruct.md``, which ``tests/test_docs.py`` runs, goes from sampling to evaluation.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from trl.chat_template_utils import qwen2_5_chat_template

from sandbox import AsyncSandbox
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.problems import Problem
from scdpo.data.records import SolutionRecord
from scdpo.sampling.engines.endpoint import Endpoint
from scdpo.sampling.engines.load import EngineChoice, EngineName, load_engine
from scdpo.sampling.sampler import Sampler, SamplerLimits, sample_solutions
from tests.scdpo.test_vllm import served

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"),
]

QUESTIONS = {
    "Tom has 3 apples and buys 4 more. How many apples does he have now?": "7",
    "A box holds 6 eggs. How many eggs are in 5 boxes?": "30",
    "Maria reads 12 pages a day. How many pages does she read in 7 days?": "84",
}
IN_CODE = r"""You write one line of Python, see what it prints, and state the answer. For example:

```python
print(5 * 8 - 3)
```
```output
37
```
The answer is \boxed{37}."""
REQUEST = "\n\nWrite one line of Python code that prints the answer."
"""Without it the model writes no code: what is far from the question does not reach it."""
IN_WORDS = r"Solve the problem step by step. End with: The answer is \boxed{answer}."


@pytest.fixture(scope="module")
def calling_folder(smollm2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 under Qwen2.5's template, which is its own and has tools besides."""
    folder = tmp_path_factory.mktemp("calling") / "smollm2"
    shutil.copytree(smollm2_folder, folder)
    (folder / "chat_template.jinja").write_text(qwen2_5_chat_template)
    return folder


@pytest.fixture(scope="module")
def url(calling_folder: Path) -> Iterator[str]:
    with served(calling_folder, "--enable-auto-tool-choice", "--tool-call-parser", "hermes") as url:
        yield url


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The ids that the server says it sampled, a list for each answer."""
    heard: list[list[int]] = []
    post = Endpoint.post

    async def listening(self: Endpoint, path: str, body: dict[str, Any]) -> bytes:
        answer = await post(self, path, body)
        if "Count." not in str(body):  # what the engine asks to get to know a server
            heard.append(json.loads(answer)["choices"][0]["token_ids"])
        return answer

    monkeypatch.setattr(Endpoint, "post", listening)
    return heard


def sample(
    url: str, folder: Path, engine: EngineName, format: str, temperature: float = 0.0
) -> list[SolutionRecord]:
    """Solve the problems one by one, so that rounding does not depend on what else is computed."""
    system, request = (IN_CODE, REQUEST) if format == "chat" else (IN_WORDS, "")
    problems = [Problem(str(i), asked + request, gold) for i, (asked, gold) in enumerate(QUESTIONS.items())]

    async def main() -> list[SolutionRecord]:
        loaded = load_engine(EngineChoice(engine, servers=(url,), tokenizer=str(folder), context=1024))
        limits = SamplerLimits(blocks=6, block_tokens=60, in_flight=1)
        try:
            async with AsyncSandbox(max_sessions=2) as box:
                sampler = Sampler(loaded, box, format=format, system=system, limits=limits)
                records = [
                    record async for record in sample_solutions(problems, sampler, temperature=temperature)
                ]
        finally:
            await loaded.close()
        return sorted(records, key=lambda record: record.id)

    return asyncio.run(main())


def ids_of(record: SolutionRecord) -> list[int]:
    return [token for ids in record.sampling.block_tokens for token in ids]


@pytest.mark.parametrize("format", ["chat-cot", "tools"])
def test_the_ids_that_a_chat_endpoint_sampled_are_kept(
    url: str, calling_folder: Path, said: list[list[int]], format: str
) -> None:
    records = sample(url, calling_folder, "chat", format, temperature=0.7)
    assert sorted(map(ids_of, records)) == sorted(said)
    assert {record.sampling.finish for record in records} <= {"end", "length"}
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(calling_folder), format, IN_WORDS)
    for record in records:
        blocks = record.solution.blocks
        ids, _ = encoder.completion(record.question, (), blocks, record.sampling.block_tokens)
        assert ids == ids_of(record)  # training takes them


def test_code_is_run_and_the_answer_goes_on_behind_its_output_at_both_endpoints(
    url: str, calling_folder: Path
) -> None:
    by_messages, by_ids = (sample(url, calling_folder, engine, "chat") for engine in ("chat", "server"))
    assert [record.blocks for record in by_messages] == [record.blocks for record in by_ids]
    assert list(map(ids_of, by_messages)) == list(map(ids_of, by_ids))
    types = [[block.type for block in record.blocks] for record in by_ids]
    assert any(kinds[-3:] == ["code", "execution", "text"] for kinds in types)


def test_steps_of_a_chain_of_thought_have_temperatures_of_their_own(url: str, calling_folder: Path) -> None:
    records = sample(url, calling_folder, "server", "chat-cot")
    assert all(len(record.sampling.temperatures) == len(record.blocks) for record in records)
    assert any(len(record.blocks) > 1 for record in records)
