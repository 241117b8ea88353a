"""What the words mean by which records say why something was left out, or how a solution ended: a sentence for each.

``scdpo status --explain`` and the report show them. Not covered: the verifier's reasons, which are sentences already.
"""

from __future__ import annotations

from typing import Final

_UNFINISHED: Final = "unfinished_"
_ENDINGS: Final = {
    "end": "The model ended the solution itself.",
    "length": "A block ran into the limit on its tokens (--block-tokens).",
    "blocks": "The solution ran into the limit on its blocks (--blocks).",
    "context": "The model's context was full before the solution ended.",
    "forged": "The model wrote the code's output itself instead of waiting for the kernel.",
    "marker": "The model broke off in the middle of a mark of its format, or wrote one where none may stand.",
    "stopped": "Sampling it was stopped on purpose before its end: it could no longer become a pair.",
    "refused": "The model server refused the request.",
    "state_lost": "The kernel lost its variables (it died or was stopped), so the solution could not go on.",
}
_REASONS: Final = {
    # sampling and naive pairs
    "preferred": "Right, finished, and without errors, apologies and repairs.",
    "dispreferred": "A wrong answer: the rejected side of a naive pair.",
    "right but not clean": "The answer is right, but the code failed once, or the model apologised or repaired.",
    "no answer": "The solution states no final answer.",
    "no_answer": "The solution states no final answer.",
    "unverifiable": "The verifier could not decide whether the answer is right.",
    "no preferred solution": "None of the problem's solutions is right and clean, so there is nothing to prefer.",
    "no dispreferred solution": "None of the problem's solutions is wrong, so there is nothing to reject.",
    "no_final_answer": "The row holds no gold answer, and its solution states none.",
    "benchmark_question": "The question is in the benchmark that --decontaminate names.",
    "duplicate_question": "The same question stands earlier in the file.",
    "repeated": "The same record stands earlier in the file.",
    "unfinished": "The solution breaks off before its end.",
    # texts that are thrown away
    "too_many_blocks": "More blocks than the format allows.",
    "long_block": "A block is longer than the format allows.",
    "mojibake": "The text holds broken or control characters.",
    "repetition": "The text repeats itself in a loop.",
    "mixed_scripts": "The text mixes more writing systems than a solution does.",
    # branches and mutations
    "correct": "The continuation came out right all the same, so it is no wrong side.",
    "surplus": "Wrong and usable, but the pairs wanted after this step were there already.",
    "near_duplicate": "Almost the same as a pair that was kept.",
    "misquotes_output": "The wrong answer is a number copied wrongly from the code's output: a slip of the pen.",
    "code_fails": "The wrong side's first code fails with an error, which tells the model by itself.",
    "prefix_differs": "Run again, the shared code gave another output than the record shows.",
    "kernel_lost": "The kernel was stopped from outside, mostly for want of memory.",
    "no_branch_point": "The solution has no step after which it could be made to go wrong.",
    "garbled_solution": "The right solution itself is garbled.",
    "not_reproduced": "Run again, the right solution's code gave other outputs than the record shows.",
    "stated_in_text": "The text before the code states the number that would be changed.",
    "stated_in_name": "A name in the code states the number that would be changed.",
    "stated_in_comment": "A comment in the code states the number that would be changed.",
    "worked_out_in_text": "The text works the value out, and would contradict the changed code.",
    "code_failed": "The changed code fails with an error.",
    "output_in_other_words": "The text tells the code's output in words that cannot be changed along.",
    "unreadable_code": "The code cannot be parsed.",
    "unexplained_number": "A number of the text comes from nowhere that could be followed.",
    "lost_value": "A number of the text comes from an output that the change has taken away.",
    "ambiguous_value": "A number of the text could come from two places.",
    "output_not_told": "The text told the whole output, and would tell only half of it.",
    "misnamed_result": "The text would name a calculation and give another value than it has (8! = 5040).",
    "confirmed": "Roll-outs confirm the error; or the text says that a check confirms the changed result.",
    "premises_not_alike": "The two numbers that would be exchanged are not alike, or a text quotes one of them.",
    "right_in_a_reading": "Another reading of the answer is right.",
    "number_word": "A number of the text is written as a word.",
    "no_form": "The new value cannot be written as the old one was.",
    "value_in_string": "A text within the code states a number that would change.",
    "broken_equation": "An equation of the text would no longer hold.",
    "sentence_arithmetic": "A calculation in the text would no longer hold.",
    "comparison": "A comparison in the text would no longer hold.",
    "claimed_property": "A property that the text claims of the value would no longer hold.",
    "article": "The article before the number would be wrong.",
    "plural": "The noun after the number would have the wrong number.",
    "sign": "The new value has the other sign, absurd where the old one stood.",
    "magnitude": "The new value is over 20 times larger or smaller, absurd where the old one stood.",
    "fraction_for_whole": "The new value is a fraction where whole things are counted.",
    "chance": "The new value is no probability.",
    "garbled": "The changed continuation is garbled.",
    "same_answer": "The change leaves the final answer as it was.",
    "still_correct": "The changed answer is still right.",
    "pit_at_first_move": "The first move of the wrong solution is the wrong one, so nothing is shared before it.",
    "no_clean_rollout": "No roll-out before the wrong move was right and clean, so there is no chosen side.",
    "made_by_another_seed": "The same change was made by an earlier call with another seed.",
    # roll-outs
    "not_tried": "No roll-outs were made for it (--confirm makes them).",
    "no_rollouts": "No roll-outs were made for it (scdpo corrupt --confirm).",
    "often_right_after": "Roll-outs after the step are still right too often: the error does not begin there.",
    "never_right_before": "No roll-out before the step was right, so nothing can be said of the step.",
    # pairs of others
    "chosen_without_answer": "The chosen side states no final answer.",
    "chosen_not_right": "The chosen side's answer is not right.",
    "chosen_not_clean": "The chosen side is right, but its code failed, or it apologises or repairs.",
    "rejected_not_wrong": "The rejected side's answer is not wrong.",
    # training
    "too_long": "More tokens than max_length; nothing is cut off, the pair is left out.",
    "prefix_fills_context": "Question and shared steps alone fill max_length.",
    "nothing_counted": "A side has no token that counts in the loss.",
    "same_sides": "Both sides are the same tokens.",
    "over_cap": "The problem had more pairs than pairs_per_problem.",
    "not_preferred": "Fine-tuning takes preferred solutions alone.",
    "too few solutions": "The run holds too few solutions for that many naive pairs.",
}


def meaning(word: str) -> str:
    """Return the sentence for a reason or an ending; empty for a word that is not known.

    Args:
        word: as records hold it (``unfinished_forged``), or as tables show it (``unfinished forged``).
    """
    for known in (word, word.replace(" ", "_"), word.replace("_", " ")):
        if known in _REASONS:
            return _REASONS[known]
    plain = word.replace(" ", "_")
    return _ENDINGS.get(plain.removeprefix(_UNFINISHED), "")
