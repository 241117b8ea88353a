"""Formats on vocabularies that are in use: those of Mistral 7B v0.1 (SentencePiece) and Mistral Nemo (Tekken).

The package mistral-common, which vLLM brings, holds them.
"""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trl.chat_template_utils
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from sandbox.formats import get_format
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.formats.template import ChatTemplate
from scdpo.data.formats.turns import TOOL
from scdpo.training.sentencepiece_tokenizer import read_tokenizer
from tests.scdpo.test_bound_formats import messages, solutions, trimmed
from tests.scdpo.tokenizers import CHAT_MARKS

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("mistral_common") is None, reason="mistral-common is not installed"),
]
TEKKEN_WORDS = 130_072  # of the 131,072 of the models, 1,000 are special tokens


def data() -> Path:
    spec = find_spec("mistral_common")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@pytest.fixture(scope="module")
def mistral_7b(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("mistral")
    shutil.copy(data() / "tokenizer.model.v1", folder / "tokenizer.model")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})
    )
    made = read_tokenizer(folder, begin=1)
    made.add_special_tokens(
        {"additional_special_tokens": [*get_format("mathcoder").special_tokens, *CHAT_MARKS]}
    )
    made.chat_template = trl.chat_template_utils.qwen3_chat_template
    return made


@pytest.fixture(scope="module")
def tekken(tmp_path_factory: pytest.TempPathFactory) -> Any:
    described = json.loads((data() / "tekken_240911.json").read_text(encoding="utf-8"))
    words = tmp_path_factory.mktemp("tekken") / "words"
    words.write_text(
        "".join(f"{word['token_bytes']} {word['rank']}\n" for word in described["vocab"][:TEKKEN_WORDS])
    )
    converted = TikTokenConverter(
        str(words), described["config"]["pattern"], extra_special_tokens=["<s>", "</s>"]
    ).converted()
    made = PreTrainedTokenizerFast(tokenizer_object=converted, bos_token="<s>", eos_token="</s>")
    made.add_special_tokens(
        {"additional_special_tokens": [*get_format("mathcoder").special_tokens, *CHAT_MARKS]}
    )
    made.chat_template = trl.chat_template_utils.qwen3_chat_template
    return made


@pytest.fixture(params=["mistral_7b", "tekken"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_the_vocabularies_are_the_real_ones(mistral_7b: Any, tekken: Any) -> None:
    assert mistral_7b.convert_tokens_to_ids("▁answer") == 4372  # as in the models' own tokenizer.json
    assert mistral_7b("Hello world")["input_ids"] == [1, 22557, 1526]
    assert len(tekken) >= TEKKEN_WORDS
    assert (
        tekken.decode(tekken("Größe \\boxed{½}\n\n", add_special_tokens=False)["input_ids"])
        == "Größe \\boxed{½}\n\n"
    )


@pytest.mark.parametrize("format", ["mathcoder", "markdown", "chat", "tools"])
def test_recorded_solutions_are_read_from_their_ids(shared_dir: Path, tokenizer: Any, format: str) -> None:
    encoder = SolutionEncoder(tokenizer, format)
    for question, blocks in solutions(shared_dir, 60):
        ids, mask = encoder.completion(question, (), blocks)
        assert encoder.reads([ids], blocks)
        own = tokenizer.decode([i for i, counted in zip(ids, mask, strict=True) if counted])
        outputs = [b.content for b in blocks if b.type == "execution" and len(b.content) > 30]
        assert not any(
            output in own
            for output in outputs
            if all(output not in b.content for b in blocks if b.type != "execution")
        )
        # Cut where blocks end, the pieces are ids of whole blocks: nothing is lost and no space is won.
        text = encoder.tokens.spell(ids)
        pieces = encoder.tokens.cut(ids, text, [read.end for read in encoder.located(text)])
        assert encoder.reads(pieces, blocks)


@pytest.mark.parametrize("format", ["chat", "tools"])
def test_tokens_and_masks_are_those_of_trl(shared_dir: Path, tekken: Any, format: str) -> None:
    encoder, template, compared = SolutionEncoder(tekken, format), ChatTemplate(tekken), 0
    for question, blocks in solutions(shared_dir, 60):
        if not trimmed(blocks):
            continue
        written = get_format("markdown").render(blocks).removesuffix("\n")
        told = messages(blocks) if format == "tools" else [{"role": "assistant", "content": written}]
        stock = tekken.apply_chat_template(
            [{"role": "user", "content": question}, *told],
            tools=[TOOL] if format == "tools" else None,
            chat_template=template.source,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        prompt = encoder.context(question)
        ids, mask = encoder.completion(question, (), blocks)
        assert prompt + ids == stock["input_ids"]
        if format == "tools":  # in a chat, outputs are the assistant's to TRL
            assert mask == stock["assistant_masks"][len(prompt) :]
        compared += 1
    assert compared > 30
