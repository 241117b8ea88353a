"""What is supposed, expected, said by others, or taken back is not stated; what only looks so is."""

import pytest

from verifier import extract_answer, verify

SUPPOSED = [
    "Let us assume that the answer is 17 and see whether this leads to a contradiction.",
    "Suppose that the answer is 17.",
    "If the first case holds, the answer is 17.",
    "If it is 17 then we are done",
    "Unless I made a mistake with the sign, we would have 17.",
    "Had we counted the order, we would have got 17.",
    "The answer would be 17 if we ignored the last condition.",
    "A student claimed that the answer is 17.",
    "The problem mentions 17.",
    "It is tempting to say 17.",
    "You might expect 17 here.",
    "At first glance it is 17.",
    "The answer was supposed to be 17.",
    "So far we have 17.",
    "I can't tell whether it is 17.",
    "I doubt that it is 17.",
    "A common mistake is to answer 17.",
    "The answer has 17 digits.",
    "如果答案是17，那么矛盾。",
    "小明认为答案是17。",
]
OPEN = [
    "Perhaps the answer is 17.",
    "The answer is 17? I doubt it.",
    "The exact answer remains open; 17 is an upper bound.",
    "I'm leaning towards 17.",
    "Vielleicht ist die Antwort 17.",
    "Peut-être que la réponse est 17.",
    "Quizás la respuesta es 17.",
    "Forse la risposta è 17.",
    "Возможно, ответ 17.",
    "不一定是17。",
    "答案不会是17。",
]
TAKEN_BACK = [
    "My first attempt gave 17, which turned out to be wrong.",
    "It is tempting to say 17, but that ignores the overlap.",
    "So we have 17, but there are two more cases to count.",
    "The textbook gives 17 but I believe that is a typo.",
    "小明说答案是17，但他错了。",
    "The answer is 17. Wait, that is wrong.",
    r"\boxed{17}. Hmm, that can't be right.",
    r"\boxed{17}" + "\n\nOh no, I made a mistake.",
    "They get 17. I disagree.",
]
ANOTHER_NUMBER = [
    "It's almost 17.",
    "The answer is by no means 17.",
    "There is no way that this equals 17.",
    "The answer is the square root of 17.",
    "The answer is a third of 17.",
    "The answer is 17 plus something.",
    "The answer is 17 times the number of rows.",
    "The answer is 17 more than the previous one.",
    "17 cannot be correct.",
    "17 would be too large.",
    "17 appears twice in the table.",
    "By Theorem 17, the series converges.",
    "The answer is on page 17.",
    "所以答案是17的两倍。",
    "至多有17个。",
    r"\boxed{17 \text{ (guess)}}",
]


@pytest.mark.parametrize("text", SUPPOSED + OPEN + TAKEN_BACK + ANOTHER_NUMBER)
def test_none_of_these_states_17(text: str) -> None:
    assert not verify(text, "17").correct


@pytest.mark.parametrize("text", SUPPOSED + TAKEN_BACK)
def test_what_is_supposed_or_taken_back_is_not_called_wrong_for_its_number(text: str) -> None:
    verdict = verify(text, "17")
    assert verdict.status == "unverifiable" or verdict.prediction is None


STATED = [
    ("There is no doubt that the answer is 17.", "17"),
    ("I think the answer is 17.", "17"),
    ("We were told that the ratio is 3:2, so there are 17 girls.", "17"),
    ("If she reads 6 pages a day, then after 7 days she has read 42 pages.", "42"),
    ("At first there were 17 fish in the tank.", "17"),
    ("She has saved $17 so far.", "17"),
    ("Without the coupon it would have cost $17.", "17"),
    ("So Tom said goodbye to 17 guests.", "17"),
    ("It will take them 4 more hours.", "4"),
    ("He has 17 more than Ann.", "17"),
    ("The wrong way would be to add them; multiplying gives 17.", "17"),
    ("The answer is 17, because 18 is too large.", "17"),
    ("x = 17 (the negative root is impossible).", "17"),
    ("The probability is 1/6, or about 16.7%.", "1/6"),
    ("The answer is 17. Let me double check: 8 + 9 = 17. Yes.", "17"),
    ("\\boxed{17}\n\nNote: a common error is to answer 18, which is wrong.", "17"),
    ("The final result is negative five.", "-5"),
]


@pytest.mark.parametrize(("text", "answer"), STATED)
def test_what_only_looks_so_is_stated(text: str, answer: str) -> None:
    assert verify(text, answer).correct


RENEWED = [
    r"\boxed{17}. Hmm, wait. That is wrong, because we forgot zero. The answer is 18.",
    r"\boxed{17} Wait, I made an error. The answer is actually 18.",
    "The answer is 17. Oh wait, I made a mistake. It should be 18.",
    r"\boxed{17}. Actually, the answer is 18.",
]


@pytest.mark.parametrize("text", RENEWED)
def test_the_answer_that_takes_the_place_of_another_counts(text: str) -> None:
    assert extract_answer(text) == "18"
