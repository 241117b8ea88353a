"""How other people's data name their fields, and by which fields their layouts are known.

A field is taken by the first of these names that a row has, so the order counts: what is surer stands first. Dots lead
into what a field holds. Not covered: what a field's content means (`layouts`).
"""

from __future__ import annotations

from typing import Final

QUESTION: Final = (
    "question", "problem", "query", "extra.question", "extra_info.question", "original_text", "instruction", "prompt",
    "messages", "conversations", "conversations.0.value", "context_messages", "responses_create_params.input",
    "input", "question_text", "problem_statement", "squestion", "chosen",
)  # fmt: skip
GOLD: Final = (
    "gold", "expected_answer", "gt", "gts", "gt_ans", "gt_answer", "gold_answer", "ground_truth",
    "ground_truth_answer", "question.ground_truth_answer", "reference_answer", "correct_answer", "golden",
    "extra.answer", "reward_model.ground_truth", "verification_info.ground_truth",
    "verifier_metadata.expected_answer", "extra_info.answer", "conversations.1.ground_truth.value",
    "messages.0.info.reference_answer", "answer_number", "answer", "ans", "lsolutions", "reference", "references",
    "target", "final_answer", "final_ans",
)  # fmt: skip
SOLUTION: Final = (
    "blocks", "debug_result", "code", "model_solution", "model_answer", "model_response", "predictions",
    "generated_solution", "generation", "generations", "responses", "response", "resp", "llm_response",
    "deepseek_solution", "r1_solution_1", "completion", "completions", "output", "outputs", "model_output",
    "solution", "messages", "conversations", "rationale",
)  # fmt: skip
WORKED: Final = ("ground_truth_solution", "gold_standard_solution", "solution", *SOLUTION)
"""Solutions that may state the gold answer, those that people wrote first."""
CHOSEN: Final = ("full_chosen", "chosen")
REJECTED: Final = ("full_rejected", "rejected")
"""The sides of a pair; the whole one of Step-DPO first, whose other holds a single step."""
SHORT: Final = ("prediction", "pred", "predicted_answer", "pred_answer", "parsed_answer", "extracted_answer")
"""A final answer alone, as an extractor leaves it; ``prediction`` stands above a solution, the others below it."""
LABEL: Final = (
    "correct",
    "recorded_correct",
    "is_correct",
    "symbolic_correct",
    "score",
    "acc",
    "exact_match",
    "correctness_math_verify",
)
LISTS_OF_MESSAGES: Final = ("correct_solutions", "correct_errored_solutions", "wrong_solutions")
"""The result files of the paper's programs."""

LAYOUTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("a run's own records", ("schema_version", "problem_id")),
    ("the paper's result files", ("correct_solutions", "extra.answer")),
    ("the paper's pairs as made", ("correct_solution", "wrong_solutions")),
    ("MathCoder output", ("debug_result", "ground_truth")),
    ("the paper's samples", ("debug_result", "extra.answer")),
    ("MathCodeInstruct", ("messages", "extra.answer")),
    ("the paper's problems", ("question", "extra.answer")),
    ("ToRA or Qwen2.5-Math evaluation output", ("code", "gt")),
    ("Step-DPO-10K", ("prompt", "initial_reason_steps", "chosen", "rejected")),
    ("preference pairs (TRL, ShareGPT or Alpaca)", ("chosen", "rejected")),
    ("OpenMathInstruct-1", ("question", "generated_solution", "expected_answer")),
    ("OpenMathInstruct-2", ("problem", "generated_solution", "expected_answer")),
    ("NeMo Skills output", ("problem", "generation", "expected_answer")),
    ("OpenR1-Math", ("problem", "answer", "generations")),
    ("NuminaMath-1.5", ("problem", "answer", "solution", "problem_type")),
    ("NuminaMath", ("problem", "solution", "messages")),
    ("MATH-500", ("problem", "answer", "unique_id")),
    ("AIME", ("problem", "solution", "answer", "url")),
    ("DeepScaleR", ("problem", "answer", "solution")),
    ("Big-Math", ("problem", "answer", "llama8b_solve_rate")),
    ("MATH", ("problem", "solution", "level")),
    ("MetaMathQA", ("query", "response", "original_question")),
    ("DART-Math", ("query", "response")),
    ("verl (DAPO, Skywork-OR1, SimpleRL-Zoo)", ("prompt", "reward_model.ground_truth")),
    ("APE210K", ("original_text", "ans")),
    ("CMath", ("question", "golden")),
    ("AIME as a table", ("question", "answer", "problem_number")),
    ("SVAMP", ("body", "question", "answer")),
    ("MAWPS", ("squestion", "lsolutions")),
    ("AQuA", ("question", "options", "rationale", "correct")),
    ("MathQA", ("problem", "rationale", "options", "correct")),
    ("PRM800K", ("question.problem", "question.ground_truth_answer")),
    ("Open-Reasoner-Zero", ("conversations.1.ground_truth",)),
    ("TRL's steps with labels", ("prompt", "completions", "labels")),
    ("NeMo Gym", ("responses_create_params.input",)),
    ("OpenRLHF", ("input", "label")),
    ("SYNTHETIC-1", ("verification_info", "task_type")),
    ("Alpaca", ("instruction", "output")),
    ("ShareGPT", ("conversations",)),
    ("question and answer, as GSM8K", ("question", "answer")),
    ("problem and answer", ("problem", "answer")),
)
"""Layouts by name, each with fields that tell it; the first that fits counts."""
