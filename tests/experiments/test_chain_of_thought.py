"""Demonstrations in words: what stands where cells and outputs stood."""

from __future__ import annotations

from itertools import islice

from transformers import AutoTokenizer

from experiments.chain_of_thought import FORMAT, encode, in_words
from experiments.embedded.demonstrations import demonstrations
from sandbox import Block, Solution
from scdpo.data.problems import embedded_model_path, embedded_problems
from verifier import verify


def code(text: str, output: str) -> tuple[Block, Block]:
    return Block("code", text), Block("execution", output)


def test_a_cell_becomes_a_line_with_its_expression_and_the_last_one_is_boxed() -> None:
    written = Solution(
        (
            Block("text", "First, the legs of 3 dogs."),
            *code("first = 3 * 4 + 2\nprint(first)", "14"),
            Block("text", "That is 14. Now half of them."),
            *code("half = first // 2\nhalf", "7"),
            Block("text", "The answer is $\\boxed{7}$."),
        )
    )
    words = in_words(written)
    assert words is not None
    assert [block.content for block in words.blocks] == [
        "First, the legs of 3 dogs: 3 * 4 + 2.\n",
        "Now half of them: (3 * 4 + 2) / 2.\n",
        "The answer is $\\boxed{(3 * 4 + 2) / 2}$.",
    ]


def test_code_that_is_more_than_arithmetic_has_no_words() -> None:
    written = Solution((Block("text", "Count."), *code("import math\nx = math.pi\nx", "3.14")))
    assert in_words(written) is None


def test_words_keep_the_verdict_and_the_steps_of_the_code() -> None:
    made = list(demonstrations(islice(embedded_problems("train"), 200)))
    both = [(item, words) for item in made if (words := in_words(item.solution)) is not None]
    assert len(both) > 0.8 * len(made)
    for item, words in both:
        assert verify(words, item.problem.gold).status == verify(item.solution, item.problem.gold).status
        assert FORMAT.parse(FORMAT.render(words.blocks)) == words.blocks
        assert len(words.steps) == sum(step.is_code for step in item.solution.steps) + 1


def test_the_loss_is_on_the_solution_and_its_end_alone() -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedded_model_path())
    words = Solution((Block("text", "1 + 1 = 2.\n"), Block("text", "So $\\boxed{2}$.")))
    example = encode(tokenizer, "1 + 1?", words)
    counted = [label for label in example.labels if label >= 0]
    assert tokenizer.decode(counted[:-1]) == "1 + 1 = 2.\nSo $\\boxed{2}$."
    assert counted[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(example.ids[: -len(counted)]) == FORMAT.prompt("1 + 1?")
