"""Make a run folder of any size, as the pipeline would leave it, with model text that means harm."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

from eval.evaluate import evaluate
from eval.results import Settings
from scdpo.data.problems import Problem
from scdpo.data.records import (
    BlockRecord,
    OriginRecord,
    PairRecord,
    SamplingRecord,
    SolutionRecord,
    VerdictRecord,
)
from scdpo.data.runs import RecordFile, Run
from tests.eval.fakes import FakeSample

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "</style><svg onload=alert(1)> {{ 7*7 }} {% raw %} <!-- \u202e right to left \u202c \x1b[31m \x00 &lt;b&gt; --> \u2028"
)
PROSE = (
    "First count what each of them has, then take away what was given to the neighbours.",
    "The price of one ticket is the sum divided by the number of people in the group.",
    "Half of the remainder is set aside, so only the other half is left for the second day.",
)


def blocks(rng: random.Random, steps: int, answer: str) -> list[BlockRecord]:
    made = []
    for step in range(steps):
        value = rng.randrange(1000)
        made += [
            BlockRecord(type="text", content=f"{rng.choice(PROSE)} That is step {step} with {value}."),
            BlockRecord(
                type="code",
                content=f"# step {step}\ntotal = {value} * 3  # all of them\nname = 'apples'\nfor i in range(2):\n    total += i\nprint(total)",
            ),
            BlockRecord(type="execution", content=str(value * 3 + 1)),
        ]
    return [*made, BlockRecord(type="text", content=rf"So the answer is \boxed{{{answer}}}.")]


def make_pair(rng: random.Random, number: int, hostile: bool = False) -> PairRecord:
    naive = number % 3 == 0
    branch = None if naive else rng.randrange(3)
    right, wrong = blocks(rng, 2, str(number)), blocks(rng, 2, str(number + 1))
    cut = 0 if branch is None else (1, 3, 4)[branch]  # the steps are text, code with execution, text, …
    prefix, chosen, rejected = right[:cut], right[cut:], wrong[cut:]
    question = f"Problem {number}: a shop sells {rng.randrange(90)} boxes a day for ${rng.randrange(9)} each. How much?"
    if hostile:
        question = HOSTILE + question
        rejected = [BlockRecord(type=b.type, content=HOSTILE + b.content) for b in rejected]
    return PairRecord(
        id=f"shop/{number}#0.1>0.{number}",
        problem_id=f"shop/{number}",
        kind="naive" if naive else "step_controlled",
        branch_step=branch,
        question=question,
        gold=str(number),
        format="mathcoder",
        prefix=prefix,
        chosen=chosen,
        rejected=rejected,
        chosen_answer=str(number),
        rejected_answer=HOSTILE if hostile else str(number + 1),
        prefix_tokens=[],
        chosen_tokens=[[1, 2, 3]] * len(chosen),
        rejected_tokens=[],
        origin=OriginRecord(
            chosen_id=f"shop/{number}#0.1",
            rejected_id=f"shop/{number}#0.2",
            corruptor="sampling" if naive else ("temperature" if number % 2 else "mutation"),
            mutation="" if naive or number % 2 else "off_by_one",
            temperatures=[] if naive else [1.1, 1.15, 1.2, 1.25, 1.3],
            attempts=1 + number % 5,
        ),
    )


def random_solution(
    rng: random.Random, problem: Problem, number: int, hostile: bool = False
) -> SolutionRecord:
    answer = problem.gold if rng.random() < 0.6 else str(int(problem.gold) + 1)
    verdict = VerdictRecord(
        status="correct" if answer == problem.gold else "incorrect",
        answer=answer,
        reason="compared as integers",
    )
    made = blocks(rng, 2, answer)
    if hostile:
        made = [BlockRecord(type=b.type, content=HOSTILE + b.content) for b in made]
    return SolutionRecord(
        id=f"{problem.id}#0.{number}",
        problem_id=problem.id,
        question=problem.question,
        gold=problem.gold,
        blocks=made,
        verdict=verdict,
        clean=rng.random() < 0.9,
        dropped=rng.choice(["", "", "", "repetition", "unfinished_length"]),
        sampling=SamplingRecord(
            engine="transformers",
            model=HOSTILE if hostile else "embedded",
            format="mathcoder",
            seed=2**62 + number,
            temperatures=[1.0] * 5,
            finish="end",
            tokens=120,
            block_tokens=[[5, 6]] * 7,
        ),
        isolation="namespaces",
    )


def problems(count: int) -> list[Problem]:
    return [
        Problem(
            f"shop/{n}", f"What is {n}?", str(n), level=str(1 + n % 3), subject=("algebra", "geometry")[n % 2]
        )
        for n in range(count)
    ]


def make_run(folder: Path, pairs: int = 60, tests: int = 40) -> Path:
    """Write a run with pairs, solutions, evaluations, curves, credit and stage counts; return it."""
    rng = random.Random(0)
    pair_file = RecordFile(folder / "pairs.jsonl", PairRecord)
    for number in range(pairs):
        pair_file.append(make_pair(rng, number, hostile=number == 1))
    pair_file.close()
    solution_file = RecordFile(folder / "solutions.jsonl", SolutionRecord)
    for problem in problems(max(2, pairs // 3)):
        for number in range(2):
            solution_file.append(random_solution(rng, problem, number, hostile=problem.id == "shop/1"))
    solution_file.close()
    _evaluate(folder, rng, tests)
    _train(folder)
    (folder / "config.yaml").write_text(f"sample:\n  temperature: 1.0\n  note: {json.dumps(HOSTILE)}\n")
    (folder / "stages.json").write_text(json.dumps(STAGES | {HOSTILE: STAGES["solutions"]}))
    (folder / "credit").mkdir()
    texts = ["So", " the", " answer", " is", "\n", "4", "2", HOSTILE]
    credit = [0.01, 0.02, -0.1, 0.3, 0.0, -1.5, 0.8, 0.2]
    tokens = [
        {"text": t, "credit": c, "step": 0, "own": t != "2"} for t, c in zip(texts, credit, strict=True)
    ]
    heat = {"title": "shop/3, rejected", "question": HOSTILE, "models": {"DPO": tokens, HOSTILE: tokens}}
    (folder / "credit" / "one.json").write_text(json.dumps(heat))
    return folder


STAGES = {
    "solutions": {
        "in": 4210,
        "kept": 2950,
        "dropped": {"repetition": 610, "unfinished_length": 402, "right but not clean": 248},
        "seconds": 61.4,
    },
    "problems with a naive pair": {
        "in": 240,
        "kept": 181,
        "dropped": {"no dispreferred solution": 41, "no preferred solution": 18},
        "seconds": 0.0,
    },
    "branches": {"in": 5120, "kept": 740, "dropped": {"right again": 3980, "mojibake": 400}, "seconds": 80.2},
}


def _evaluate(folder: Path, rng: random.Random, tests: int) -> None:
    chances = {"SFT (start)": 0.45, "DPO": 0.5, "DPO, data-equal": 0.52, "SCDPO": 0.7, HOSTILE: 0.3}
    for model, chance in chances.items():
        for benchmark in ("embedded", "gsm8k"):
            solve = FakeSample(lambda p, _, c=chance: p.gold if rng.random() < c else "-1")
            settings = Settings(engine="transformers", checkpoint=f"runs/{model}", format="mathcoder")
            with Run(folder) as run:
                asyncio.run(evaluate(run, problems(tests), solve, settings, model=model, benchmark=benchmark))


def _train(folder: Path) -> None:
    for name, pull in (("dpo", 0.5), ("scdpo", 1.0)):
        log = [
            {
                "step": step,
                "epoch": step / 100,
                "loss": 0.69 * (1 - pull * step / 300),
                "rewards/accuracies": 0.5 + pull * step / 300,
                "rewards/margins": pull * step / 50,
                "grad_norm": 1.0 + (step % 7) / 7,
                "learning_rate": 1e-5 * (1 - step / 200),
            }
            for step in range(5, 105, 5)
        ] + [{"step": 100, "train_runtime": 61.0, "train_loss": 0.5}]
        (folder / "model" / name).mkdir(parents=True)
        (folder / "model" / name / "trainer_state.json").write_text(json.dumps({"log_history": log}))
