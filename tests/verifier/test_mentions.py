"""A value of which a sentence only speaks is not what it states, and the verdict on such a sentence stays open."""

import pytest

from verifier import verify

AS_SUBJECT = [
    "must be rejected", "is an extraneous root", "cannot hold", "fails", "is too small", "overshoots the target",
    "gives a contradiction", "isn't a solution", "doesn't fit", "is what most people answer", "is a trap",
    "is the answer to a different question", "remains to be checked", "has not been proved", "looks plausible",
    "never occurs", "contradicts the second condition", "will not do", "turned out to be wrong",
]  # fmt: skip


@pytest.mark.parametrize("predicate", AS_SUBJECT)
@pytest.mark.parametrize("value", ["17", "x = 17", "$x=17$"])
def test_a_value_of_which_something_else_is_said_is_not_stated(value: str, predicate: str) -> None:
    assert verify(f"{value} {predicate}.", "17").status == "unverifiable"


MENTIONED = [
    "For 17 the equation fails.",
    "Only for 17 the equation holds.",
    "When x = 17, the fraction is undefined.",
    "There isn't enough information; with n = 17 it would work.",
    "It's not the case that the answer equals 17.",
    "I refuse to give 17 as the answer.",
    "Never answer 17.",
    "Prove that x = 17.",
    "There is no proof that x = 17.",
    "The conjecture is that x = 17.",
    "My classmate got 17.",
    "Another solver obtained 17.",
    "Her answer: 17.",
    "Draft answer: 17.",
    "Student's answer: 17",
    "Its square is 17.",
    "The estimate misses by 17.",
    "The answer is 17 too small.",
    "The answer is 17 away from 20.",
    "The answer is 17, but don't quote me.",
    "The answer is 17, if I recall correctly.",
    "The answer is 17 to the best of my knowledge.",
    "The answer is 17 (unverified).",
    "The answer is 17, which is absurd.",
    "The answer is 17, but it should be larger than 20.",
    "The answer is 17, give or take.",
    "Hypothetically, 17.",
    "Upwards of 17.",
    "At best 17.",
    r"\boxed{17\text{ excluded}}",
    "17 sounds about right.",
    "17 feels right.",
    "You'd think it's 17. It isn't.",
    "All 17 attempts failed.",
    "We still have to add 17.",
    "Add 17 to get the answer.",
    "Subtract 17 from the total to find the answer.",
    "The first of them is 17.",
    "For instance, 17.",
    "An example is 17.",
    "Answer: 17 (if we count zero), else 16",
    "So x cannot equal 17.",
    "So x may equal 17.",
    "So x is one of 3, 17.",
    "So we reject 17.",
    "So it doubles 17.",
    "So it is 17 short of 20.",
    "It used to be 17.",
    "Assuming 17, we get a contradiction.",
    "Replace 17 with 3.",
    "The answer is 17 only when x > 3.",
    "The answer is said to be 17.",
    "<answer>3</answer> or <answer>17</answer>",
    r"\boxed{17 \text{ (unverified)}}",
    r"\boxed{17 \text{ days ago}}",
    r"\boxed{17 \text{ for every } 3}",
    "所以不能取17。",
    "不妨设x=17。",
    "若取17，则不成立。",
    "17显然不对。",
    "把17代入检验。",
    "小明说答案是17。",
    "据说答案是17。",
    "错误答案：17",
    "小红的答案：17",
    "答案是17才怪。",
    "17这个答案是错的。",
    "x=17是增根。",
    "很难说答案是17。",
    "答えは17ではありません。",
    "Creo que es 17, pero no estoy seguro.",
    "Dudo que sea 17.",
    "Paul dit que la réponse est 17.",
    "Je doute que ce soit 17.",
    "Peter sagt, die Antwort ist 17.",
    "Fast 17.",
]


@pytest.mark.parametrize("text", MENTIONED)
def test_what_is_only_mentioned_is_left_open(text: str) -> None:
    assert verify(text, "17").status == "unverifiable"


STATED = [
    "x = 17 is the only solution.",
    "17 is the smallest such number.",
    "n = 17 works.",
    "Hence $x=17$ satisfies the equation.",
    "17 apples remain.",
    "17 students must be absent.",
    "So 17 more chairs will be needed.",
    "After 17 weeks Lily will have saved enough.",
    "In 17 days they finish.",
    "The maximum occurs at x = 17.",
    "The function is undefined at x = 17.",
    "This shows that x = 17.",
    "This tells us that x = 17.",
    "It is clear that x = 17.",
    "Therefore we can say that x = 17.",
    "My friend has 17 apples.",
    "The answer is 17!",
    "The answer is 17; 3 would be wrong.",
    "3 fails, so x = 17.",
    "<answer>3</answer> is wrong, <answer>17</answer>",
    "The value is 17 ≈ 17.02.",
    "Tom needs to add 17 blocks.",
    "Add them: 8 + 9 = 17.",
    "Then we round up to 17.",
    "Now we add the two to get 17.",
    "One of the twins is 17 years old.",
    "The smallest of them is 17.",
    "Thus, 17 people got on the bus.",
    "17 women stayed.",
    "Each of the friends pays 17.",
    "The number of girls who are not in the club is 17.",
    "It does not include the driver, so there are 17 people.",
    "The room is 17 feet longer than it is wide.",
    "There are 17 fewer boys than girls.",
    "The Lees were 17 miles away from their home.",
    "I think the answer is 17.",
    "The probability that both dice show a five is 17.",
    "The number that is one less than twice its reciprocal is 17.",
    "The answer is 17, not 18.",
    "Our solution 17 is correct.",
    "The last step answers the question: How many apps are left?\n\n17",
    "We have the answer to the question: How many apps are left?\n\n17",
    "也就是说，答案是17。",
    "换句话说，x=17。",
    "所以这道题的正确答案是17。",
    "我们得到的最终答案是17。",
    "当x=17时取得最大值。",
    "说明这个数是17。",
    "Die Antwort lautet 17.",
    "Por lo tanto, quedan 17 manzanas.",
]


@pytest.mark.parametrize("text", STATED)
def test_a_plain_statement_beside_these_counts(text: str) -> None:
    assert verify(text, "17").correct


def test_one_of_two_quantities_that_the_gold_lists_is_not_called_wrong() -> None:
    text = "She mixes 100 milliliters of the 7% solution with 200 milliliters of the 4% solution."
    assert verify(text, "100, 200").status == "unverifiable"
    assert verify(text, "150, 250").status == "incorrect"


def test_bullets_below_a_heading_that_names_the_answers_are_one_list() -> None:
    assert verify("Results:\n- 24 cm\n- 36 kg", "24 cm, 36 kg").correct
    assert not verify("Steps:\n- 24 cm\n- 36 kg", "24 cm, 36 kg").correct


def test_a_number_with_an_exclamation_mark_may_be_a_factorial() -> None:
    assert verify("The answer is 5!", "120").status == "unverifiable"
    assert verify("The answer is $5!$", "120").correct
    assert verify("The answer is 5!", "7").status == "incorrect"


def test_what_is_far_off_is_no_rounding() -> None:
    assert not verify("So 17 ≈ 3.", "17").correct


def test_an_equation_with_numbers_before_it_does_not_name_a_vector() -> None:
    assert not verify(r"\boxed{2x = (2,3)}", "(2,3)").correct
    assert verify(r"\boxed{v = (2,3)}", "(2,3)").correct
