"""What is stated: how strongly, as a whole, and not where words take it back."""

import json
from pathlib import Path

import pytest

from benchmarks.labels import filled
from verifier import extract_answer, verify, verify_many
from verifier.extraction.extract import extract
from verifier.extraction.statement import stated_in
from verifier.extraction.values import values_in

STRENGTHS = [
    (r"So it is \boxed{5}.", "boxed"),
    ("<answer>5</answer>", "boxed"),
    ("<|begin_of_box|>5<|end_of_box|>", "boxed"),
    (r"\answer{5}", "boxed"),
    ('{"answer": 5}', "stated"),
    ("The answer is 5.", "stated"),
    ("#### 5", "stated"),
    ("答案是5。", "stated"),
    ("Add them up.\n\n5", "stated"),
    ("Add them up.\n∴ x = 5", "stated"),
    ("So he has 5 apples left.", "weak"),
    ("They pay **$5** in all.", "weak"),
]


@pytest.mark.parametrize(("text", "strength"), STRENGTHS)
def test_each_place_has_its_strength(text: str, strength: str) -> None:
    found = extract(text)
    assert found.answer is not None
    assert found.strength == strength


@pytest.mark.parametrize(("text", "strength"), STRENGTHS)
def test_a_weaker_statement_than_required_is_not_decided(text: str, strength: str) -> None:
    order = ["boxed", "stated", "weak"]
    for require in order:
        enough = order.index(strength) <= order.index(require)
        expected = "correct" if enough else "unverifiable"
        assert verify(text, "5", require=require).status == expected  # type: ignore[arg-type]
    assert verify_many([(text, "5")], require="weak")[0].strength == strength


def test_an_unknown_strength_is_an_error() -> None:
    with pytest.raises(ValueError, match="boxed, stated, weak"):
        verify("5", "5", require="strong")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        r"<think>\boxed{7}",
        r"<think>\boxed{7}</think>",
        r"<think>\boxed{7}</think> I do not know.",
        r"<thinking>The answer is 7.</thinking>I don't know",
        r"<|begin_of_thought|>\boxed{7}<|end_of_thought|><|begin_of_solution|>I give up.<|end_of_solution|>",
        r"<|channel|>analysis<|message|>\boxed{7}<|end|><|start|>assistant<|channel|>final<|message|>I do not know.",
        r"<|channel|>analysis<|message|>\boxed{7}",
        r"analysisSo \boxed{7}.assistantfinalI do not know.",
        r"[THINK]\boxed{7}",
        r"◁think▷\boxed{7}◁/think▷",
    ],
)
def test_a_thought_states_nothing(text: str) -> None:
    assert extract_answer(text) is None
    assert not verify(text, "7").correct


@pytest.mark.parametrize(
    "text",
    [
        r"a thought</think>\boxed{7}",
        r"<think>\boxed{5}</think>The answer is 7.",
        r"<|channel|>analysis<|message|>\boxed{5}<|end|><|start|>assistant<|channel|>final<|message|>\boxed{7}<|return|>",
        r"analysisIt is 5.assistantfinal\boxed{7}",
        r"[THINK]\boxed{5}[/THINK]\boxed{7}",
        r"<think>a</think>\boxed{7}<think>b</think>",
        r"analysis of the cases gives \boxed{7}",
    ],
)
def test_what_is_said_outside_of_thoughts_counts(text: str) -> None:
    assert extract_answer(text) == "7"


@pytest.mark.parametrize(
    "text",
    [
        r"First \boxed{5} looks right. Then \boxed{",
        r"First \boxed{5} looks right. In the end \boxed{}",
        r"First \boxed{5}. Then \boxed{\frac{1",
        r"First \boxed{5}. Then \boxed{1",
        r"\boxed{5} or 7",
        r"It is not \boxed{5}.",
    ],
)
def test_a_torn_empty_or_doubted_last_box_leaves_none(text: str) -> None:
    assert extract_answer(text) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"The answer is $\boxed{\frac{1}{2}$", r"\frac{1}{2}"),
        (r"\boxed{\sqrt{2}", r"\sqrt{2}"),
        (r"$\boxed{5$ is it", "5"),
        (r"\boxed{8 \text{ not } \boxed{7}}", r"8 \text{ not }  7"),
        (r"\boxed{\boxed{7}}", "7"),
        ("(a) \\boxed{3}\n(b) \\boxed{5}", "3, 5"),
        ("Part 1: \\boxed{3}\nPart 2: \\boxed{5}", "3, 5"),
        ("We had \\boxed{3}.\nThen b is twice that, so \\boxed{5}", "5"),
        (r"It is \boxed{5}, not \boxed{7}.", "5"),
    ],
)
def test_boxes_without_a_brace_in_one_another_and_for_parts(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


WHOLE = [
    ("This gives √2.", "√2"), ("The value is 2^10.", "2^10"), ("The angle is π/2.", "π/2"), ("The point is (3, 4).", "(3, 4)"),
    ("The number is 3 + 4i.", "3 + 4i"), ("The line is y = 2x + 3.", "y = 2x + 3"), ("The remainder is 12 mod 7.", "12 mod 7"),
    ("It takes 1 1/2 hours.", "1 1/2 hours"), ("There are 6.022e23 of them.", "6.022e23"), ("The result is 10^{-3}.", "10^{-3}"),
    ("The interval is (3,4].", "(3,4]"), ("The set is {3, 4}.", r"\{3, 4\}"), ("The time is 3:45 PM.", "3:45 PM"),
    ("The odds are 3 to 4.", "3 to 4"), ("The legs are 3 and 4.", "3 and 4"), ("So 64 + 67 = **131**.", "131"),
    ("He makes 13 * $2 = $26 per day.", "26"), ("所以需要2米5厘米。", "2米 5厘米"), ("It costs $200,000 - $130,000 = $70,000.", "70,000"),
    ("The speed is 3×10^8 m/s.", r"3×10^8\text{ m/s}"), ("It is 5 m long.", r"5\text{ m}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "answer"), WHOLE)
def test_an_expression_in_prose_is_read_as_a_whole(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("In 7 days he runs 70 miles", "70 miles"),
        ("She sold 72 clips in 2 months", "72"),
        ("Since there are 3 boxes of 4, he has 12 apples", "12"),
        ("He pays $5 and $7, $12 in total", "$12"),
        ("共有3个班，每班40人，所以一共120人", "120"),
        ("Step 3 gives 12", "12"),
        ("The 3-digit number is 123", "123"),
        ("He makes $120 in 2 weeks", "$120"),
        ("The probability is 1 in 4", "1 in 4"),
        ("The farmer ends up with 18 goats out of the original 45", "18"),
        ("The jar holds 5 times as many red beads, i.e. 35", "35"),
        ("Each bag holds 4 pens, and since there are 28 pens, 7 bags are needed", "7"),
        ("Mark needs 23 pounds to make 4 small beds and 3 large beds", "23 pounds"),
        ("It takes 2.5 hours before they are 285 miles apart", "2.5 hours"),
        ("The total cost after noon is 133 dollars", "133 dollars"),
        ("We combine 5 and 7 to get 12", "12"),
        ("Kelly needs to buy 118 more games so that she will have 140 games", "118"),
        ("There are 10 stations that seat 2 students", "10"),
        ("The 12 bottles would last 2 days", "2 days"),
        ("He has 42 games left after giving away 64 games", "42"),
        ("The shop sold 6 t-shirts", "6"),
        ("She got 762 M&Ms", "762"),
        ("So the line is x-y = 3", "x-y = 3"),
        ("F = ma = 2.0 kg × 3.5 m/s² = 7.0 N", r"7.0\text{ N}"),
        ("The power is 1500 W = 1.5 kW", r"1.5\text{ kW}"),
        ("The line is y = 2x + 3", "y = 2x + 3"),
        ("So x = 3 or x = 7", "x = 3 or x = 7"),
        ("The school needs 9 buses, because 8 buses would carry 320 of the 350 students", "9"),
        ("So the 3 friends each pay $14", "$14"),
        ("Her new salary is $52,000 — that is, $4,000 more than before", "$52,000"),
        ("She needs 4 more apples", "4"),
        ("It is 12 cm by 7 cm", r"12\text{ cm} by 7\text{ cm}"),
        ("The volume is 12π cm³ ≈ 37.7 cm³", r"12π\text{ cm^3}"),
        (r"The energy is $\frac{1}{2}mv^2 = 100\ \text{J}$", r"100\ \text{J}"),
        ("Der Zug braucht also 2,5 Stunden", "2.5"),
        ("Das Ergebnis ist 1.250 Euro", "1250 Euro"),
        ("The length is 1.250 m", r"1.250\text{ m}"),
    ],
)
def test_the_words_around_several_numbers_say_which_is_meant(sentence: str, answer: str) -> None:
    assert stated_in(sentence).answer == answer


@pytest.mark.parametrize(
    "text",
    [
        "Ann has 3 apples and Bob has 5 apples.",
        "So there are 3 dogs and 5 cats.",
        "答：甲3个，乙5个。",
        "答：商是3，余数是5。",
        "Ann is 3 and Bob is 5.",
        "The answer is $3$ boys and $5$ girls.",
        r"You bought \( 3 \) discs that cost $10.50 and \( 5 \) discs that cost $8.50.",
        "He sold 3 pens at $35 each and 5 pens at $45 each.",
        "He invests 3 dollars at 4% and 5 dollars at 3% to earn $550.",
    ],
)
def test_two_quantities_are_no_answer_and_no_error(text: str) -> None:
    assert [verify(text, gold).status for gold in ("3", "5")] == ["unverifiable"] * 2


CHANGED = [
    "It is more than {}.", "It exceeds {}.", "It is at least {}.", "It is at most {}.", "It is anything but {}.",
    "It is the negative of {}.", "It is half of {}.", "It is a multiple of {}.", "It is not {}.", "It can't be {}.",
    "It may be {}.", "Maybe it is {}.", "Is it {}?", "It is {} or more.", "It is 3 more than {}.", "It is {} more than 3.",
    "The answer is other than {}.", "The answer is divisible by {}.", "The answer is never {}.", "The answer is close to {}.",
    "所以大于{}。", "答：至少{}个。", "答案不是{}。", "答：比{}多3。", "答：{}以上。", "所以是{}的相反数。", "<answer>not {}</answer>",
    "<answer>maybe {}</answer>", "The answer is unknown; {} is a guess.", "I do not know. It could be {}.",
]  # fmt: skip


@pytest.mark.parametrize("template", CHANGED)
def test_what_is_doubted_denied_compared_or_changed_does_not_count(template: str) -> None:
    for value in ("7", "0.25", r"\frac{3}{4}"):
        assert not verify(template.format(value), value).correct


@pytest.mark.parametrize(
    "text",
    [
        "How many more? She needs 7 more apples.",
        "It is exactly 7.",
        "The least number that is more than 6 is 7.",
        "The number of possible outcomes is 7.",
        "The answer is 7, not 8.",
        "所以最大值是7。",
        "所以最多可以装7个。",
    ],
)
def test_words_that_only_stand_near_change_nothing(text: str) -> None:
    assert verify(text, "7").correct


def test_hedges_are_never_accepted(shared_dir: Path) -> None:
    data = json.loads((shared_dir / "verifier" / "hedging.json").read_text(encoding="utf-8"))
    texts = [(filled(t, gold, wrong), gold) for gold, wrong in data["values"] for t in data["templates"]]
    assert [text for text, gold in texts if verify(text, gold).correct] == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Réponse : 12", "12"), ("La respuesta final es: 12", "12"), ("Die Antwort lautet 12.", "12"), ("Risposta: 12", "12"),
        ("A resposta é 12.", "12"), ("Ответ: 12", "12"), ("Odpowiedź: 12", "12"), ("Cevap: 12", "12"), ("Jawaban: 12", "12"),
        ("Đáp án: 12", "12"), ("答えは12です。", "12"), ("정답: 12", "12"), ("答：12。", "12"), ("الجواب هو 12", "12"),
        ("उत्तर: 12", "12"), ("คำตอบคือ 12", "12"), ("Ans: 12", "12"), ("__Answer__: 12", "12"), ("Result: 12", "12"),
        ('The answer is "12".', "12"),
        ("Thus, our answer is verified and is:\n\n\\[\n12\n\\]", "12"), ("So the answer remains:\n\n12", "12"),
        ('The answer to the question "How far?" is $12$.', "12"), ("The answer is verified: Tom can buy $12$ pens.", "12"),
        ("The answer is minus 12.", "minus 12"), ("The answer is π/3.", "π/3"), ("The answer is x > 4.", "x > 4"),
        ("The answer is 12.\n\nWould you like to see a chart as well?", "12"),
    ],
)  # fmt: skip
def test_answer_phrases(text: str, answer: str) -> None:
    found = extract("We reason.\n" + text)
    assert (found.answer, found.strength) == (answer, "stated")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("First compute 6*7.\n42", "42"), ("Some text.\n\n3/4", "3/4"), ("Some text.\n\nx = 3", "x = 3"),
        ("Some text.\n\\[\nx = 5\n\\]", "x = 5"), ("x = 5, QED", "x = 5"), ("The roots are:\n\n- $x = 1$\n- $x = 6$", "x = 1, x = 6"), ("Some text.\n= 5", "5"), ("Some text.\n**42**", "42"),
    ],
)  # fmt: skip
def test_the_last_line_alone_is_an_answer(text: str, answer: str) -> None:
    found = extract(text)
    assert (found.answer, found.strength) == (answer, "stated")


@pytest.mark.parametrize(
    "text", ["Steps:\n1. Add.\n2.", "| x | y |\n|---|---|\n| 1 | 5 |", "Then:\n- 3 and so on we go"]
)
def test_a_list_marker_and_a_table_are_no_last_line(text: str) -> None:
    assert extract(text).strength in (None, "weak")


@pytest.mark.parametrize(
    ("text", "gold", "correct"),
    [
        (r"\boxed{B. A triangle}", "B", True),
        (r"\boxed{E: \text{A score}}", "E", True),
        ("The answer is (D) A and B only.", "D", True),
        ("Answer: rules out C, leaving D", "D", True),
        ("I would go with C", "C", True),
        ("Option C is correct because A, B and D fail.", "C", True),
        ("D, it makes no sense for it to be A or B", "D", True),
        ("\\boxed{x < 3}\n\n**Answer: D**", "D", True),
        (r"\boxed{c}", "C", True),
        (r"\boxed{A. B}", "A", False),
        ("The answer is A, maybe B", "A", False),
        ("The answer is (A) or (B)", "A", False),
        ("Rule out C.", "C", False),
        ("The answer isn't C.", "C", False),
        ("If the sign were reversed the answer would be C.", "C", False),
        ("If x is even, then the answer is C.", "C", True),
        (r"\boxed{B. A triangle}", "A", False),
    ],
)
def test_choices_with_their_text(text: str, gold: str, correct: bool) -> None:
    assert verify(text, gold).correct is correct


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        ("a is 5 and x is 3y", ["5", "3y"]),
        ("The value of x (that is, 3 groups of 4) is 12", ["12"]),
        ("P(A) = 1/2", ["P(A) = 1/2"]),
        ("I think 5km", [r"5\text{ km}"]),
        ("max(7, 3) is seven", ["max(7, 3)"]),
    ],
)
def test_values_are_told_from_words(sentence: str, values: list[str]) -> None:
    assert [value.text for value in values_in(sentence)] == values


@pytest.mark.parametrize(
    ("text", "gold", "status"),
    [
        ("**Yes**, the function is continuous at 0.", "Yes", "correct"),
        ("No, since 7 is prime and 2 does not divide it.", "No", "correct"),
        ("So the statement is true.", "True", "correct"),
        ("Hence the claim is not always true.", "False", "correct"),
        ("So the statement is not true.", "True", "incorrect"),
        ("Perhaps yes, the function is continuous at 0.", "Yes", "unverifiable"),
        ("Whether the statement is true depends on n.", "True", "unverifiable"),
        ("Yes, he has 5 apples.", "5", "correct"),
    ],
)
def test_yes_and_no_are_read_where_they_are_asked_for(text: str, gold: str, status: str) -> None:
    assert verify(text, gold).status == status


def test_boxes_of_numbered_parts_are_one_list() -> None:
    assert extract(r"**(i)** $\boxed{2}$ and **(ii)** $\boxed{-5}$").answer == "2, -5"
    assert extract(r"\boxed{2} is not \boxed{-5}").answer != "2, -5"


def test_a_word_that_is_only_named_is_not_called_wrong() -> None:
    assert verify("所以,该多边形是八边形。", "八边形").status == "unverifiable"
    assert verify("所以,该多边形是六边形。", "八边形").status == "incorrect"


def test_another_value_of_the_sentence_proves_nothing() -> None:
    said = "He pays $12 for 4 of the 9 tickets."
    assert [verify(said, gold).status for gold in ("12", "4", "9", "5")] == [
        "correct",
        "unverifiable",
        "unverifiable",
        "incorrect",
    ]


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("So the probability that both are red is 3⁄10.", "3/10"),
        ("- **x** = 8\n- **y** = 13", "x=8, y=13"),
        ("答案：(1) 3；(2) 5", "3, 5"),
        ("即 x=3 或 x=-1", "3,-1"),
    ],
)
def test_layouts_of_one_or_two_values(text: str, gold: str) -> None:
    assert verify(text, gold).correct


def test_bullets_with_one_name_for_several_values_are_no_list() -> None:
    assert not verify("- x = 8\n- x = 13", "x=8, x=13").correct


DENIALS = [
    "no",
    "no longer",
    "not",
    "not necessarily",
    "never",
    "neither",
    "nor",
    "hardly ever",
    "by no means",
    "no way that it",
    "hardly",
    "can't",
    "couldn't be",
    "isn't",
    "wasn’t",
    "aren't",
    "doesn't",
    "don't",
    "didn't",
    "won't",
    "wouldn't",
    "mustn't",
    "can not be",
    "cannot",
    "unlike",
    "anything but",
    "far from",
    "except",
    "except for",
    "excluding",
    "rules out",
    "ruled out",
    "instead of",
    "rather than",
    "other than",
    "different from",
    "differs from",
    "no es",
    "non è",
    "não é",
    "n'est pas",
    "nicht",
    "kein",
    "не",
    "不是",
    "并非",
    "并不是",
    "不等于",
    "不为",
    "不可能是",
    "maybe",
    "perhaps",
    "possibly",
]


@pytest.mark.parametrize("words", DENIALS)
def test_a_box_under_any_word_of_denial_or_doubt_is_not_accepted(words: str) -> None:
    assert verify(f"Thus it is {words} \\boxed{{5}}.", "5").status != "correct"
    assert verify(f"It is 5 in all, {words.upper()} $\\boxed{{5}}$.", "5").status != "correct"
