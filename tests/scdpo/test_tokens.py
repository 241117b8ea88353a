"""Texts in pieces: nothing is gained or lost where one token list ends and the next begins."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Block
from sandbox.formats import get_format
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.tokens import Tokens
from tests.scdpo.tokenizers import chat_tokenizer, sentencepiece_tokenizer

TOKENIZERS = {"bytes": chat_tokenizer(None), "sentencepiece": sentencepiece_tokenizer()}
BLOCKS = (
    Block("text", "We add."),
    Block("code", "for i in range(3):\n    x = i\nx"),
    Block("execution", " 2"),
    Block("text", "So \\boxed{2}, né?"),
)
TEXT = "We get\n\n```python\n    x = 1∑é\n```\n"


@pytest.fixture(params=sorted(TOKENIZERS))
def tokens(request: pytest.FixtureRequest) -> Tokens:
    return Tokens(TOKENIZERS[request.param])


def test_code_behind_a_mark_does_not_begin_with_the_tokenizers_space() -> None:
    tokens = Tokens(TOKENIZERS["sentencepiece"])
    form = get_format("mathcoder")
    text = form.render(BLOCKS) + form.end
    ids = tokens.encode(text)
    assert "<|code|> for" in tokens.tokenizer.decode(ids)  # what the tokenizer itself says
    assert tokens.spell(ids) == text
    assert form.parse(tokens.spell(ids)) == BLOCKS


def test_a_text_goes_on_inside_a_word(tokens: Tokens) -> None:
    before = tokens.encode("We get")
    after = tokens.encode_after("ting 5", before[-1])
    assert tokens.spell([*before, *after]) == "We getting 5"
    assert tokens.spell(after, before[-1]) == "ting 5"


@pytest.mark.parametrize("end", range(len(TEXT) + 1))
def test_a_text_is_cut_anywhere(tokens: Tokens, end: int) -> None:
    ids = tokens.encode(TEXT)
    left, right = tokens.cut(ids, TEXT, [end])
    assert tokens.spell(left) == TEXT[:end]
    assert tokens.spell(right, left[-1] if left else None) == TEXT[end:]
    assert tokens.spell(tokens.fit(ids, TEXT[:end])) == TEXT[:end]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.data())
def test_any_text_is_cut_anywhere(text: str, data: Any) -> None:
    tokens = Tokens(TOKENIZERS["bytes"])
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=3)))
    ids = tokens.encode(text)
    assert tokens.spell(ids) == text
    pieces = tokens.cut(ids, text, ends)
    bounds = [0, *ends, len(text)]
    assert [tokens.spell(piece) for piece in pieces] == [text[a:b] for a, b in itertools.pairwise(bounds)]


def test_where_no_token_lies_across_an_end_the_ids_stay(tokens: Tokens) -> None:
    form = get_format("markdown")
    text = form.render(BLOCKS[:2])
    ids = tokens.encode(text)
    ends = [read.end for read in form.locate(text)]
    assert [i for piece in tokens.cut(ids, text, ends) for i in piece] == ids


def test_recorded_ids_of_a_sentencepiece_model_are_trained_on_as_they_are() -> None:
    tokenizer = TOKENIZERS["sentencepiece"]
    encoder = SolutionEncoder(tokenizer)
    form = encoder.format
    pieces = [piece.text for piece in form.write(BLOCKS, ended=True)]
    recorded = [encoder.tokens.encode(piece) for piece in pieces]
    ids, mask = encoder.completion("1 + 1?", (), BLOCKS, recorded)
    assert ids == [i for piece in recorded for i in piece]
    assert mask == [int(k != 2) for k, piece in enumerate(recorded) for _ in piece]
    assert encoder.completion("1 + 1?", (), BLOCKS)[0] == ids
