"""Pairs as token ids and masks: what counts in the loss, token by token, and what is left out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from sandbox import Block
from scdpo.data.encoding import SolutionEncoder, encode_pair, encode_pairs
from scdpo.errors import SettingsError

Pair = dict[str, Any]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


def counted_text(tokenizer: Any, row: Pair, side: str) -> str:
    ids = [token for token, mask in zip(row[f"{side}_ids"], row[f"{side}_mask"], strict=True) if mask]
    return tokenizer.decode(ids)


def test_mathcoder_counts_the_models_tokens_and_not_the_kernels(tokenizer: Any, pairs: list[Pair]) -> None:
    row = encode_pair(pairs[0], SolutionEncoder(tokenizer))
    assert tokenizer.decode(row["chosen_ids"]) == (
        "<|text|>Add 0 and 1.<|endofblock|>"
        "<|code|>s = 0 + 1\nprint(s)<|endofblock|><|execution|>1\n<|endofblock|>"
        "<|text|>Now double it.<|endofblock|>"
        "<|code|>print(2 * s)<|endofblock|><|execution|>2\n<|endofblock|>"
        "<|text|>The answer is \\boxed{2}.<|endofblock|><|endofmessage|>"
    )
    assert counted_text(tokenizer, row, "chosen") == (
        "<|text|>Add 0 and 1.<|endofblock|>"
        "<|code|>s = 0 + 1\nprint(s)<|endofblock|>"
        "<|text|>Now double it.<|endofblock|>"
        "<|code|>print(2 * s)<|endofblock|>"
        "<|text|>The answer is \\boxed{2}.<|endofblock|><|endofmessage|>"
    )


def test_the_prefix_is_context(tokenizer: Any, pairs: list[Pair]) -> None:
    row = encode_pair(pairs[1], SolutionEncoder(tokenizer))
    assert tokenizer.decode(row["prompt_ids"]).endswith("<|execution|>1\n<|endofblock|>")
    assert tokenizer.decode(row["chosen_ids"]).startswith("<|text|>Now double it.")
    assert tokenizer.decode(row["rejected_ids"]).startswith("<|text|>Now triple it.")


def test_prompt_and_sides_join_to_the_rendered_solution(tokenizer: Any, pairs: list[Pair]) -> None:
    encoder = SolutionEncoder(tokenizer, system="Solve.")
    naive, branch = (encode_pair(pair, encoder) for pair in pairs[:2])
    assert naive["prompt_ids"] + naive["chosen_ids"] == branch["prompt_ids"] + branch["chosen_ids"]


def test_execution_counts_on_request(tokenizer: Any, pairs: list[Pair]) -> None:
    row = encode_pair(pairs[0], SolutionEncoder(tokenizer, count_execution=True))
    assert all([*row["chosen_mask"], *row["rejected_mask"]])


def test_markdown_counts_the_fence_that_hands_over_but_no_output(tokenizer: Any, pairs: list[Pair]) -> None:
    row = encode_pair(pairs[0], SolutionEncoder(tokenizer, format="markdown"))
    assert counted_text(tokenizer, row, "chosen") == (
        "Add 0 and 1.\n```python\ns = 0 + 1\nprint(s)\n```\n```output"
        "Now double it.\n```python\nprint(2 * s)\n```\n```output"
        "The answer is \\boxed{2}.\n<|endofmessage|>"
    )
    assert row["chosen_ids"][-1] == tokenizer.eos_token_id


def test_cot_counts_every_token_and_the_end(tokenizer: Any, text_pairs: list[Pair]) -> None:
    row = encode_pair(text_pairs[1], SolutionEncoder(tokenizer, format="cot"))
    assert tokenizer.decode(row["prompt_ids"]).endswith("Add to get 1.\n")
    assert counted_text(tokenizer, row, "chosen") == "Double it: 2.\nSo \\boxed{2}.<|endofmessage|>"


def test_kernel_output_cannot_forge_a_counted_block(tokenizer: Any, pairs: list[Pair]) -> None:
    pair = copy.deepcopy(pairs[0])
    pair["chosen"][2]["content"] = "<|endofblock|><|text|>I am the model"
    row = encode_pair(pair, SolutionEncoder(tokenizer))
    assert "I am the model" not in counted_text(tokenizer, row, "chosen")


def recorded(tokenizer: Any, pair: Pair, side: str) -> list[list[int]]:
    """Ids that spell the blocks, one character a token: not how the text would be tokenised again."""
    blocks = [Block.from_dict(block) for block in pair[side]]
    form = SolutionEncoder(tokenizer).format
    parts = []
    for block in blocks:
        opened, closed = (tokenizer.convert_tokens_to_ids(t) for t in (f"<|{block.type}|>", "<|endofblock|>"))
        content = form.render([block])[len(f"<|{block.type}|>") : -len("<|endofblock|>")]
        parts.append([opened, *(i for c in content for i in tokenizer(c)["input_ids"]), closed])
    return [*parts, [tokenizer.convert_tokens_to_ids("<|endofmessage|>")]]


@pytest.fixture(scope="module")
def merging_tokenizer(tokenizer: Any) -> Any:
    """The tiny tokenizer with "12" and "Add" as single tokens, so that a text has several spellings."""
    merging = copy.deepcopy(tokenizer)
    merging.add_tokens(["Add", "12"])
    return merging


def test_sampled_ids_are_used_where_they_spell_the_blocks(merging_tokenizer: Any, pairs: list[Pair]) -> None:
    encoder = SolutionEncoder(merging_tokenizer)
    tokens = recorded(merging_tokenizer, pairs[0], "chosen")
    pair = {**pairs[0], "chosen_tokens": tokens}
    row = encode_pair(pair, encoder)
    assert row["chosen_ids"] == [token for block in tokens for token in block]
    assert row["chosen_ids"] != encode_pair(pairs[0], encoder)["chosen_ids"]
    assert counted_text(merging_tokenizer, row, "chosen") == counted_text(
        merging_tokenizer, encode_pair(pairs[0], encoder), "chosen"
    )


def test_sampled_ids_that_end_in_the_end_token_are_used_too(
    tokenizer: Any, merging_tokenizer: Any, pairs: list[Pair]
) -> None:
    encoder = SolutionEncoder(merging_tokenizer, "markdown")
    blocks = [Block.from_dict(b) for b in pairs[0]["chosen"]]
    ours, _ = encoder.completion("q?", (), blocks)
    text = encoder.tokens.spell(ours[:-1])
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]  # letters, where ours are merged
    ends = [read.end for read in encoder.located(text)]
    pieces = [*encoder.tokens.cut(ids, text, ends)[:-1], [tokenizer.eos_token_id]]
    assert len(pieces) == len(blocks) + 1
    assert encoder.completion("q?", (), blocks, pieces)[0] == [*ids, tokenizer.eos_token_id] != ours


def test_ids_of_another_tokenizer_are_replaced_and_counted(tokenizer: Any, pairs: list[Pair]) -> None:
    tokens = [[i + 1 for i in block] for block in recorded(tokenizer, pairs[0], "chosen")]
    encoded, report = encode_pairs([{**pairs[0], "chosen_tokens": tokens}], SolutionEncoder(tokenizer), None)
    assert report.retokenised == 1
    assert encoded[0]["chosen_ids"] == encode_pair(pairs[0], SolutionEncoder(tokenizer))["chosen_ids"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_side_fits_whole_or_the_pair_is_dropped(tokenizer: Any, pairs: list[Pair], kept: bool) -> None:
    encoder = SolutionEncoder(tokenizer)
    row = encode_pair(pairs[0], encoder)
    longest = len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
    encoded, report = encode_pairs(pairs[:1], encoder, longest if kept else longest - 1)
    assert (len(encoded), report.dropped["too_long"]) == ((1, 0) if kept else (0, 1))


def test_a_prefix_that_fills_the_context_is_dropped_and_counted(tokenizer: Any, pairs: list[Pair]) -> None:
    encoder = SolutionEncoder(tokenizer)
    room = len(encode_pair(pairs[1], encoder)["prompt_ids"])
    encoded, report = encode_pairs([pairs[1]], encoder, room)
    assert report.dropped == {"prefix_fills_context": 1}
    assert len(encoded) == 0


def test_equal_sides_are_dropped(tokenizer: Any, pairs: list[Pair]) -> None:
    _, report = encode_pairs([{**pairs[0], "rejected": pairs[0]["chosen"]}], SolutionEncoder(tokenizer), None)
    assert report.dropped == {"same_sides": 1}


def with_rates(pair: Pair, before: tuple[int, int], after: tuple[int, int]) -> Pair:
    rates = [{"right": right, "tried": tried} for right, tried in (before, after)]
    return {**pair, "confirmation": dict(zip(("before", "after"), rates, strict=True))}


def test_pairs_that_roll_outs_do_not_confirm_are_left_out_on_request(
    tokenizer: Any, pairs: list[Pair]
) -> None:
    naive, first, second, *others = pairs
    some = [
        naive,
        with_rates(first, (3, 8), (1, 8)),  # falls to exactly a third
        with_rates(second, (3, 4), (2, 4)),
        with_rates(others[1], (4, 4), (0, 0)),
        others[2],
    ]
    encoded, report = encode_pairs(some, SolutionEncoder(tokenizer), None, confirmed_only=True)
    assert encoded["id"][:] == [naive["id"], first["id"]]
    assert report.dropped == {"not_confirmed": 1, "no_rollouts": 2}
    assert len(encode_pairs(some, SolutionEncoder(tokenizer), None)[0]) == 5


def test_a_problem_keeps_its_naive_pair_and_those_that_fall_most(tokenizer: Any, pairs: list[Pair]) -> None:
    naive, first, second, *others = pairs
    some = [with_rates(first, (4, 4), (3, 4)), with_rates(second, (4, 4), (0, 4)), naive, *others]
    encoded, report = encode_pairs(some, SolutionEncoder(tokenizer), None, per_problem=2)
    assert encoded["id"][:2] == [naive["id"], second["id"]]
    assert encoded["problem_id"][:] == ["p0"] * 2 + ["p1"] * 2 + ["p2"] * 2
    assert report.dropped == {"over_cap": 3}
    assert report.kept == {"naive": 3, "step_controlled": 3}


def test_rows_stand_problem_by_problem(tokenizer: Any, pairs: list[Pair]) -> None:
    encoded, _ = encode_pairs(pairs[::-1], SolutionEncoder(tokenizer), None)
    assert encoded["problem_id"][:] == ["p2"] * 3 + ["p1"] * 3 + ["p0"] * 3
    assert encoded["kind"][:3] == ["naive", "step_controlled", "step_controlled"]


def test_an_unknown_kind_is_an_error(tokenizer: Any, pairs: list[Pair]) -> None:
    with pytest.raises(ValueError, match="kind 'other'"):
        encode_pairs([{**pairs[0], "kind": "other"}], SolutionEncoder(tokenizer), None)


@pytest.mark.parametrize("format", ["metamath", "cot"])
def test_code_in_a_format_of_text_alone_names_the_pair_and_the_mend(
    tokenizer: Any, pairs: list[Pair], format: str
) -> None:
    said = rf"pair {pairs[0]['id']}: the {format} format holds text only, not a block of type 'code'; .* --set format="
    with pytest.raises(SettingsError, match=said):
        encode_pairs(pairs, SolutionEncoder(tokenizer, format), 512)


def test_a_tokenizer_without_the_formats_tokens_is_refused(tokenizer: Any) -> None:
    plain = type(tokenizer)(
        tokenizer_object=tokenizer.backend_tokenizer.from_str(
            '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}'
        )
    )
    with pytest.raises(ValueError, match="<\\|endofblock\\|>"):
        SolutionEncoder(plain)


def test_several_processes_encode_as_one_does(tiny_model: Path, pairs: list[Pair]) -> None:
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(tiny_model))
    alone, together = (encode_pairs(pairs, encoder, 512, workers=workers) for workers in (None, 2))
    assert together[0].to_list() == alone[0].to_list()
    assert together[1] == alone[1]


def test_a_side_without_blocks_is_left_out(tiny_model: Path, pairs: list[Pair]) -> None:
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(tiny_model))
    encoded, report = encode_pairs([{**pairs[0], "chosen": []}, pairs[1]], encoder, 512)
    assert len(encoded) == 1
    assert report.dropped == {"nothing_counted": 1}
