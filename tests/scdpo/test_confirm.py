"""Roll-outs from before and after the first wrong step: what they count, and what is done with the counts."""

from __future__ import annotations

import asyncio
import json
import random
import re
from pathlib import Path

from sandbox import AsyncSandbox, Block, Solution
from scdpo.corrupt.confirm import Confirmer
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import step_controlled_pair
from scdpo.data.records import OriginRecord, PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import branch_by_mutation
from scdpo.sampling.sampler import Sampler
from tests.scdpo.scripted import Script, ScriptedEngine
from tests.scdpo.test_jobs import Quiet

PREFIX = (Block("text", "We add 17 and 5."), Block("code", "a = 17\na"), Block("execution", "17"))
CHOSEN = as_record(
    Solution(
        (*PREFIX, Block("code", "a + 5"), Block("execution", "22"), Block("text", "It is \\boxed{22}."))
    ),
    "What is 17 + 5?",
    "22",
    id="s",
    problem_id="p",
)


def pair(branch_step: int, *rejected: Block) -> PairRecord:
    origin = OriginRecord(chosen_id="s", rejected_id=f"s@{branch_step}.0.0", corruptor="temperature")
    return step_controlled_pair(CHOSEN, branch_step, rejected, [], "0", origin)


def sums_up(prompt: str, _: random.Random) -> str:
    """Set ``a``, add 5 in a further cell unless there is one with a 5, and state the last output as the answer."""
    written = prompt.partition("<|assistant|>")[2]
    if "boxed" in written:
        return "<|endofmessage|>"
    if "<|code|>a = 17" not in written:
        return "<|code|>a = 17\na<|endofblock|>"
    if not re.search(r"<\|code\|>[^<]*5", written):
        return "<|code|>a + 5<|endofblock|>"
    result = written.rpartition("<|execution|>")[2].partition("<|endofblock|>")[0]
    return f"<|text|>It is \\boxed{{{result}}}.<|endofblock|>"


def confirmed(
    model: Path, pairs: list[PairRecord], script: Script = sums_up, rollouts: int = 3
) -> tuple[list[PairRecord], ScriptedEngine]:
    engine = ScriptedEngine(model, script)

    async def main() -> list[PairRecord]:
        async with AsyncSandbox() as box:
            return (await Confirmer(Sampler(engine, box), rollouts).confirm(pairs))[0]

    return asyncio.run(main()), engine


def rates(record: PairRecord) -> tuple[int, int, int, int]:
    before, after = record.confirmation.before, record.confirmation.after
    return before.right, before.tried, after.right, after.tried


def test_a_step_that_spoils_the_state_is_confirmed_and_one_that_does_not_is_not(tiny_model: Path) -> None:
    end = Block("text", "It is \\boxed{0}.")
    spoils = pair(1, Block("code", "a = 100\na"), Block("execution", "100"), end)
    harmless = pair(1, Block("text", "Now the sum."), end).model_copy(update={"id": "harmless"})
    states = pair(0, Block("text", "So it is \\boxed{21}."))
    found, _ = confirmed(tiny_model, [spoils, harmless, states])
    # After "spoils" a fork goes on with a = 100, and a + 5 is 105; the shared session still has a = 17.
    assert [rates(record) for record in found] == [(3, 3, 0, 3), (3, 3, 3, 3), (3, 3, 0, 3)]
    assert [record.confirmation.drop for record in found] == [1.0, 0.0, 1.0]
    assert [record.model_copy(update={"confirmation": spoils.confirmation}) for record in found] == [
        spoils,
        harmless,
        states,
    ]


def test_roll_outs_are_at_temperature_1_and_each_has_its_own_seed(tiny_model: Path) -> None:
    _, engine = confirmed(tiny_model, [pair(0, Block("text", "So it is \\boxed{21}."))], rollouts=6)
    assert {request.temperature for request in engine.requests} == {1.0}
    first = [r for r in engine.requests if "a = 17" not in engine.tokenizer.decode(r.prompt)]
    assert len({request.seed for request in first}) == 12


def test_a_first_wrong_step_that_gives_another_output_is_not_tried(tiny_model: Path) -> None:
    changing = pair(1, Block("code", "a + 1"), Block("execution", "19"), Block("text", "\\boxed{19}"))
    (found,), _ = confirmed(tiny_model, [changing])
    assert rates(found) == (3, 3, 0, 0)
    assert found.confirmation.drop is None


def test_roll_outs_that_never_end_are_not_right(tiny_model: Path) -> None:
    def endless(prompt: str, _: random.Random) -> str:
        return "<|text|>It is \\boxed{22}.<|endofblock|>"

    (found,), _ = confirmed(tiny_model, [pair(0, Block("text", "Wrong."))], endless)
    assert rates(found) == (0, 3, 0, 3)


def test_chains_of_thought_are_confirmed_without_a_kernel(tiny_model: Path) -> None:
    def thinks(prompt: str, _: random.Random) -> str:
        if "That is" not in prompt:
            return "That is 22.\n"
        return f"The answer is \\boxed{{{23 if 'is 23' in prompt else 22}}}."

    texts = ["We add 17 and 5.\n", "That is 22.\n", "The answer is \\boxed{22}."]
    whole = Solution(tuple(Block("text", text) for text in texts))
    chosen = as_record(whole, "What is 17 + 5?", "22", id="s", problem_id="p", format="cot")
    origin = OriginRecord(chosen_id="s", rejected_id="s@0", corruptor="temperature")
    wrong = [Block("text", "That is 23.\n"), Block("text", "The answer is \\boxed{23}.")]
    record = step_controlled_pair(chosen, 0, wrong, [], "23", origin)

    async def main() -> list[PairRecord]:
        async with AsyncSandbox() as box:
            sampler = Sampler(ScriptedEngine(tiny_model, thinks), box, format="cot")
            return (await Confirmer(sampler, 2).confirm([record]))[0]

    assert [rates(found) for found in asyncio.run(main())] == [(2, 2, 0, 2)]


def test_mutated_pairs_are_confirmed_too(tmp_path: Path, tiny_model: Path) -> None:
    async def main() -> None:
        with Run(tmp_path) as run:
            run.solutions.append(CHOSEN)
            async with AsyncSandbox() as box:
                sampler = Sampler(ScriptedEngine(tiny_model, sums_up), box)
                await branch_by_mutation(run, box, 0, Quiet(), Confirmer(sampler, 2))

    asyncio.run(main())
    pairs = list(Run(tmp_path).pairs)
    # Behind another first cell the script sets ``a`` again; behind another sum it takes the sum for the answer.
    assert {p.branch_step: rates(p) for p in pairs} == {0: (2, 2, 2, 2), 1: (2, 2, 0, 2)}
    assert [b.tokens > 0 for b in Run(tmp_path).branches] == [True]


def test_a_pair_file_from_before_confirmations_still_loads(tmp_path: Path) -> None:
    row = pair(0, Block("text", "So it is \\boxed{21}.")).model_dump()
    del row["confirmation"]
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert [p.confirmation.drop for p in Run(tmp_path).pairs] == [None]


def test_roll_outs_go_on_from_a_text_as_it_was_sampled(tiny_model: Path) -> None:
    """In markdown a text that goes on from the prefix's text has no mark between the two."""
    engine = ScriptedEngine(tiny_model, lambda prompt, _: "So \\boxed{27}.")
    chosen = CHOSEN.model_copy(update={"sampling": CHOSEN.sampling.model_copy(update={"format": "markdown"})})
    origin = OriginRecord(chosen_id="s", rejected_id="s@0.0.0", corruptor="temperature")
    goes_on = step_controlled_pair(chosen, 0, [Block("text", "But the 5 counts twice.")], [], "27", origin)

    async def main() -> None:
        async with AsyncSandbox() as box:
            await Confirmer(Sampler(engine, box, format="markdown"), 1).confirm([goes_on])

    asyncio.run(main())
    prompts = [engine.tokenizer.decode(request.prompt) for request in engine.requests]
    assert any(prompt.endswith("We add 17 and 5.\nBut the 5 counts twice.\n") for prompt in prompts)
