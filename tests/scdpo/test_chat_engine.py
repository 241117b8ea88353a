"""The chat engine against servers that take messages alone: vLLM's kind, OpenAI's, and careless ones, on loopback."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox import AsyncSandbox, Block
from scdpo.cli import app
from scdpo.data.problems import Problem
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import Run
from scdpo.sampling.engines import EngineError, Request
from scdpo.sampling.engines.chat import ChatEngine
from scdpo.sampling.engines.load import EngineChoice, load_engine
from scdpo.sampling.sampler import Draft, Sampler
from scdpo.sampling.schedule import Schedule
from tests.scdpo.test_server_engine import Body, FakeServer
from tests.scdpo.tokenizers import chat_tokenizer

PROBLEM = Problem("p", "What is 17 + 5?", "22")
BLOCKS = (
    Block("text", "We add."),
    Block("code", "17 + 5"),
    Block("execution", "22"),
    Block("text", "So \\boxed{22}."),
)
OPENAIS = {
    "model",
    "messages",
    "tools",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "max_tokens",
}
CALL = re.compile(r"(.*?)<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)


def calls(prompt: str) -> str:
    """Write as Qwen2.5 writes tool calls."""
    if "<tool_response>\n22" in prompt:
        return "So \\boxed{22}.<|im_end|>"
    return 'We add.\n<tool_call>\n{"name": "python", "arguments": {"code": "17 + 5"}}\n</tool_call><|im_end|>'


def fences(prompt: str) -> str:
    """Write as Qwen2.5-Math writes code in fences."""
    return (
        "So \\boxed{22}.<|im_end|>"
        if "```output\n22\n```\n" in prompt
        else "We add.\n```python\n17 + 5\n```\n```output\n9"
    )


def prose(prompt: str) -> str:
    """Write as a model that was never shown an output: it goes on in words behind its code."""
    code = "```python\n17 + 5\n```\n"
    return "So \\boxed{22}.<|im_end|>" if code in prompt else f"We add.\n{code}This prints 23.<|im_end|>"


class FakeChatServer(FakeServer):
    """Speaks the chat protocol over a template; ``ids``: returns them; ``goes_on``: from a message of the assistant."""

    def __init__(
        self, folder: Path, script: Callable[[str], str], *, ids: bool = True, goes_on: bool = True
    ) -> None:
        super().__init__(folder)
        self.card = {"id": "served", "max_model_len": 4000}
        self.script, self.ids, self.goes_on = script, ids, goes_on
        self.prompts: list[str] = []

    def completion(self, body: Body) -> dict[str, Any]:
        go_on = self.goes_on and body["messages"][-1]["role"] == "assistant"
        messages = [
            {
                **m,
                "tool_calls": [
                    {**c, "function": {**c["function"], "arguments": json.loads(c["function"]["arguments"])}}
                    for c in m.get("tool_calls", [])
                ],
            }
            for m in body["messages"]
        ]
        prompt = self.vocabulary.tokenizer.apply_chat_template(
            messages,
            tools=body.get("tools"),
            tokenize=False,
            add_generation_prompt=not go_on,
            continue_final_message=go_on,
        )
        self.prompts.append(prompt)
        text = "Yes" if "Count." in prompt else self.script(prompt)
        places = [(text.index(stop), stop) for stop in body.get("stop", []) if stop in text]
        sampled = self.vocabulary.encode(text)
        if places:  # the stop is no part of the text, and its ids are of the ids, as vLLM has it
            place, stop = min(places)
            sampled = self.vocabulary.encode(text[:place] + stop)
            text = text[:place]
        content = text.removesuffix("<|im_end|>")
        message: Body = {"role": "assistant", "content": content}
        if body.get("tools") and (called := CALL.match(content)):
            function = json.loads(called[2])
            function["arguments"] = json.dumps(function["arguments"])
            message = {
                "content": called[1],
                "tool_calls": [{"id": "x", "type": "function", "function": function}],
            }
        choice: Body = {
            "message": message,
            "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
        }
        if self.ids:
            choice["token_ids"] = sampled
        return {"choices": [choice], "usage": {"prompt_tokens": len(self.vocabulary.encode(prompt))}}

    @property
    def asked(self) -> list[Body]:
        """What was asked, without what the engine asked to get to know the server."""
        return [body for body in self.bodies if body["messages"][0]["content"] != "Count."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chat_tokenizer("qwen2_5").save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., FakeChatServer]]:
    made: list[FakeChatServer] = []

    def start(script: Callable[[str], str], **options: Any) -> FakeChatServer:
        made.append(FakeChatServer(folder, script, **options))
        return made[-1]

    yield start
    for server in made:
        server.close()


def sample(
    server: FakeServer, folder: Path, name: str, begun: Callable[[Sampler], Draft] | None = None
) -> tuple[Draft, SolutionRecord, Sampler]:
    async def main() -> tuple[Draft, SolutionRecord, Sampler]:
        engine = ChatEngine([server.url], tokenizer=str(folder))
        try:
            async with AsyncSandbox() as box:
                sampler = Sampler(engine, box, format=name)
                prefix = begun(sampler) if begun else None
                draft = await sampler.write(PROBLEM.question, Schedule(1.1, 0.1, 1.3), 3, prefix)
                return draft, sampler.record(PROBLEM, "p#0", 3, draft), sampler
        finally:
            await engine.close()

    return asyncio.run(main())


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "text"])
@pytest.mark.parametrize(("name", "script"), [("tools", calls), ("chat", fences)])
def test_a_chat_endpoint_gives_what_a_completions_endpoint_would(
    serve: Callable[..., FakeChatServer], folder: Path, name: str, script: Callable[[str], str], ids: bool
) -> None:
    server = serve(script, ids=ids)
    draft, record, sampler = sample(server, folder, name)
    assert (draft.blocks, draft.finish) == (BLOCKS, "end")
    assert record.preferred
    # The ids are those of the template, and training will use them.
    recorded = record.sampling.block_tokens
    assert sampler.encoder.completion(PROBLEM.question, (), draft.blocks, recorded)[0] == draft.ids
    assert sampler.encoder.completion(PROBLEM.question, (), draft.blocks)[0][: len(draft.ids)] == draft.ids
    # The server's prompts are the sampler's.
    assert server.prompts[0].startswith("<|im_start|>")
    assert sampler.format.prompt(PROBLEM.question) in server.prompts


@pytest.mark.parametrize(
    ("ids", "came"), [(True, BLOCKS), (False, (*BLOCKS[:2], Block("text", "This prints 23.")))]
)
def test_code_is_run_before_the_model_goes_on_where_the_server_says_what_was_sampled(
    serve: Callable[..., FakeChatServer], folder: Path, ids: bool, came: tuple[Block, ...]
) -> None:
    draft, *_ = sample(serve(prose, ids=ids), folder, "chat")
    assert draft.blocks == came


def test_an_output_is_a_message_of_its_own_in_openais_words(
    serve: Callable[..., FakeChatServer], folder: Path
) -> None:
    server = serve(calls)
    sample(server, folder, "tools")
    first, second = server.asked
    assert [m["role"] for m in first["messages"]] == ["user"]
    _, called, came = second["messages"]
    assert called["content"] == "We add."
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"code": "17 + 5"}
    assert (came["role"], came["content"], came["tool_call_id"]) == (
        "tool",
        "22",
        called["tool_calls"][0]["id"],
    )
    assert first["tools"][0]["function"]["name"] == "python"
    assert (first["temperature"], first["top_p"], first["model"]) == (1.1, 1.0, "served")


def test_a_server_that_takes_openais_fields_alone_is_asked_in_these(
    serve: Callable[..., FakeChatServer], folder: Path
) -> None:
    server = serve(calls, ids=False, goes_on=False)
    server.refuses = lambda body: not set(body) <= OPENAIS
    draft, *_ = sample(server, folder, "tools")
    assert draft.blocks == BLOCKS
    assert all(set(body) <= OPENAIS for body in server.asked)


def test_a_server_that_cannot_go_on_from_an_answer_is_told_what_can(
    serve: Callable[..., FakeChatServer], folder: Path
) -> None:
    with pytest.raises(EngineError, match=r"begins a new message .* take --format tools"):
        sample(serve(fences, goes_on=False), folder, "chat")
    draft, record, _ = sample(
        serve(calls, goes_on=False), folder, "tools", lambda sampler: sampler.prefix(BLOCKS[:1])
    )
    assert (draft.finish, record.dropped) == ("refused", "unfinished_refused")
    assert "no branch can begin inside a message" in record.verdict.reason


def test_a_branch_goes_on_inside_a_message_and_behind_an_output(
    serve: Callable[..., FakeChatServer], folder: Path
) -> None:
    server = serve(lambda prompt: calls(prompt).removeprefix("We add."))
    draft, *_ = sample(server, folder, "tools", lambda sampler: sampler.prefix(BLOCKS[:1]))
    assert server.prompts[-2].endswith("<|im_start|>assistant\nWe add.")
    assert draft.blocks == BLOCKS[1:]
    draft, *_ = sample(server, folder, "tools", lambda sampler: sampler.prefix(BLOCKS[:3]))
    assert draft.blocks == BLOCKS[3:]


def test_ids_of_another_tokenizer_are_not_taken_for_ours(
    serve: Callable[..., FakeChatServer], folder: Path
) -> None:
    server = serve(calls)
    answer = server.completion

    def other(body: Body) -> dict[str, Any]:
        answered = answer(body)
        answered["choices"][0]["token_ids"] = [7, 8, 9]
        return answered

    server.completion = other  # type: ignore[method-assign]
    draft, *_ = sample(server, folder, "tools")
    assert draft.blocks == BLOCKS


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ('{"name": "search", "arguments": {"q": "17 + 5"}}', "called 'search'"),
        ('{"name": "python", "arguments": {"source": "17 + 5"}}', "not python with code"),
    ],
)
def test_a_call_of_another_tool_is_that_solutions_reason(
    serve: Callable[..., FakeChatServer], folder: Path, called: str, said: str
) -> None:
    server = serve(lambda _: f"<tool_call>\n{called}\n</tool_call><|im_end|>", ids=False)
    draft, record, _ = sample(server, folder, "tools")
    assert (draft.finish, record.dropped) == ("marker", "unfinished_marker")
    assert said in record.verdict.reason


def test_a_thought_that_the_server_took_apart_is_a_block(tmp_path: Path) -> None:
    chat_tokenizer("qwen3").save_pretrained(tmp_path)
    server = FakeChatServer(tmp_path, lambda _: "\\boxed{22}<|im_end|>", ids=False)
    answer = server.completion

    def thinking(body: Body) -> dict[str, Any]:
        answered = answer(body)
        answered["choices"][0]["message"]["reasoning_content"] = "\nHm.\n"
        return answered

    server.completion = thinking  # type: ignore[method-assign]
    for name in ("chat", "tools"):
        draft, *_ = sample(server, tmp_path, name)
        assert [(b.type, b.content.strip()) for b in draft.blocks] == [
            ("thought", "Hm."),
            ("text", "\\boxed{22}"),
        ]
        assert draft.finish == "end"
    server.close()


def test_refused_filtered_and_cut_answers_end_that_solution_alone(
    serve: Callable[..., FakeChatServer], folder: Path
) -> None:
    server = serve(calls)
    server.troubles = ["", "400"]
    assert sample(server, folder, "tools")[1].dropped == "unfinished_refused"
    answer = server.completion

    def ending(reason: str) -> Callable[[Body], dict[str, Any]]:
        def answered(body: Body) -> dict[str, Any]:
            answered = answer(body)
            answered["choices"][0]["finish_reason"] = reason
            answered["choices"][0]["message"] = {"content": "We add 17 an"}
            answered["choices"][0].pop("token_ids")
            return answered

        return answered

    server.completion = ending("length")  # type: ignore[method-assign]
    draft, *_ = sample(server, folder, "tools")
    assert (draft.finish, draft.blocks) == ("length", (Block("text", "We add 17 an"),))
    server.completion = ending("content_filter")  # type: ignore[method-assign]
    assert "filtered" in sample(server, folder, "tools")[1].verdict.reason


def test_text_formats_are_not_for_chat_endpoints(serve: Callable[..., FakeChatServer], folder: Path) -> None:
    async def main() -> None:
        engine = load_engine(EngineChoice("chat", servers=(serve(calls).url,), tokenizer=str(folder)))
        with pytest.raises(EngineError, match="--format chat, tools or chat-cot"):
            await engine.complete(Request((5, 6), 10, 1.0, 0))
        await engine.close()

    asyncio.run(main())


def test_with_a_chat_endpoint_alone_pairs_are_made(
    serve: Callable[..., FakeChatServer], folder: Path, tmp_path: Path
) -> None:
    turn = iter(range(1000))

    def now_and_then_wrong(prompt: str) -> str:
        outputs = re.findall(r"<tool_response>\n(\d+)", prompt.partition("What is 17")[2])
        if len(outputs) == 2:
            return f"So \\boxed{{{outputs[-1]}}}.<|im_end|>"
        code = f"a + {5 + next(turn) % 2}" if outputs else "a = 17\\na"
        return f'<tool_call>\n{{"name": "python", "arguments": {{"code": "{code}"}}}}\n</tool_call><|im_end|>'

    server = serve(now_and_then_wrong, ids=False, goes_on=False)
    server.refuses = lambda body: not set(body) <= OPENAIS
    problems = tmp_path / "problems.jsonl"
    problems.write_text(json.dumps({"question": PROBLEM.question, "answer": "22"}) + "\n")
    common = ["--engine", "chat", "--server", server.url, "--tokenizer", str(folder)]
    run = str(tmp_path / "run")
    sampled = CliRunner().invoke(
        app, ["sample", run, "--problems", str(problems), "--format", "tools", "--at-most", "8", *common]
    )
    assert sampled.exit_code == 0, sampled.output
    corrupted = CliRunner().invoke(app, ["corrupt", run, "--attempts", "4", *common])
    assert corrupted.exit_code == 0, corrupted.output
    with Run(run) as opened:
        kinds = {pair.kind: pair for pair in opened.pairs}
    assert set(kinds) == {"naive", "step_controlled"}
    assert [b.type for b in kinds["step_controlled"].prefix] == ["code", "execution"]
