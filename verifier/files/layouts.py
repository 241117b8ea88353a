r"""What the fields of other people's data mean: question, gold answer, solutions, and the two sides of a pair.

A field is known by its name (`field_names`), or by a ``Fields`` of the user's. A layout that nobody knows is read the
same way where its fields have such names. ``Entry.layout`` says what was taken for what. Not covered: answers that are
pictures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from sandbox.blocks import Block
from sandbox.formats import normalise_newlines
from sandbox.solution import Solution
from verifier.extraction.extract import extract
from verifier.extraction.golds import ALTERNATIVES
from verifier.files import field_names
from verifier.files.choices import choices_of, right_choice, with_choices
from verifier.files.fields import Fields, Found, demanded, first, is_empty, look, names
from verifier.files.jsonl import LineError
from verifier.files.rows import Row
from verifier.files.written import (
    Turn,
    answer_blocks,
    from_json,
    read_solution,
    read_turns,
    spoken_blocks,
    uses_tools,
)
from verifier.given import prediction_text


class NoAnswer(LineError):
    """A row whose solution states no final answer: it is no problem with a gold answer, as a proof is none."""


@dataclass(frozen=True, slots=True)
class Written:
    """A solution of a row.

    Attributes:
        content: the solution, or a final answer as text.
        label: whether it is right by the row's own account; None where it does not say.
        ended: whether it came to its end by the row's own account.
        number: its place in a row that has a list of them, from 0; None where the row has one alone.
    """

    content: Solution | str
    label: bool | None = None
    ended: bool = True
    number: int | None = None

    def solution(self, format: str) -> Solution:
        """Return it as a solution, a text without marks as the format reads it."""
        return read_solution(self.content, format) if isinstance(self.content, str) else self.content


class Entry:
    """A row, by what its fields mean.

    Args:
        row: as ``read_rows`` gives it.
        said: where the user says that things are.
    """

    def __init__(self, row: Row, said: Fields | None = None) -> None:
        self.row = row
        self._fields = row.fields
        self._said = said or Fields()

    # --- what is where

    @property
    def layout(self) -> str:
        """The layout's name, and the fields that are taken for question, answer and solution."""
        named = next(
            (name for name, signs in field_names.LAYOUTS if self._has(signs)), "fields by their names"
        )
        gold = self._gold_field
        stated = self._worked_field if gold is None else None
        places = {
            "question": self._question_field.path if self._question_field else None,
            "answer": gold.path if gold else f"what {stated.path} states" if stated else None,
            "solution": self._solution_field.path if self._solution_field else None,
        }
        return f"{named} ({', '.join(f'{what}: {place}' for what, place in places.items() if place)})"

    def _has(self, signs: Sequence[str]) -> bool:
        return all(look(self._fields, sign) is not None for sign in signs)

    @cached_property
    def _question_field(self) -> Found | None:
        if self._said.question:
            return demanded(self._fields, self._said.question, self.row.where)
        paths = [
            path
            for path in field_names.QUESTION
            if path != "conversations" or read_turns(look(self._fields, path))
        ]
        found = first(self._fields, paths)
        # A side that is a conversation begins with the question; one that is text is an answer.
        return None if found and found.path == "chosen" and read_turns(found.value) is None else found

    @cached_property
    def _gold_field(self) -> Found | None:
        if self._said.answer:
            return demanded(self._fields, self._said.answer, self.row.where)
        found = first(self._fields, field_names.GOLD) or self._label_as_gold()
        if found and isinstance(found.value, Mapping):
            inner = first(found.value, ("answer", "value", *field_names.GOLD))
            return Found(f"{found.path}.{inner.path}", inner.value) if inner else None
        return found

    def _label_as_gold(self) -> Found | None:
        """OpenRLHF's ``label``: a gold answer beside a question alone; beside a solution it says right or wrong."""
        found = first(self._fields, ("label",))
        if found is None or self._field_of_solutions((*field_names.SOLUTION, *field_names.CHOSEN)):
            return None
        said = found.value
        short = isinstance(said, str) and not _is_worked(said)
        return found if short or (isinstance(said, int | float) and not isinstance(said, bool)) else None

    @cached_property
    def _choices(self) -> list[str]:
        """The choices of a multiple-choice question whose right one is told, unless the user says where things are."""
        choices = [] if self._said != Fields() else choices_of(self._fields)
        return choices if right_choice(self._fields, choices) else []

    @cached_property
    def _worked_field(self) -> Found | None:
        """The solution that states the answer, in a row that holds no answer of its own."""
        return self._field_of_solutions((*field_names.WORKED, *field_names.CHOSEN))

    @cached_property
    def _solution_field(self) -> Found | None:
        if self._said.solution:
            return demanded(self._fields, self._said.solution, self.row.where)
        found = self._field_of_solutions((*field_names.SOLUTION, *field_names.CHOSEN))
        answer = look(self._fields, "answer")
        # GSM8K: the answer is a worked solution.
        return (
            Found("answer", answer)
            if found is None and isinstance(answer, str) and "####" in answer
            else found
        )

    def _field_of_solutions(self, paths: Sequence[str]) -> Found | None:
        for path in paths:
            found = first(self._fields, (path,))
            if found is None or (path == "code" and "gt" not in self._fields):  # a program is no solution
                continue
            if path == "completions" and self._are_steps(found.value):
                return Found(path, "\n".join(map(str, found.value)))
            turns = read_turns(found.value)
            if path not in ("messages", "conversations") or (turns and _said_by(turns, "assistant")):
                return found
        return None

    def _are_steps(self, completions: Any) -> bool:
        """Whether a list holds the steps of one solution, each with its label, as TRL's stepwise sets do."""
        labels = self._fields.get("labels")
        return isinstance(labels, list) and isinstance(completions, list) and len(labels) == len(completions)

    # --- the problem

    @property
    def id(self) -> str | None:
        """The row's own name, where it has one."""
        for name in ("id", "unique_id"):
            value = self._fields.get(name)
            if value not in (None, ""):
                return str(value)
        return None

    def word(self, *paths: str) -> str | None:
        """Return the first of these fields that holds something, as text."""
        found = first(self._fields, paths)
        return str(found.value) if found else None

    def question(self) -> str:
        """Return the question as its authors wrote it; the words of known prompts around it are left out.

        Raises:
            LineError: if there is none.
        """
        found = self._question_field
        if found is None:
            raise self._missing("question")
        text = with_choices(self._question_text(found), self._choices)
        if not text.strip():
            raise LineError(f"{self.row.where}: field {found.path!r} must be text that is not empty")
        return text

    def _question_text(self, found: Found) -> str:
        value = from_json(found.value)
        turns = read_turns(value)
        if turns is not None:
            asked = _said_by(turns, "user")
            return _bare_question(asked[-1].text()) if asked else ""
        if isinstance(value, Mapping):  # PRM800K: {"problem": …, "ground_truth_answer": …}
            inner = first(value, field_names.QUESTION)
            return self._question_text(inner) if inner else ""
        if not isinstance(value, str):
            raise LineError(f"{self.row.where}: field {found.path!r} must be text, not {value!r:.60}")
        context = {"question": "body", "instruction": "input"}.get(found.path)  # SVAMP, Alpaca
        more = look(self._fields, context) if context else None
        if isinstance(more, str) and more.strip():
            value = f"{more.strip()} {value}" if context == "body" else f"{value}\n{more}"
        return _bare_question(value) if found.path == "prompt" else value

    def gold(self) -> str:
        """Return the gold answer: the final answer alone, no working; of a list, its parts as alternatives.

        Raises:
            NoAnswer: if a solution is all there is, and it states none.
            LineError: if there is none at all.
        """
        if self._choices:
            return str(right_choice(self._fields, self._choices))
        found = self._gold_field
        if found is not None:
            return self._gold_text(found)
        empty = next(
            (
                path
                for path in field_names.GOLD
                if look(self._fields, path) is not None or path in self._fields
            ),
            None,
        )
        worked = self._worked_field
        if empty and "solution" not in self._fields:
            raise LineError(f"{self.row.where}: {self._emptiness(empty)}")
        if worked is None:
            raise self._missing("answer")
        for written in _texts(worked.value):
            stated = _stated(written)
            if stated is not None:
                return stated
        raise NoAnswer(
            f"{self.row.where}: field {worked.path!r} holds no final answer, and there is no 'answer'"
        )

    def _gold_text(self, found: Found) -> str:
        value = from_json(found.value)
        if isinstance(value, list):
            parts = [self._gold_text(Found(found.path, part)) for part in value if not is_empty(part)]
            return ALTERNATIVES.join(parts)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise LineError(
                f"{self.row.where}: field {found.path!r} must be text or a number, not {value!r:.60}"
            )
        text = value.strip()
        if "####" in text:
            return self._after_hashes(found.path, text)
        if found.path == "gold" or not _is_worked(text):
            return text
        stated = _stated(text)
        # Orca-Math: "… so she pays 3 * $2 = $6."
        number = _NUMBER.findall(text) if stated is None else None
        return number[-1].replace(",", "") if number else stated or text

    def _after_hashes(self, path: str, text: str) -> str:
        """Return what GSM8K writes after the working: ``#### 1,234``."""
        answer = text.rpartition("####")[2].strip()
        if not answer:
            raise LineError(f"{self.row.where}: field {path!r} has nothing after its last '####'")
        return answer.replace(",", "") if _THOUSANDS.fullmatch(answer) else answer

    def _emptiness(self, path: str) -> str:
        value = look(self._fields, path)
        if isinstance(value, Mapping):
            path, value = f"{path}.answer", look(value, "answer")
        shown = "null" if value is None else "NaN" if value != value else repr(value)
        return f"the gold answer in the field {path!r} is missing ({shown})"

    def _missing(self, what: str) -> LineError:
        option = f"--{what}-field says which"
        return LineError(
            f"{self.row.where}: field {what!r} is missing or empty, and there is none of another known name; {option} "
            f"(fields: {names(self._fields)})"
        )

    # --- solutions

    def solutions(self) -> list[Written]:
        """Return the row's solutions, in order.

        Raises:
            LineError: if there are none.
        """
        if self._said.solution is None and any(
            name in self._fields for name in field_names.LISTS_OF_MESSAGES
        ):
            lists = [
                messages for key in field_names.LISTS_OF_MESSAGES for messages in self._fields.get(key) or ()
            ]
            return [replace(_recorded(messages), number=number) for number, messages in enumerate(lists)]
        found = self._solution_field
        if found is None:
            raise self._missing("solution")
        if found.path == "blocks":
            return [Written(Solution.of(_normalised(found.value)), self.label(0))]
        if found.path == "debug_result":
            return [self._debugged(found.value)]
        return self._written(_texts(found.value), found.value)

    def predictions(self) -> list[Written]:
        """Return what is to be verified: the answer that the row names so, its solutions, or an answer alone.

        Raises:
            LineError: if there is nothing.
        """
        if self._said.solution is None and "prediction" in self._fields:
            return [Written(prediction_text(self._fields["prediction"]), self.label(0))]
        if self._said.solution is None and "rejected" in self._fields:
            return self.sides()
        if self._solution_field is not None or any(
            name in self._fields for name in field_names.LISTS_OF_MESSAGES
        ):
            return self.solutions()
        short = first(self._fields, field_names.SHORT)
        if short is None:
            raise self._missing("solution")
        values = short.value if isinstance(short.value, list) else [short.value]
        return self._written([prediction_text(value) for value in values], short.value)

    def _written(self, contents: Sequence[Solution | str], value: Any) -> list[Written]:
        several = len(contents) > 1 or (isinstance(value, list) and read_turns(value) is None)
        return [
            Written(content, self.label(number), number=number if several else None)
            for number, content in enumerate(contents)
        ]

    def sides(self) -> list[Written]:
        """Return the chosen and the rejected side of a pair, labelled so.

        Raises:
            LineError: if there is one alone.
        """
        both = [first(self._fields, paths) for paths in (field_names.CHOSEN, field_names.REJECTED)]
        if not all(both):
            raise self._missing("solution")
        return [
            Written(_texts(side.value)[0], label=number == 0, number=number)
            for number, side in enumerate(both)
            if side
        ]

    def stated_gold(self) -> str | None:
        """Return the gold answer where the row holds one of its own."""
        return self.gold() if self._gold_field or self._choices else None

    def label(self, number: int) -> bool | None:
        """Return whether a solution is right by the row's own account."""
        for name in field_names.LABEL:
            value = self._fields.get(name)
            value = value[number] if isinstance(value, list) and number < len(value) else value
            if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
                return bool(value)
        verdict = self._fields.get("verdict")
        status = verdict.get("status") if isinstance(verdict, Mapping) else None
        return None if status in (None, "unverifiable") else status == "correct"

    def _debugged(self, value: Any) -> Written:
        """Read the recorded messages of MathCoder, or of the paper's programs.

        MathCoder adds the answer that it extracted as one more text block; it is dropped after a text block.
        """
        written = _recorded(value)
        blocks = written.content.blocks if isinstance(written.content, Solution) else ()
        own = isinstance(self._fields.get("ground_truth"), Mapping)
        if own and len(blocks) > 1 and blocks[-1].type == blocks[-2].type == "text":
            blocks = blocks[:-1]
        return Written(Solution(blocks), self.label(0), written.ended)


# --- helpers

# A number with commas between its thousands; other commas part the members of a pair, a list or an interval.
_THOUSANDS: Final = re.compile(r"[-+]?\s*\\?[$€£¥]?\s*[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_NUMBER: Final = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_WORDS_OF_WORKING: Final = 12


def _stated(text: Solution | str) -> str | None:
    """Return the final answer of a solution that says so, in a box or a phrase; None where it must be guessed."""
    stated = extract(text)
    return stated.answer if stated is not None and stated.strength in ("boxed", "stated") else None


def _is_worked(answer: str) -> bool:
    r"""Whether an answer is a text that ends in one: prose of twelve words or more, or with a box.

    ``Half of 48 is 24, so in both months together she sold 48 + 24 = 72 clips.`` is one, ``\boxed{72}`` too;
    ``3 apples and 4 pears`` and ``x \in (-\infty, 1) \cup (2, \infty)`` are answers.
    """
    return "\\boxed" in answer or len(_WORD.findall(answer)) >= _WORDS_OF_WORKING


# What verl, DAPO and others put around a question; it goes by an instruction of the format that is sampled with.
_WRAPPED: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        # DAPO: "Solve the following math problem step by step. The last line … \n\nQ\n\nRemember to put your answer …"
        r"Solve the following math problem step by step\.[^\n]*\n\n(.*?)\n\nRemember to put your answer on [^\n]*",
        # verl: "Q Let's think step by step and output the final answer within \boxed{}." or after "####".
        r"(.*?)\s*Let's think step by step and output the final answer [^\n]*",
        # Qwen's: "Q\nPlease reason step by step, and put your final answer within \boxed{}." PRIME's: "Q\n\nPresent the
        # answer in LaTex format: \boxed{Your answer}". Leaves alone "What goes into 3 + \boxed{} = 5?".
        r"(.*?)(?<=[.?!:$\n])\s*[^\n.?!]*\b(?i:answer|response)\b[^\n.?!]*"
        r"\\boxed\{(?i:|(?:your |final )*answer)\}[^\n]*",
        # MGSM's and Tulu's: "Question: Q\nAnswer:".
        r"Question:\s*(.*?)(?:\s*Answer:)?",
    )
)


def _bare_question(text: str) -> str:
    """Return a question without the instruction that a data set puts around it; any other text as it is."""
    for pattern in _WRAPPED:
        match = pattern.fullmatch(text.strip())
        if match:
            return match[1]
    return text


def _said_by(turns: Sequence[Turn], role: str) -> list[Turn]:
    return [turn for turn in turns if turn.role == role]


def _texts(value: Any) -> list[Solution | str]:
    """Return the solutions that a field holds: a text, a list of texts, or the last word of a conversation."""
    value = from_json(value)
    turns = read_turns(value)
    if turns is not None:
        said = _said_by(turns, "assistant")
        if not said:
            return [Solution(spoken_blocks(turns)[0])]
        if uses_tools(turns):
            return [Solution(answer_blocks(turns, "markdown"))]
        return [said[-1].text() if isinstance(said[-1].content, str) else said[-1].solution("markdown")]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, Mapping):
        inner = first(value, _SAID)
        if inner is None:
            raise ValueError(f"a solution is expected, not an object with the fields {names(value)}")
        return _texts(inner.value)
    return ["" if value is None else str(value)]


_SAID: Final = ("text", "content", "message", "choices", "body", *field_names.SOLUTION, "continuation")
"""Where an object holds what a model wrote: vLLM's outputs, OpenAI's responses and batches."""


def _recorded(value: Any) -> Written:
    turns = read_turns(value)
    if turns is None:
        raise ValueError(f"a list of messages is expected, not {value!r:.60}")
    blocks, ended = spoken_blocks(turns)
    return Written(Solution(blocks), ended=ended)


def _normalised(blocks: Any) -> list[Block]:
    read = [Block.from_dict(block) for block in blocks]
    return [Block(block.type, normalise_newlines(block.content)) for block in read]
