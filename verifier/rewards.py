"""Reward functions in TRL's convention: called with lists, they return one float or None a completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

from verifier.check import verify_many

Completion = str | Sequence[dict[str, Any]]


def accuracy_reward(
    completions: Sequence[Completion],
    answer: Sequence[Any] | None = None,
    log_extra: Callable[[str, list[Any]], None] | None = None,
    **kwargs: Any,
) -> list[float | None]:
    r"""Return 1.0 for a right final answer, 0.0 for a wrong one, None where it cannot be verified.

    Give it to ``GRPOTrainer(reward_funcs=accuracy_reward)`` with a data set that has a column ``answer`` or
    ``solution``. Golds may be bare (``2\sqrt{3}``), wrapped in ``$…$`` or ``\boxed{…}``, or numbers.

    Args:
        completions: generated texts, or conversations (lists of messages), one a sample. Of a conversation the last
            message counts, if its role is ``assistant``; one that ends otherwise has no answer and gives 0.0.
        answer: the gold answers, one a completion; where absent, the column ``solution`` or ``gold``. A sample whose
            gold is None, NaN or empty has nothing to be compared with and gives None.
        log_extra: given by the trainer; the extracted answers and the reasons go to its table of completions.
        **kwargs: the other columns and the trainer's state.

    Raises:
        ValueError: if no gold column is given, or its length differs.
    """
    golds = next((g for g in (answer, kwargs.get("solution"), kwargs.get("gold")) if g is not None), None)
    if golds is None:
        raise ValueError("accuracy_reward needs the gold answers in a column named answer, solution or gold")
    if len(golds) != len(completions):
        raise ValueError(f"{len(completions)} completions but {len(golds)} gold answers")
    pairs = [(completion_text(c), _gold_text(g)) for c, g in zip(completions, golds, strict=True)]
    scores = {"correct": 1.0, "incorrect": 0.0, "unverifiable": None}
    verdicts = verify_many(pairs)
    if log_extra is not None:
        log_extra("extracted", [v.prediction or "" for v in verdicts])
        log_extra("reason", [v.reason for v in verdicts])
    return [scores[v.status] for v in verdicts]


def completion_text(completion: Completion) -> str:
    """Return the text of a completion: a string as it is, or the assistant's last word in a conversation.

    Where the last message is not the assistant's, its turn was cut off: a tool's output or a user's message is no
    answer of the model, and the text is empty.
    """
    if isinstance(completion, str):
        return completion
    if not completion or completion[-1].get("role") != "assistant":
        return ""
    content = completion[-1].get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _gold_text(gold: Any) -> str:
    """Return a gold answer as text; empty, which ``verify`` refuses, where a table has none (None or NaN)."""
    missing = gold is None or (isinstance(gold, Number) and gold != gold)
    return "" if missing else str(gold)
