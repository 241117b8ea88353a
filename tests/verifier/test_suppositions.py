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
    "It is false that the answer is 17.",
    "There is no reason to believe the answer is 17.",
    "According to my friend, the answer is 17.",
    "Someone on a forum wrote that it is 17.",
    "Assume x=17. Then both sides differ.",
    "It's 17 plus something.",
    "He is 17 years younger than the answer.",
    "In the other case the answer would be 17.",
    "The answer is conjectured to be 17.",
    "It would be a mistake to answer 17.",
    "Some people get 17.",
    "Let's try n = 17.",
    "Next we consider n = 17.",
    "接下来检验n=17。",
    "If the shop had been open, the answer would be 17.",
    "The answer, were x even, would be 17.",
    "The textbook lists 17.",
    "Someone told me it is 17.",
    "I remember the number 17 from class.",
    "The possible answers include 17.",
    "The answer is a two-digit number whose units digit is 17.",
    "The answer, divided by 4, is 17.",
    "Nobody could get 17 from this.",
    "As an upper estimate, take 17.",
    r"\boxed{17} is what I'd get by ignoring friction, which is not allowed here.",
    r"\boxed{17} would be right if the coin were fair.",
    "有同学算得17,这是错误的。",
    "若把边界算上,答案就是17,但题目不允许。",
    "答案的个位数是17。",
    "The code raised an error; had it worked, it would print 17.",
    "My final answer was 17 in the previous attempt.",
    "If the pattern continues, it would be 17.",
    "The formula would predict 17; the experiment disagrees.",
    "I am told it's 17.",
    "The answer to the previous question was 17.",
    "Let x be 17.",
    "Some books give 17.",
    "One could argue for 17.",
    "I started from 17 as a trial value.",
    "As an example, take n = 17.",
    "Take 17, say.",
    "The solver crashed after printing 17.",
    "Our bound is 17.",
    "The last two digits of the answer are 17.",
    "The average of the two answers is 17.",
    "If you forget to carry, you obtain 17.",
    "By mistake I got 17.",
    "The first approximation is 17.",
    "When x=0 the value is 17, but in general it differs.",
]
MENTIONED = [
    "The number 17 keeps coming up, yet nothing is settled.",
    "We have shown that 17 does not work.",
    "Trying 17 gives a contradiction.",
    "So 17 is excluded.",
    "17 is ruled out.",
    "Any number but 17 works.",
    "**17** is what you would get by ignoring the sign.",
    "So 17 divides n.",
    "Not every number works; 17 for instance does not.",
    "17不符合题意。",
    "17舍去。",
    "排除17。",
    "不止17个。",
]
OPEN = [
    "Probably 17.",
    "Likely 17.",
    "It seems to be 17.",
    "It looks like 17, although I haven't verified it.",
    "As a rough estimate, 17.",
    "It might well be 17.",
    "17, give or take.",
    "The answer is 17, I believe, but I can't verify it.",
    "I computed 17, however the program crashed, so no answer.",
    "答案不确定，可能17",
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
    "The total is roughly between 16 and 18, so 17 on average.",
    "Das Ergebnis ist vermutlich 17.",
    "Наверное, ответ 17.",
    "I'd lean to 17.",
    r"\boxed{17} (wrong)",
    "答案不会是17。",
]
TAKEN_BACK = [
    "It is 17, though I get something else.",
    "We get 17 when we forget the carry.",
    "Answer: 17 (this is a placeholder).",
    "有人说答案是17，但这是错的。",
    "There is a 17% chance I'm right.",
    "17, unless I've mixed up the signs.",
    "My first attempt gave 17, which turned out to be wrong.",
    "It is tempting to say 17, but that ignores the overlap.",
    "So we have 17, but there are two more cases to count.",
    "The textbook gives 17 but I believe that is a typo.",
    "小明说答案是17，但他错了。",
    "The answer is 17. Wait, that is wrong.",
    r"\boxed{17}. Hmm, that can't be right.",
    r"\boxed{17}" + "\n\nOh no, I made a mistake.",
    "They get 17. I disagree.",
    r"\boxed{17}" + "\n\nWait, I misread the problem. The value should be computed differently.",
    r"\boxed{17}" + "\n\nEdit: this is incorrect, see below.",
    r"\boxed{17}" + "\n\nVerification: 17 × 3 = 51, but the total should be 54, so this is not consistent.",
]
ANOTHER_NUMBER = [
    "不到17",
    "The answer is 17 times some constant.",
    "It's almost 17.",
    "The answer is by no means 17.",
    "The answer is not necessarily 17.",
    "The answer is in the ballpark of 17.",
    "The answer is the 17th prime.",
    "The answer is the sum of the first 17 integers.",
    "The answer is 17 to the power of n.",
    "The answer is 17 for even n and 18 for odd n.",
    "The answer would be 17 under a different reading.",
    "So it's greater or equal to 17.",
    "So n is coprime to 17.",
    r"\boxed{17}\text{ is wrong}",
    r"\boxed{17} was my earlier answer; the right one is 18.",
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
    "差一点就是17。",
    "若为17则不合题意。",
    "Answer: either 17 or its negative.",
    "Final answer: TBD, tentatively 17",
    "~~17~~ 18",
    "至多有17个。",
    r"\boxed{17 \text{ (guess)}}",
]


@pytest.mark.parametrize("text", SUPPOSED + MENTIONED + OPEN + TAKEN_BACK + ANOTHER_NUMBER)
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
    ("Thus 17 is the answer.", "17"),
    ("The most likely number is 17.", "17"),
    ("All are equally likely, so the probability is 1/6.", "1/6"),
    ("因此最大值为 17，当且仅当 x=3 时取到。", "17"),
    ("The answers are 3 and 17.", "3, 17"),
    ("Final answer:\n```\n17\n```", "17"),
    ("If he had 3 more, he would have 17.", "17"),
    ("There are 17 ways if we ignore the order.", "17"),
    ("There is a 17% chance of rain.", "17%"),
    ("It takes them two and a half hours.", "2.5"),
    ("So the fraction is one half.", "1/2"),
    ("So 17 apples are left.", "17"),
    ("Hence n = 17 works, and it is the smallest such number.", "17"),
    ("Substituting 3 gives 17.", "17"),
    ("The maximum is 9, which occurs when x = 3.", "9"),
    ("The answer is that she has 17 dollars left.", "17"),
    ("So we conclude that the final answer is 17.", "17"),
    ("The answer we are looking for is 17.", "17"),
    ("Therefore, the error in the position increases by 100%.", "100%"),
    ("The average guess of the 5 friends is 80.", "80"),
    ("The number is between 16 and 18, so it is 17.", "17"),
    (r"\boxed{17} is what we get.", "17"),
    (r"\boxed{17}" + "\n\nVerification: 17 × 3 = 51 ✓", "17"),
    ("Answer: ~~12~~ 17", "17"),
    ("After checking all cases, only 17 works.", "17"),
    ("It turns out that the answer is 17.", "17"),
    ("At that rate it will take 17 days.", "17"),
    ("The bound is attained, so the maximum is 17.", "17"),
    ("Either way, the total is 17.", "17"),
    ("So 17 people will come unless it rains.", "17"),
    ("The leaning tower is 17 metres tall.", "17"),
    (r"\boxed{17} (the other root is negative)", "17"),
    ("Ce n'est pas 15 mais 17.", "17"),
    ("答えは 12 ではなく 17 です。", "17"),
    (r"The minimum is $4\sqrt{2}$, attained iff $a=b=\sqrt2$.", r"4\sqrt2"),
    ("The textbook lists 18, but recounting shows the answer is 17.", "17"),
    ("经检验,x=17是原方程的解。", "17"),
    ("x=7舍去,所以x=17。", "17"),
    ("所以答案的值是17。", "17"),
    ("The answer is sqrt(2)/2.", r"\frac{\sqrt2}{2}"),
    ("The answer is x**2 - 4*x + 7.", "x^2-4x+7"),
    ("The answer is -pi/6.", r"-\frac{\pi}{6}"),
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


TWO_NUMBERS = [
    r"We get \boxed{17}." "\n\nThe answer is 18.",
    r"We get \boxed{17}." "\n\n**Answer:** 18",
    r"We get \boxed{17}." "\n\n#### 18",
    r"First the sum is \boxed{17}. Then we add one. The final answer is 18.",
]


@pytest.mark.parametrize("text", TWO_NUMBERS)
def test_a_box_and_a_later_phrase_that_says_another_number_state_neither(text: str) -> None:
    assert extract_answer(text) is None


BOX_STANDS = [
    (r"\boxed{1200}. The answer is 1,200.", "1200"),
    (r"\boxed{120} minutes. The answer is 2 hours.", "120"),
    (r"\boxed{3}. The answer is 2.9, rounded.", "3"),
    (r"\boxed{17}. The answer to part (a) is 3.", "17"),
    (r"\boxed{17}. The number of ways is 12, and the answer is 17.", "17"),
]


@pytest.mark.parametrize(("text", "answer"), BOX_STANDS)
def test_a_box_stands_above_a_phrase_that_agrees_or_answers_something_else(text: str, answer: str) -> None:
    assert extract_answer(text) == answer
