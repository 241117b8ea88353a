"""Values: how often the model gets to the right answer from every place in a solution.

The value of a place is the share of roll-outs at temperature 1 from it that end right (VinePPO, arXiv 2410.01679, step
wise). Places are the ends of moves, the question alone included; the code of the solution runs once, and is forked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from scdpo.corrupt.rollouts import Track, draft_of, roll_out
from scdpo.data.moves import move_ends
from scdpo.data.records import SolutionRecord, ValueRecord
from scdpo.sampling.sampler import Sampler


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """How values are estimated.

    Attributes:
        rollouts: from each place.
        seed: fixes every sample.
    """

    rollouts: int = 8
    seed: int = 0


def value_id(solution: SolutionRecord, step: int, settings: ValueSettings) -> str:
    """Return the id of a place's record; other settings are other records."""
    return f"{solution.id}@{step}.v{settings.seed}.{settings.rollouts}"


def value_places(solution: SolutionRecord) -> list[int]:
    """Return the places of a solution: -1 for the question alone, then the step that ends each move but the last."""
    return [-1, *move_ends(solution.solution)]


async def step_values(
    solution: SolutionRecord,
    sampler: Sampler,
    settings: ValueSettings,
    done: frozenset[int] = frozenset(),
) -> AsyncIterator[ValueRecord]:
    """Yield the value of each place of a solution, in order; nothing beyond a step whose code prints something else.

    Args:
        solution: right or wrong.
        sampler: the model whose values they are, and the sandbox.
        settings: how many roll-outs, and the seed.
        done: places that are known already.

    Raises:
        EngineError: if the engine cannot serve.
        SandboxError: if no session can be had, or it was ended from without.
    """
    places = [place for place in value_places(solution) if place not in done]
    async with Track(sampler.box) as track:
        taken = -1
        for place in places:
            for step in solution.solution.steps[taken + 1 : place + 1]:
                if not await track.take(step):
                    return
            taken = place
            found = await roll_out(
                sampler,
                solution.question,
                solution.gold,
                draft_of(solution, place, sampler),
                track.session,
                range(settings.rollouts),
                (settings.seed, solution.id, place, "value"),
            )
            yield ValueRecord(
                id=value_id(solution, place, settings),
                solution_id=solution.id,
                problem_id=solution.problem_id,
                step=place,
                right=found.right,
                tried=found.tried,
                tokens=found.tokens,
                solution_right=solution.verdict.status == "correct",
            )
