"""The formats of a model's own chat template: nothing is lost, nothing forged, and TRL's tokens are the ones that count."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Block, Solution
from sandbox.formats import MarkdownFormat, normalise_newlines
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.formats import TEXT_FORMATS, bound_format
from scdpo.data.formats.template import ChatTemplate
from scdpo.data.formats.turns import TOOL, call, result
from tests.scdpo.tokenizers import CHAT_MARKS, chat_tokenizer

FAMILIES = ["qwen3", "qwen2_5", "llama3_1", "gptoss", "deepseekv3", "glm4moe"]
MOST_STOPS = 4
"""What OpenAI's interface and vLLM's servers take."""
EXACT = ["qwen3", "qwen2_5", "glm4moe"]
"""Families whose template writes every solution as it stands: no text or later call is left out or changed."""
TOKENIZERS = {family: chat_tokenizer(family) for family in FAMILIES}
SOLUTION = (
    Block("text", "We add."),
    Block("code", 'a = "x"\nlen(a) + 5'),
    Block("execution", "6"),
    Block("text", "So \\boxed{6}."),
)
MARKS = [
    *CHAT_MARKS,
    "```python\n",
    "```\n",
    "<!-- next block -->",
    "<!-- blank block -->",
    "\\",
    "\n",
    " ",
    '"',
    "x",
]
CONTENTS = st.lists(st.sampled_from(MARKS), max_size=12).map("".join)


def solutions(
    shared_dir: Path, count: int | None, name: str = "sample"
) -> list[tuple[str, tuple[Block, ...]]]:
    with gzip.open(shared_dir / f"data/tir/{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, count)]
    return [
        (row["question"], tuple(Block(b["type"], normalise_newlines(b["content"])) for b in row["blocks"]))
        for row in rows
    ]


@pytest.mark.parametrize("name", ["chat", "tools"])
@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_solutions_come_back(shared_dir: Path, family: str, name: str) -> None:
    form = bound_format(name, TOKENIZERS[family])
    for _, blocks in solutions(shared_dir, 60):
        assert form.parse("".join(piece.text for piece in form.write(blocks, ended=True))) == blocks
        for cut in range(1, len(blocks)):
            if blocks[cut].type == "execution":
                continue  # a solution is cut between steps
            rest = "".join(piece.text for piece in form.write(blocks[cut:], blocks[:cut], ended=True))
            assert tuple(read.block for read in form.locate(rest, continued=True)) == blocks[cut:]


@pytest.mark.parametrize("family", [*FAMILIES, "gemma3", "phi3"])
def test_a_server_takes_the_stop_strings_of_every_format(family: str) -> None:
    names = [*TEXT_FORMATS, "chat", "chat-cot", *(["tools"] if family in FAMILIES else [])]
    assert all(1 <= len(bound_format(name, chat_tokenizer(family)).stop) <= MOST_STOPS for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chat", "tools"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_recorded_solution_comes_back(shared_dir: Path, family: str, name: str) -> None:
    form = bound_format(name, TOKENIZERS[family])
    files = ("mathcoder_gsm8k", "mathcoder_math", "mathcoder_ood", "tora_gsm8k")
    recorded = [blocks for file in files for _, blocks in solutions(shared_dir, None, file)]
    assert len(recorded) > 20_000
    written = ("".join(piece.text for piece in form.write(blocks, ended=True)) for blocks in recorded)
    assert sum(form.parse(text) != blocks for text, blocks in zip(written, recorded, strict=True)) == 0


@pytest.mark.parametrize("family", ["qwen3", "glm4moe", "gptoss"])
@given(contents=st.tuples(CONTENTS, CONTENTS, CONTENTS, CONTENTS))
@settings(max_examples=40, deadline=None)
def test_no_content_can_forge_a_block(family: str, contents: tuple[str, ...]) -> None:
    types = ("text", "code", "execution", "text")
    blocks = tuple(Block(type, content) for type, content in zip(types, contents, strict=True))  # type: ignore[arg-type]
    for name in ("chat", "tools"):
        form = bound_format(name, TOKENIZERS[family])
        written = "".join(piece.text for piece in form.write(blocks, ended=True))
        assert form.parse(written) == blocks


def messages(blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
    """Return a solution as the messages of tool calls."""
    made: list[dict[str, Any]] = []
    texts: list[str] = []
    for block in blocks:
        if block.type == "text":
            texts.append(block.content)
        elif block.type == "code":
            content = "\n<!-- next block -->\n".join(texts)
            made.append({"role": "assistant", "content": content, "tool_calls": call(block.content)})
            texts = []
        else:
            made.append(result(block.content))
    return [*made, {"role": "assistant", "content": "\n<!-- next block -->\n".join(texts)}]


def trimmed(blocks: tuple[Block, ...]) -> bool:
    """Whether no template would trim a content, and the solution ends in a text."""
    return blocks[-1].type == "text" and all(
        b.content and b.content == b.content.strip() for b in blocks if b.type != "code"
    )


@pytest.mark.parametrize("family", EXACT)
def test_the_tokens_of_tool_calls_and_their_masks_are_those_of_trl(shared_dir: Path, family: str) -> None:
    tokenizer = TOKENIZERS[family]
    encoder, template, compared = SolutionEncoder(tokenizer, "tools"), ChatTemplate(tokenizer), 0
    for question, blocks in solutions(shared_dir, 60):
        if not trimmed(blocks):
            continue
        stock = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}, *messages(blocks)],
            tools=[TOOL],
            chat_template=template.source,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        prompt = encoder.context(question)
        ids, mask = encoder.completion(question, (), blocks)
        assert prompt + ids == stock["input_ids"]
        assert mask == stock["assistant_masks"][len(prompt) :]
        compared += 1
    assert compared > 30


@pytest.mark.parametrize("family", ["llama3_1", "gptoss", "deepseekv3"])
def test_calls_without_texts_between_them_are_written_as_trl_writes_them_in_every_family(
    shared_dir: Path, family: str
) -> None:
    # Their templates leave out, or move, the texts before calls; what they do write is to be the same.
    tokenizer = TOKENIZERS[family]
    encoder, template, compared = SolutionEncoder(tokenizer, "tools"), ChatTemplate(tokenizer), 0
    for question, recorded in solutions(shared_dir, 60):
        blocks = (*(block for block in recorded[:-1] if block.type != "text"), recorded[-1])
        # DeepSeek's template writes a second call as if it were one with the first.
        calls = range(1, 2 if family == "deepseekv3" else 9)
        if not trimmed(recorded) or sum(block.type == "code" for block in blocks) not in calls:
            continue
        stock = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}, *messages(blocks)],
            tools=[TOOL],
            chat_template=template.source,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        prompt = encoder.context(question)
        ids, mask = encoder.completion(question, (), blocks)
        if family == "deepseekv3":  # its prompt opens a thought, which has to be closed
            opened = tokenizer("<think>\n", add_special_tokens=False)["input_ids"]
            assert prompt[-len(opened) :] == opened
            more = len(prompt + ids) - len(stock["input_ids"]) - len(opened)
            assert tokenizer.decode(ids[:more]) == "\n</think>\n\n"
            assert not any(mask[:more])
            prompt, ids, mask = prompt[: -len(opened)], ids[more:], mask[more:]
        assert prompt + ids == stock["input_ids"]
        if family != "llama3_1":  # TRL does not mark the assistant's tokens of this one
            assert mask == stock["assistant_masks"][len(prompt) :]
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("family", [*EXACT, "gptoss"])
def test_the_tokens_of_a_chat_are_those_of_trl_but_outputs_do_not_count(
    shared_dir: Path, family: str
) -> None:
    tokenizer = TOKENIZERS[family]
    encoder, template, compared = SolutionEncoder(tokenizer, "chat"), ChatTemplate(tokenizer), 0
    for question, blocks in solutions(shared_dir, 60):
        if not trimmed(blocks):
            continue
        answer = {"role": "assistant", "content": MarkdownFormat().render(blocks).removesuffix("\n")}
        stock = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}, answer],
            chat_template=template.source,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        prompt = encoder.context(question)
        ids, mask = encoder.completion(question, (), blocks)
        assert prompt + ids == stock["input_ids"]
        uncounted = [i for i, own in zip(ids, mask, strict=True) if not own]
        counted = stock["assistant_masks"][len(prompt) :]
        assert all(stocks or not own for own, stocks in zip(mask, counted, strict=True))
        outputs = [block.content for block in blocks if block.type == "execution"]
        shown = tokenizer.decode([i for i, own in zip(ids, mask, strict=True) if own])
        assert all(tokenizer.decode(uncounted).count(output) for output in outputs), shown
        compared += 1
    assert compared > 30


@pytest.mark.parametrize("name", ["chat", "tools"])
def test_a_thought_is_part_of_its_step_and_counts_if_it_is_told_to(name: str) -> None:
    blocks = (Block("thought", "Hm, wait."), *SOLUTION)
    steps = Solution(blocks).steps
    assert [len(step.blocks) for step in steps] == [2, 2, 1]
    tokenizer = TOKENIZERS["qwen3"]
    encoder = SolutionEncoder(tokenizer, name)
    written = "".join(piece.text for piece in encoder.format.write(blocks, ended=True))
    assert written.startswith("<think>\nHm, wait.\n</think>\n\nWe add.")
    assert encoder.format.parse(written) == blocks
    ids, mask = encoder.completion("1 + 5?", (), blocks)
    assert "Hm, wait." not in tokenizer.decode([i for i, own in zip(ids, mask, strict=True) if own])
    counting = SolutionEncoder(tokenizer, name, count_thoughts=True)
    ids, mask = counting.completion("1 + 5?", (), blocks)
    assert "Hm, wait." in tokenizer.decode([i for i, own in zip(ids, mask, strict=True) if own])


def test_a_call_that_is_written_otherwise_is_read() -> None:
    form = bound_format("tools", TOKENIZERS["qwen3"])
    turn = '<think>\nAdd.\n</think>\n\nWe add.\n<tool_call>\n{"name":"python", "arguments":{"code":"1 + 5"}}\n</tool_call><|im_end|>'
    assert form.parse(turn) == (Block("thought", "Add."), Block("text", "We add."), Block("code", "1 + 5"))
    swapped = '<tool_call>\n{"arguments": {"code": "1 + 5"}, "name": "python"}\n</tool_call><|im_end|>'
    assert form.parse(swapped) == (Block("code", "1 + 5"),)


@pytest.mark.parametrize(
    ("family", "name", "said"),
    [
        (None, "chat", "has no chat template"),
        ("gemma", "tools", "use the chat format"),
        ("qwen3", "mathcoder", "--format chat or tools"),
        ("qwen3", "xml", "mathcoder, markdown, cot, metamath, paragraphs, chat, tools, chat-cot"),
    ],
)
def test_a_format_that_a_model_cannot_write_is_answered_with_one_it_can(
    family: str | None, name: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        SolutionEncoder(chat_tokenizer(family), name)


def test_a_text_format_refuses_thoughts() -> None:
    for name in ("mathcoder", "markdown", "cot"):
        with pytest.raises(ValueError, match="not a block of type 'thought'"):
            Solution((Block("thought", "Hm."),)).render(name)
