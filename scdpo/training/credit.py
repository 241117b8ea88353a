"""Token credit: the implicit reward of preference training, token by token (paper, equation 7).

r(x_i) = beta * (log pi(x_i | before) - log pi_reference(x_i | before)). ``token_credit`` gives it for a solution
and two models; ``localise`` measures how well it points at the move where a solution goes wrong, which
step-controlled pairs tell: a text and the code that it announces are one move, since a text that only words its plan
in another way is no error (``scdpo.data.moves``). Drawing is in ``eval.heat``. Not covered: credit of the kernel's
tokens as a figure (they are marked as not the model's own).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch

from sandbox import Solution
from scdpo.data.encoding import NAIVE, SolutionEncoder
from scdpo.data.moves import move_at, move_ends
from scdpo.data.tokens import Tokens
from scdpo.errors import SettingsError


@dataclass(frozen=True)
class TokenCredit:
    """One token of a solution.

    Attributes:
        text: what it adds to the text.
        credit: its reward; negative where the trained model finds it less likely than the reference does.
        step: the index of its step; None for the end of the message.
        own: whether the model wrote it, and not the kernel.
    """

    text: str
    credit: float
    step: int | None
    own: bool


def token_credit(
    model: Any,
    reference: Any,
    encoder: SolutionEncoder,
    question: str,
    solution: Solution,
    beta: float = 0.1,
) -> list[TokenCredit]:
    """Return the credit of every token of a solution.

    Args:
        model: the trained causal language model.
        reference: the model it was trained from.
        encoder: their tokenizer, and the format of the solution.
        question: the problem's text.
        solution: right or wrong.
        beta: of the training.
    """
    context = encoder.context(question)
    ids, mask = encoder.completion(question, (), solution.blocks)
    trained, before = (_log_probs(scored, context, ids) for scored in (model, reference))
    texts = _token_texts(encoder.tokens, ids)
    steps = _steps_of(encoder, solution, texts)
    credits = (beta * (trained - before)).tolist()
    return [
        TokenCredit(text, credit, step, bool(own))
        for text, credit, step, own in zip(texts, credits, steps, mask, strict=True)
    ]


def first_difference(
    encoder: SolutionEncoder, question: str, solution: Solution, other: Solution
) -> int | None:
    """Return the number of the first token of a solution that another does not have there; None if it has all.

    Args:
        encoder: the tokenizer, and the format of both.
        question: the problem's text.
        solution: whose tokens are numbered from 0, as ``token_credit`` gives them.
        other: what it is compared with.
    """
    ids, others = (encoder.completion(question, (), one.blocks)[0] for one in (solution, other))
    return next((i for i, id in enumerate(ids) if others[i : i + 1] != [id]), None)


def move_credit(tokens: Sequence[TokenCredit], solution: Solution) -> list[float]:
    """Return the mean credit of the own tokens of each move of a solution, in order; a move without any has 0."""
    ends = move_ends(solution)
    credits: list[list[float]] = [[] for _ in range(len(ends) + 1)]
    for token in tokens:
        if token.step is not None and token.own:
            credits[bisect_left(ends, token.step)].append(token.credit)
    return [fmean(of) if of else 0.0 for of in credits]


@dataclass(frozen=True)
class MeanInterval:
    """A figure with its 95 % interval, from a bootstrap over problems."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Localisation:
    """How well credit finds the move where wrong solutions go wrong.

    Attributes:
        solutions: how many were measured.
        problems: of how many problems they are.
        rank: mean rank of the erroneous move among all moves of its solution by credit; 1 is the lowest.
        chance_rank: what ranking at random would give.
        first: share of solutions whose erroneous move has the lowest credit.
        auroc: the probability that the erroneous move has less credit than a move before it, averaged
            over solutions; 0.5 is chance. Moves after the error are neither right nor wrong and left out.
    """

    solutions: int
    problems: int
    rank: MeanInterval
    chance_rank: float
    first: MeanInterval
    auroc: MeanInterval


def localise(
    model: Any,
    reference: Any,
    encoder: SolutionEncoder,
    pairs: Iterable[Mapping[str, Any]],
    beta: float = 0.1,
) -> Localisation:
    """Measure error localisation on the rejected sides of step-controlled pairs that share a whole move.

    Args:
        model: the trained model.
        reference: the model it was trained from.
        encoder: their tokenizer, and the format of the pairs.
        pairs: records of ``pairs.jsonl``, best of problems not trained on; naive ones are skipped.
        beta: of the training; the figures do not depend on it.

    Raises:
        ValueError: if there is no such pair.
    """
    measured: dict[str, list[ErrorScores]] = {}
    for pair in pairs:
        if pair["kind"] == NAIVE:
            continue
        wrong = Solution.of([*pair["prefix"], *pair["rejected"]])
        error = move_at(wrong, len(pair["prefix"]))
        if error:  # else there is no move before it to tell it from
            tokens = token_credit(model, reference, encoder, pair["question"], wrong, beta)
            scores = error_scores(move_credit(tokens, wrong), error)
            measured.setdefault(pair["problem_id"], []).append(scores)
    return summarise(measured)


@dataclass(frozen=True)
class ErrorScores:
    """One solution: where its erroneous move stands."""

    rank: float
    moves: int
    auroc: float


def error_scores(credits: Sequence[float], error: int) -> ErrorScores:
    """Return where move ``error`` stands among the credits of all moves; ties count half.

    Raises:
        ValueError: if there is no such move, or none before it.
    """
    if not 1 <= error < len(credits):
        raise ValueError(f"move {error} of {len(credits)} cannot be the first wrong one after a shared move")
    mine = credits[error]
    lower = sum(1.0 if c < mine else 0.5 for i, c in enumerate(credits) if i != error and c <= mine)
    before = [1.0 if mine < c else 0.5 if mine == c else 0.0 for c in credits[:error]]
    return ErrorScores(1 + lower, len(credits), fmean(before))


def summarise(
    measured: Mapping[str, Sequence[ErrorScores]], draws: int = 1000, seed: int = 0
) -> Localisation:
    """Average over solutions, with intervals from resampling problems, each with all its solutions.

    Args:
        measured: the scores of the solutions of each problem, one or more of each.
        draws: how often the problems are resampled.
        seed: of the resampling.

    Raises:
        ValueError: if there are none.
    """
    groups = list(measured.values())
    if not groups:
        raise SettingsError("no step-controlled pair with a shared move to measure error localisation on")
    sizes = np.array([len(group) for group in groups])
    drawn = np.random.default_rng(seed).integers(len(groups), size=(draws, len(groups)))

    def interval(figure: Callable[[ErrorScores], float]) -> MeanInterval:
        sums = np.array([sum(map(figure, group)) for group in groups])
        low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
        return MeanInterval(float(sums.sum() / sizes.sum()), float(low), float(high))

    return Localisation(
        solutions=int(sizes.sum()),
        problems=len(groups),
        rank=interval(lambda one: one.rank),
        chance_rank=fmean((one.moves + 1) / 2 for group in groups for one in group),
        first=interval(lambda one: one.rank == 1),
        auroc=interval(lambda one: one.auroc),
    )


def _log_probs(model: Any, context: Sequence[int], ids: Sequence[int]) -> torch.Tensor:
    """Return log pi(id | everything before it), one a token of ``ids``."""
    tokens = torch.tensor([[*context, *ids]], device=model.device)
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=tokens, logits_to_keep=len(ids) + 1).logits[0, :-1].float()
    picked: torch.Tensor = logits.log_softmax(-1).gather(1, tokens[0, len(context) :, None])
    return picked[:, 0].cpu()


def _token_texts(tokens: Tokens, ids: Sequence[int]) -> list[str]:
    """Return what each token adds to the text; bytes of an unfinished character wait for the rest."""
    texts, before = [], ""
    for i in range(len(ids)):
        text = tokens.spell(ids[: i + 1])
        if text.endswith("\ufffd") and i + 1 < len(ids):
            texts.append("")
            continue
        texts.append(text[len(before) :])
        before = text
    return texts


def _steps_of(encoder: SolutionEncoder, solution: Solution, texts: Sequence[str]) -> list[int | None]:
    """Return the step that each token begins in."""
    pieces = iter(encoder.format.write(solution.blocks, ended=True))
    lengths = (sum(len(next(pieces).text) for _ in step.blocks) for step in solution.steps)
    ends = list(itertools.accumulate(lengths))
    steps: list[int | None] = []
    at = 0
    for text in texts:
        steps.append(next((i for i, end in enumerate(ends) if at < end), None))
        at += len(text)
    return steps
