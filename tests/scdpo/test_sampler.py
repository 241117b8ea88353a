"""Sampling: text, code and execution in turn, and a recorded reason for every end."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, LlamaForCausalLM

from sandbox import AsyncSandbox, Block
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.problems import Problem, embedded_model_path
from scdpo.data.records import SolutionRecord
from scdpo.sampling.engines.transformers import TransformersEngine
from scdpo.sampling.engines.vocabulary import Vocabulary
from scdpo.sampling.sampler import Draft, Sampler, SamplerLimits, derive_seed, sample_solutions
from scdpo.sampling.schedule import Schedule
from tests.scdpo.scripted import Script, ScriptedEngine, adder

PROBLEM = Problem("p", "What is 17 + 5?", "22")


def write(
    model: Path,
    script: Script,
    *,
    format: str = "mathcoder",
    limits: SamplerLimits | None = None,
    context: int = 100_000,
    **arguments: object,
) -> tuple[Draft, ScriptedEngine]:
    async def main() -> tuple[Draft, ScriptedEngine]:
        engine = ScriptedEngine(model, script, context=context)
        async with AsyncSandbox() as box:
            sampler = Sampler(engine, box, format=format, limits=limits)
            schedule = Schedule(1.1, 0.1, 1.3)
            return await sampler.write(PROBLEM.question, schedule, 3, **arguments), engine  # type: ignore[arg-type]

    return asyncio.run(main())


def right(prompt: str, _: random.Random) -> str:
    return adder(prompt, random.Random(2))


def test_code_runs_in_one_kernel_and_its_output_goes_back(tiny_model: Path) -> None:
    draft, _ = write(tiny_model, right)
    assert [(b.type, b.content) for b in draft.blocks] == [
        ("text", "We add 17 and 5."), ("code", "a = 17\na"), ("execution", "17"),
        ("code", "a + 5"), ("execution", "22"), ("text", "The answer is \\boxed{22}."),
    ]  # fmt: skip
    assert draft.finish == "end"
    assert draft.isolation in ("strict", "landlock")


def test_records_name_the_built_in_model_and_not_its_folder(tiny_model: Path) -> None:
    async def main() -> SolutionRecord:
        engine = ScriptedEngine(tiny_model, right)
        engine.model = str(embedded_model_path())
        async with AsyncSandbox() as box:
            return await Sampler(engine, box).solve(PROBLEM, 0, Schedule(), 0)

    assert asyncio.run(main()).sampling.model == "embedded"


def test_each_step_has_its_temperature(tiny_model: Path) -> None:
    draft, engine = write(tiny_model, right)
    assert draft.temperatures == [1.1, 1.2, 1.3, 1.3]
    assert [r.temperature for r in engine.requests] == [1.1, 1.2, 1.3, 1.3, 1.3]


def test_token_ids_stand_block_by_block_and_spell_the_solution(tiny_model: Path) -> None:
    draft, engine = write(tiny_model, right)
    assert len(draft.block_tokens) == len(draft.blocks) + 1
    assert engine.tokenizer.decode([i for ids in draft.block_tokens for i in ids]) == draft.text
    last = engine.requests[-1].prompt
    assert list(last[-len(draft.block_tokens[-2]) :]) == draft.block_tokens[-2]


def test_a_branch_goes_on_from_its_prefix_and_session(tiny_model: Path) -> None:
    async def main() -> Draft:
        engine = ScriptedEngine(tiny_model, right)
        async with AsyncSandbox() as box:
            sampler = Sampler(engine, box)
            session = await box.session()
            await session.run("a = 17\na")
            blocks = (Block("text", "We add."), Block("code", "a = 17\na"), Block("execution", "17"))
            prefix = Draft(text=sampler.format.render(blocks), blocks=blocks)
            return await sampler.write(PROBLEM.question, Schedule(), 3, prefix, await session.fork())

    draft = asyncio.run(main())
    assert [b.type for b in draft.blocks] == ["code", "execution", "text"]
    assert draft.temperatures == [1.1, 1.15]
    assert draft.finish == "end"


@pytest.mark.parametrize(
    ("script", "finish"),
    [
        (lambda p, r: "<|text|>" + "word " * 5000, "length"),
        (lambda p, r: "<|code|>1<|endofblock|>", "blocks"),
        (lambda p, r: "<|text|>again<|endofblock|>", "blocks"),
        (lambda p, r: "<|execution|>22<|endofblock|>", "forged"),
        (lambda p, r: "<|code|>import os; os._exit(3)<|endofblock|>", "state_lost"),
        (lambda p, r: "<|endofmessage|>", "end"),
        (lambda p, r: "", "end"),
    ],
)
def test_every_way_to_go_astray_ends_in_a_reason(tiny_model: Path, script: Script, finish: str) -> None:
    draft, _ = write(tiny_model, script, limits=SamplerLimits(blocks=6, block_tokens=60))
    assert draft.finish == finish


def printing(characters: int) -> Script:
    return lambda p, r: f"<|code|>print('x' * {characters})<|endofblock|>"


@pytest.mark.parametrize(
    ("script", "blocks"),
    [
        (lambda p, r: "<|text|>" + "word " * 100, ["text"]),  # the model's own text
        (printing(600), ["code", "execution"]),  # what its code printed
    ],
)
def test_a_full_context_ends_the_solution(tiny_model: Path, script: Script, blocks: list[str]) -> None:
    draft, engine = write(tiny_model, script, context=400)
    assert draft.finish == "context"
    assert [b.type for b in draft.blocks] == blocks
    assert sum(len(r.prompt) < 400 for r in engine.requests) == 1


@pytest.mark.parametrize(
    ("rest", "finish"), [("1\n", "end"), ("1\n" * 100, "length"), ("1\n``\n`` `\n", "end")]
)
def test_a_fence_that_is_never_closed_is_not_run(tiny_model: Path, rest: str, finish: str) -> None:
    def script(prompt: str, _: random.Random) -> str:
        return rest if "```python\n" in prompt else "Let us compute.\n```python\n"

    limits = SamplerLimits(block_tokens=60)
    draft, engine = write(tiny_model, script, format="markdown", limits=limits)
    assert draft.finish == finish
    assert [b.type for b in draft.blocks] == ["text", "code"]
    assert len(engine.requests) == 2


def test_fences_that_are_opened_for_ever_end_in_a_reason(tiny_model: Path) -> None:
    def script(prompt: str, _: random.Random) -> str:
        return "1\n```\n" if prompt.endswith("```python\n") else "```python\n"

    draft, _ = write(tiny_model, script, format="markdown", limits=SamplerLimits(blocks=6))
    assert draft.finish == "blocks"
    assert [b.type for b in draft.blocks] == ["code", "execution"] * 3 + ["code"]


def markdown(prompt: str, _: random.Random) -> str:
    if "```output" in prompt:
        return "So it is \\boxed{22}."
    if prompt.endswith("```python\n"):
        return "17 + 5\n```\n```output\n99\n```\nforged"
    return "Let us compute.\n```python\nwrong"


def test_markdown_code_is_run_before_the_model_can_make_up_its_output(tiny_model: Path) -> None:
    draft, engine = write(tiny_model, markdown, format="markdown")
    assert [(b.type, b.content) for b in draft.blocks] == [
        ("text", "Let us compute."), ("code", "17 + 5"), ("execution", "22"), ("text", "So it is \\boxed{22}."),
    ]  # fmt: skip
    assert [r.temperature for r in engine.requests] == [1.1, 1.2, 1.3]
    assert draft.temperatures == [1.1, 1.2, 1.3]


def test_a_chain_of_thought_is_sampled_line_by_line(tiny_model: Path) -> None:
    lines = ["17 + 5 is\n", "22.\n", "The answer is \\boxed{22}."]

    def script(prompt: str, _: random.Random) -> str:
        return lines[sum(line in prompt for line in lines)]

    draft, _ = write(tiny_model, script, format="cot")
    assert [b.content for b in draft.blocks] == lines
    assert draft.temperatures == [1.1, 1.2, 1.3]


def test_records_tell_right_from_wrong_from_unfinished(tiny_model: Path) -> None:
    async def main() -> list[SolutionRecord]:
        engine = ScriptedEngine(tiny_model, adder)
        async with AsyncSandbox() as box:
            problems = [Problem(f"p{i}", f"What is {i} + 5?", str(i + 5)) for i in range(6)]
            sampler = Sampler(engine, box)
            return [r async for r in sample_solutions(problems, sampler, n=5, temperature=1.0)]

    records = asyncio.run(main())
    assert len({r.id for r in records}) == 30
    for record in records:
        assert (record.verdict.answer == record.gold) == record.preferred == (not record.dispreferred)
    assert {r.preferred for r in records} == {True, False}


@pytest.mark.parametrize(
    "turn",
    [
        "<|text|>So<|text|> 4.<|endofblock|>",
        "<|code|>1<|assistant|><|text|>4<|endofblock|>",
        "<|user|><|text|>4<|endofblock|>",
        "4<|endofblock|>",
    ],
)
def test_marks_where_none_belong_end_the_solution(tiny_model: Path, turn: str) -> None:
    draft, _ = write(tiny_model, lambda prompt, stream: turn)
    assert draft.finish == "marker"


def test_text_that_goes_on_after_a_text_step_is_kept(tiny_model: Path) -> None:
    prefix = Draft("Add them.\n", (Block("text", "Add them."),))
    draft, _ = write(
        tiny_model,
        lambda prompt, stream: "But the 5 counts twice: \\boxed{27}.",
        format="markdown",
        prefix=prefix,
    )
    assert [b.content for b in draft.blocks] == ["But the 5 counts twice: \\boxed{27}."]
    assert draft.finish == "end"


def test_a_prompt_begins_as_training_has_it_where_the_tokenizer_adds_a_begin_token(
    tiny_model: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    begin = tokenizer.convert_ids_to_tokens(5)
    tokenizer.bos_token = begin
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, 5)]
    )
    tokenizer.save_pretrained(tmp_path)
    LlamaForCausalLM.from_pretrained(tiny_model).save_pretrained(tmp_path)
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(tmp_path))
    expected = encoder.context(PROBLEM.question)
    assert expected[0] == 5
    prompt = encoder.format.prompt(PROBLEM.question)
    assert TransformersEngine(tmp_path).encode_prompt(prompt) == expected
    assert Vocabulary(tmp_path).encode_prompt(prompt) == expected

    class Beginning(ScriptedEngine):
        def encode_prompt(self, text: str) -> list[int]:
            return Vocabulary(tmp_path).encode_prompt(text)

    async def main() -> tuple[int, ...]:
        engine = Beginning(tmp_path, right)
        async with AsyncSandbox() as box:
            await Sampler(engine, box).write(PROBLEM.question, Schedule(), 3)
        return engine.requests[0].prompt

    assert list(asyncio.run(main())) == expected


def test_seeds_depend_on_every_part() -> None:
    assert (
        len({derive_seed(0, "a", 1), derive_seed(1, "a", 1), derive_seed(0, "b", 1), derive_seed(0, "a", 2)})
        == 4
    )
    assert derive_seed(0, "a", 1) == derive_seed(0, "a", 1) < 2**63
