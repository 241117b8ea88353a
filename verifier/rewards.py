"""Reward functions in the conventions of TRL (lists in, one float or None a completion out) and of verl."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from verifier.given import gold_text
from verifier.many import verify_many
from verifier.verdict import Strength, Verdict, suffices

Completion = str | Sequence[Mapping[str, Any]]
LogExtra = Callable[[str, list[Any]], None]

REASONING_ENDS = ("</think>",)


def accuracy_reward(
    completions: Sequence[Completion],
    answer: Sequence[Any] | None = None,
    log_extra: LogExtra | None = None,
    require: Strength = "weak",
    **kwargs: Any,
) -> list[float | None]:
    r"""Return 1.0 for a right final answer, 0.0 for a wrong one, None where it cannot be verified.

    Give it to ``GRPOTrainer(reward_funcs=accuracy_reward)`` with a data set that has a column ``answer`` or
    ``solution``. Golds may be bare (``2\sqrt{3}``), wrapped in ``$…$`` or ``\boxed{…}``, numbers, or lists of
    alternatives.

    Args:
        completions: generated texts, or conversations (lists of messages), one a sample. Of a conversation the last
            message counts, if it is the assistant's or names no role; one that ends otherwise has no answer and gives
            0.0.
        answer: the gold answers, one a completion; where absent, the column ``solution`` or ``gold``. A sample whose
            gold is None, NaN or empty has nothing to be compared with and gives None.
        log_extra: given by the trainer; the extracted answers and the reasons go to its table of completions.
        require: how strongly the answer must be stated: ``boxed``, ``stated`` or ``weak``, as for ``verify``. A weaker
            one gives 0.0. ``functools.partial(accuracy_reward, require="boxed")`` is a reward function.
        **kwargs: the other columns and the trainer's state.

    Raises:
        TypeError: if a completion is neither text nor messages, the golds are no list, or one is neither text nor a
            number nor a list of these.
        ValueError: if no gold column is given, or its length differs.
    """
    golds = _golds(answer, kwargs, len(completions))
    return _scored([completion_text(c) for c in completions], golds, log_extra, require)


def reasoning_accuracy_reward(
    completions: Sequence[Completion],
    answer: Sequence[Any] | None = None,
    reasoning_delimiters: Sequence[str] | None = None,
    log_extra: LogExtra | None = None,
    require: Strength = "weak",
    **kwargs: Any,
) -> list[float | None]:
    r"""Score what follows the reasoning, as TRL's function of this name does; else as ``accuracy_reward``.

    Args:
        completions: as for ``accuracy_reward``.
        answer: as for ``accuracy_reward``.
        reasoning_delimiters: marks that end the reasoning; ``</think>`` if None. Of the first one that a completion
            holds, the last occurrence counts. A completion without any was cut off while it reasoned: 0.0.
        log_extra: as for ``accuracy_reward``.
        require: as for ``accuracy_reward``.
        **kwargs: as for ``accuracy_reward``.

    Raises:
        TypeError: as ``accuracy_reward``.
        ValueError: as ``accuracy_reward``.
    """
    golds = _golds(answer, kwargs, len(completions))
    ends = tuple(reasoning_delimiters or REASONING_ENDS)
    replies = [_after_reasoning(completion_text(c), ends) for c in completions]
    scores = _scored([reply or "" for reply in replies], golds, log_extra, require)
    return [0.0 if reply is None else score for reply, score in zip(replies, scores, strict=True)]


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    require: Strength = "weak",
    **kwargs: Any,
) -> float:
    """Return 1.0 for a right final answer and 0.0 otherwise, in verl's convention.

    Set ``custom_reward_function.path=pkg://verifier.rewards``; ``compute_score`` is the name that verl looks for. It
    may be called from any number of threads. verl knows no sample without a score, so what cannot be verified gives
    0.0 as well.

    Args:
        data_source: where the problem is from; no effect.
        solution_str: the response as text.
        ground_truth: the gold answer.
        extra_info: no effect.
        require: how strongly the answer must be stated, as for ``verify``; verl hands it over where
            ``custom_reward_function.reward_kwargs.require=boxed`` is set. A weaker one gives 0.0.
        **kwargs: what else a version of verl hands over; no effect.

    Raises:
        TypeError: if the gold answer is neither text nor a number.
        ValueError: if ``require`` is not one of ``boxed``, ``stated`` and ``weak``.
    """
    return _scored([solution_str], [gold_text(ground_truth)], None, require)[0] or 0.0


def completion_text(completion: Completion) -> str:
    """Return the text of a completion: a string as it is, or the assistant's last word in a conversation.

    Where the last message is not the assistant's, its turn was cut off: a tool's output or a user's message is no
    answer of the model, and the text is empty. A message without a role, as data sets hold them, is the assistant's.

    Raises:
        TypeError: if it is neither text nor a list of messages.
    """
    if isinstance(completion, str):
        return completion
    if not _is_conversation(completion):
        raise TypeError(f"a completion is text or a list of messages, not {_kind(completion)}")
    if not completion or (last := completion[-1]).get("role", "assistant") != "assistant":
        return ""
    content = last.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _is_conversation(completion: object) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    return isinstance(completion, Sequence) and all(isinstance(message, Mapping) for message in completion)


def _kind(value: object) -> str:
    """Return the type of a value for an error message: ``a list of int`` for ``[3]``."""
    inner = f" of {type(value[0]).__name__}" if isinstance(value, Sequence) and value else ""
    return f"a {type(value).__name__}{inner}"


def _golds(answer: Sequence[Any] | None, columns: Mapping[str, Any], count: int) -> list[str]:
    """Return the column of gold answers, one for each of ``count`` completions."""
    golds = next((g for g in (answer, columns.get("solution"), columns.get("gold")) if g is not None), None)
    if golds is None:
        raise ValueError("the reward needs the gold answers in a column named answer, solution or gold")
    if isinstance(golds, str | bytes | Mapping):
        raise TypeError(f"the gold answers are a list, one a completion, not {_kind(golds)}")
    if len(golds) != count:
        raise ValueError(f"{count} completions but {len(golds)} gold answers")
    return [gold_text(gold) for gold in golds]


def _scored(
    texts: Sequence[str], golds: Sequence[str], log_extra: LogExtra | None, require: Strength = "weak"
) -> list[float | None]:
    verdicts = verify_many(list(zip(texts, golds, strict=True)), require=require)
    if log_extra is not None:
        log_extra("extracted", [v.prediction or "" for v in verdicts])
        log_extra("reason", [v.reason for v in verdicts])
    return [_score(verdict, require) for verdict in verdicts]


def _score(verdict: Verdict, require: Strength) -> float | None:
    if verdict.strength is not None and not suffices(verdict.strength, require):
        return 0.0  # the form that was asked for is not kept
    return None if verdict.status == "unverifiable" else float(verdict.correct)


def _after_reasoning(text: str, ends: Sequence[str]) -> str | None:
    """Return what follows the reasoning, or None where it has no end."""
    end = next((end for end in ends if end in text), None)
    return None if end is None else text.rpartition(end)[2]
