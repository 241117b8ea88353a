r"""Clauses in which a value is only supposed, expected or said by others, and sentences that take one back.

"Suppose the answer is 5", "a student claimed that it is 5", "5, which turned out to be wrong", "Wait, I made a
mistake": none of these states 5. Words that touch a value are in ``verifier.extraction.doubt``.
"""

from __future__ import annotations

import re

from verifier.patterns import pattern

MAX_CLAUSE = 160  # characters on either side of a value in which a clause supposes it or takes it back

# "assume that the answer is"; "assuming a constant speed" is left alone.
_SUPPOSING = (
    r"\b(?:suppose|assume|imagine|pretend)\s+(?:that\b|it\b|the\b|we\b|for\b|\$?[a-zA-Z]\s*=)"
    r"|\b(?:suppos(?:e|ing)|assum(?:e|ing)|imagine|pretend|let)[\s$(\\]*\Z|\blet\s+\$?\\?[a-zA-Z]\w*\$?\s+(?:be|denote|equal)\b"
    r"|\bif\s+(?:it|this|that|the\s+answer)\s+(?:is|was|were)\b|如果|假如|假设|假定|要是|是否"
    r"|(?:不妨设|[设令]|若取|假如取)[\s$]*\Z"
)
# "A student claimed that it is", "The book mentions", 小明认为; "I think it is" and "the problem says" are left alone.
_OWN = r"(?:can|may|must|to|I|we|you|problem|question|statement|theorem|rule|formula|it|which|that|this)"
_SAYING = (
    r"(?:claim(?:s|ed)|says?|said|thinks|thought|believe[sd]|argue[sd]|insist(?:s|ed)|guess(?:es|ed)"
    r"|answered|mention(?:s|ed)|wrote|writes|suggest(?:s|ed))"
)
# What is said; "said goodbye to" is left alone.
_SAID = r"(?:that|the|it|h?e|she|they|his|her|this|\W*\d|[\"“$\\x])"
_OTHERS = (
    rf"\b(?!{_OWN}\b)[A-Za-z]+\s+(?:\w+ly\s+|has\s+)?{_SAYING}(?:(?=\s+{_SAID})|\s*\Z)|\bhas\s+it\s+that\b"
    r"|\b(?:problem|question|\w*book|sheet|key)\s+(?:mentions|gives|lists)\b|\btold\s+(?:me|us|him|her|them)\b|\b(?:am|was|been)\s+told\b|\bI\s+(?:vaguely\s+)?(?:remember|recall)\b"
    r"|\b(?:answers?|values?|solutions?|options?|candidates?)\s+includ\w+|(?<![我们])(?:认为|觉得|以为)|(?<!是)(?<!句话)(?<![来地般])说(?!明)|听说|传言|难道|误[得以认]|没有?证据|\A(?:要|需要?|请|试|来|先|只需|为了)(?:证明|验证|检验)|有(?:些?人|的?同学|学生)"
)
# "One might expect", "at first glance", "my first attempt gave", "so far we have"; "at first he had 5" and "he has run
# 5 miles so far" are left alone.
_EXPECTING = (
    r"(?:\b(?:might|may|would|could)|['’]d)\s+(?:\w+ly\s+)?(?:expect|think|guess|say|answer|assume|believe|conclude|suspect|predict|suggest|argue)\b"
    r"|\btempt(?:ing|ed)\b|\bat\s+first\s+(?:glance|sight)\b|\bna[iï]ve(?:ly)?\b|\b(?:supposed|meant)\s+to\b"
    r"|\bso\s+far\s+(?:we|I)\b|\b(?:my|our|a|the)\s+first\s+(?:attempt|try|guess|thought|approximation|estimate)\b"
    r"|\b(?:our|an?(?:\s+(?:upper|lower|crude|rough|trivial))?|the\s+(?:trivial|upper|lower|naive))\s+bound\s+(?:\w+\s+\w+\s+)?(?:is|of|gives)\b|\A\W*(?:say|call\s+it)\s+[$(\\]*\Z|\A\W*(?:now\s+)?take\s+(?:\$?[a-zA-Z]\s*=\s*)?\$?\Z"
)
# "A common mistake is", "whether it is", "nobody could get", 答案的个位数是; "no doubt it is" and 答案的值是 are not.
_FAULTY = (
    r"\b(?:wrong(?:ly)?|incorrect(?:ly)?|mistaken(?:ly)?)\b|\b(?:mistake|error)\s+(?:is\s+)?to\b|\bwhether\b|\bcandidate\s+(?:is|are)\b"
    r"|\b(?:some|many|most|other)\s+(?:people|students|sources|books|textbooks)\s+(?:get|answer|say|think|would|might|write|give|list|have)\b"
    r"|\bno(?:thing|body|ne|\s+one)\s+(?:here|proves|shows|says|of\s+this|can|could|would|should|gets?)\b|答案的(?!值|结果)"
    r"|(?<!no )(?<!\ba )\bdoubt(?:s|ed)?\b|\bnot\s+convinced\b"
    r"|\b(?:not\s+true|untrue|false)\s+that\b|\b(?:reject|exclud|discard|eliminat|dismiss|avoid|ignor)(?:s|e[sd]?|ed|ing)?\b"
    r"|\bcrash(?:ed|es)\b|\btimed\s+out\b|\bby\s+(?:mistake|error|accident)\b|\bof\s+(?:the\s+)?(?:\w+\s+)?answers\b"
    r"|\banswer\s+(?:to|of|for)\s+(?:the|an?)\s+(?:previous|earlier|other|different|similar)\b"
    # "The answer has", "approaches", "used to be"; "the answer is", "must be" and "to the question" are left alone.
    r"|\banswer\s+(?!(?:is|was|are|equals?|must|should|will|would|comes|becomes|turns|therefore|then|thus|here"
    r"|to|for|of|in|as|we|you)\b)[a-z]+\b"
)
# These reach over a comma: "Had we counted twice, it would be", "Unless I am wrong, it is", "If this is true,"
# "According to my friend, it is", "The answer, divided by 4, is", "As an upper estimate, 5"; "according to the table"
# and "the answer, in cm, is" are left alone.
_ON_CONDITION = (
    r"(?:(?:\A|[;,—])\W*(?:had|were)\s+(?:I|we|you|he|she|it|they|the|there)\b|\bunless\b"
    r"|如果[^。]*(?=答案)|\baccording\s+to\s+(?:my|a|an|some|him|her|them|[A-Z](?-i:[a-z]+))\b"
    r"|\banswer,\s+(?:when\s+|if\s+)?(?:divided|multiplied|increased|decreased|reduced|squared|cubed|doubled|halved|plus|minus|times)\b"
    r"|\bas\s+an?\s+(?:\w+\s+){0,2}(?:estimate|guess|bound|approximation|placeholder|example|illustration|trial)\b"
    r"|\b(?:(?:dice|afirma|dit|affirme|diz)\s+que|(?:sagt|behauptet),)|говорит|утверждает|\bif\s+(?:you|we|one|I|they)\s+(?:forget|ignore|neglect|overlook|misread)\b"
    r"|\bif\b(?=[^,;]*\b(?:holds?|(?:is|are|was|were)\s+(?:true|right|correct))\b))[^.。!?\n]*\Z"
)
# "Let me check 5", "next we consider n = 5": what is to be done; "substituting 3 gives 5" is left alone.
_INTENDING = (
    r"(?:\b(?:let(?:['’]s|\s+(?:me|us))|try(?:ing)?|consider(?:ing)?|check(?:ing)?|test(?:ing)?|substitut(?:e|ing)"
    r"|plug(?:ging)?(?:\s+in)?|comput(?:e|ing)\s+the\s+\w+\s+(?:for|at))\b"
    r"(?:(?!\b(?:gives?|get|is|are|yields?|equals?|have|obtain|find|makes?|shows?)\b)[^=,;:])*"
    r"|(?:检验|代入|考虑|尝试)[^，,得是为]*)\Z"
)
_SUPPOSED = pattern(
    rf"{_INTENDING}|(?:{_SUPPOSING}|{_OTHERS}|{_EXPECTING}|{_FAULTY})(?:[^,;，；.。!?\n]|\.(?=\d))*\Z|{_ON_CONDITION}",
    re.IGNORECASE,
)


# Each clause above has one of these in small letters; they are found faster.
_TELLTALES = (
    "ppos", "assum", "imagin", "pretend", "if ", "claim", "wrote", "writes", "uggest", "say", "said", "think",
    "thought", "believ", "argue",
    "insist", "guess", "told", "remember", "recall", "includ", "answer", "mention", "gives", "lists", "expect",
    "conclude", "suspect", "tempt", "glance", "sight", "naiv", "naïv", "meant to", "so far", "first", "wrong",
    "incorrect", "mistake", "error", "whether", "doubt", "convinced", "unless", "would", "had ", "were ",
    "ccording", "has it", "true", "false", "reject", "exclu", "discard", "eliminat", "dismiss", "avoid", "ignor",
    "let", "try", "consider", "check", "test", "substitut", "plug", "comput", "candidate", "people", "students",
    "take", "crash", "timed", "mistake", "accident", "argue", "example", "illustration", "trial",
    "sources", "books", "predict", "nothing", "none", "no one",
    "nobody", "estimate", "bound", "approximation", "placeholder",
    "设", "令", "若取", "检验", "代入", "考虑", "尝试", "如果", "假", "要是", "是否", "认为", "觉得", "以为",
    "有人", "有些", "有同", "有的", "有学", "答案的", "说", "答", "传言", "难道", "误", "证",
    "dice que", "afirma", "dit que", "affirme", "sagt", "behaupt", "diz que", "call", "говорит", "утвержд",
)  # fmt: skip


# What may stand between the last comma and "answer" where a text states its own: "So I think that the correct".
_LEAD_WORDS = (
    "the a an our my this that these which it i we you can could conclude deduce find see know have get obtain say"
    " state believe think confident am is was as so thus hence therefore then and now finally consequently accordingly"
    " ultimately overall again also in conclusion summary short fact result all means implies shows gives follows"
    " correct right exact final numerical numeric simplified required desired requested expected complete only unique"
    " best turns out but yet shown deduce infer deduced inferred tells us proves note observe notice confirms"
    " confirm equation calculation computation clear"
    " substitution substituting recounting recalculating recomputing rechecking"
    " clearly obviously definitely certainly surely indeed no doubt there actual actually integer whole"
)
_LEADS = frozenset(_LEAD_WORDS.split())
_ANSWER = pattern(
    r"\banswer(?:\s+(?:is|are|was|should|must|will|would)\b|\s*[:=])|答案?\s*(?:[是为:：]|应)", re.IGNORECASE
)
_CLAUSE_END = pattern(r"[,;:，；\])}]|\b(?:so|thus|therefore|hence|then)\b", re.IGNORECASE)
_LEAD_WORD = pattern(r"[^\W\d_]+")
# 所以我们认为这道题的正确; 小明的 and 错误 are left alone.
_CHINESE_LEAD = pattern(
    "(?:所以|因此|因而|故|从而|于是|那么|则|即|就|综上所述|综上|由此|可[得知见]|得[到出]?|我们|我|认为|觉得|也就是说|换句话说|总之|显然"
    "|最终|最后|最|正确|标准|完整|这道?|那道?|本|该|此|题目|题|问题|选项|计算|结果|经过?|检验|验证|后|其|它|的|[A-J是为])+"
)


def is_led(before: str) -> bool:
    """Whether what stands before "answer" in its sentence lets the sentence state one.

    "So we conclude that the final answer is" does; "there is no reason to believe the answer is" does not.
    """
    last = max((match.end() for match in _CLAUSE_END.finditer(before)), default=0)
    words = _LEAD_WORD.findall(before[last:].lower())
    return all(word in _LEADS or _CHINESE_LEAD.fullmatch(word) for word in words)


def is_supposed(text: str, start: int) -> bool:
    """Whether the value, or the phrase, that begins at ``start`` is only supposed, expected or said by others."""
    if not any(map(text[max(0, start - MAX_CLAUSE) :].lower().__contains__, _TELLTALES)):
        return False
    if _SUPPOSED.search(text, max(0, start - MAX_CLAUSE), start) is not None:
        return True
    named = _ANSWER.search(text, max(0, start - MAX_CLAUSE), start)
    return named is not None and not is_led(text[max(0, start - MAX_CLAUSE) : named.start()])


_FAULT = (
    r"(?:wrong|incorrect|mistaken|false|impossible|contradict\w*|a\s+(?:contradiction|mistake)|an\s+error"
    r"|not\s+(?:right|correct|possible|enough|quite|the\s+answer)|can(?:not|['’]t)\s+be|ignor\w+|overlook\w*|neglect\w*|forg[eo]t\w*"
    r"|miss(?:es|ed)|overcount\w*|double[-\s]count\w*|too\s+(?:small|large|high|low|big|many|few)"
    r"|absurd|unreasonable|implausible|unlikely|nonsens\w+|(?:seems|looks)\s+off"
    r"|(?:does|did|do)(?:\s+not|n['’]t)\s+(?:work|look|seem|fit|hold|make\s+sense)|fails?)"
)
# "5, which turned out to be wrong", "5, but that ignores zero", "5 leads to a contradiction", 5，但题目不允许,
# 5，这是错的; "5, since the other root is impossible", "5, which is less than 6" and 5，但不影响结果 are left alone.
_WITHDRAWN = pattern(
    r"[\s,;:—–)$\]}，；](?:(?:which|(?:but|and|though|although|yet)\s+(?:that|this|it|he|she|they|then|we|I))\b"
    rf"[^.\d\\$]{{0,30}}?\b{_FAULT}\b"
    r"|(?:but|yet)\s+(?!not\s+[$(\\]*[-\d])"
    r"|in\s+(?:the|my|our|an)\s+(?:previous|earlier)\s+(?:attempt|try|version|solution)|as\s+an?\s+(?:\w+\s+)?(?:estimate|guess|approximation|upper|lower|trial|example|starting)\b|,?\s*say\s*\Z|but\s+(?:in\s+general|not\s+always)\b|or\s+so\s+I|\((?:(?:this|it)\s+is\s+)?(?:an?\s+|my\s+|just\s+)*(?:wrong|incorrect|not\s+sure|unsure|guess|placeholder)|(?:but|though|although)\s+I\s+(?:think|believe|suspect|get|got)\b|(?:leads?|led)\s+to\s+a\s+contradiction|I\s+disagree|typo\b"
    # "5, which I cannot justify", "5 if I recall", in the first person
    r"|(?:[,(—–]|\bif|\bas\s+far\s+as)\s*(?:[\w'’]+\s+){0,4}(?-i:I|me|my)\b"
    # "5 when we forget one", "a 5% chance I am right"; "5 if we ignore order", "a 5% chance of rain" are left alone.
    r"|(?:when|if|by|only)\s+(?:(?:we|you|one|they|I)\s+)?(?:forg[eo]t\w*|neglect\w*|overlook\w*|misread\w*|mistakenly|wrongly)"
    r"|chance\s+(?:that\s+)?I(?:['’]m|\s+am)\b|unless\s+(?:I|we|you)\b|only\s+(?:when|if|for)\b|(?:sure|certain|confident)\b"
    r"|但[^。]{0,8}(?:错|不[对允符合成满可正存]|没有|矛盾)|这[^。]{0,6}(?:错|不对|不正确))",
    re.IGNORECASE,
)
# Words after "the answer is 5" that make another number of it, though what they add is not read: "plus something",
# "times the number of rows", "more than before"; "5 times", "5 more" and "He has 5 more than Ann" are left alone.
_OPERATED = pattern(
    r"\W*[-+\d.,/\\{}$%]+\W{0,2}\s+(?:\w+\s+)?(?:(?:more|less|fewer|greater|larger|smaller|higher|lower)\s+than\b"
    r"|(?:plus|minus|divided\s+by|multiplied\s+by)\s|to\s+the\s+(?:power|\w+th)\b|%?\s*of\s+(?:the|a|what)\b|times\s+(?:the|an?|some|any|another|as|that|what|his|her|its)\b|(?:away|short|under|over|below|above|off)\b)",
    re.IGNORECASE,
)
# Words between "the answer is" and its number that leave it a number by itself, or a sentence of its own: "exactly",
# "equal to", "that he has"; "in the ballpark of", "the 31st prime" and "the sum of the first" do not.
_PLAIN_WORD_LIST = (
    "exactly just only simply about approximately roughly around equal equals to given by the a an value number total"
    " of option choice letter therefore thus then indeed definitely certainly clearly also now still that it he she"
    " they we there actually really in fact b c d e f g h"
)
_PLAIN_WORDS = frozenset(_PLAIN_WORD_LIST.split())
_VERB = pattern(
    r"\b(?:is|are|was|were|be|has|have|had|gets?|gives?|makes?|needs?|takes?)\b|[=:]", re.IGNORECASE
)
# "expected to be", "conjectured to be"; "found to be" is left alone.
_HELD = pattern(
    r"\b(?!(?:found|known|given|seen|shown|determined|calculated|computed|proved)\b)(?:\w+(?:ed|ought)|said)\s+to\s+be\b",
    re.IGNORECASE,
)
# "7", "$x$", "√2", "minus 7", "sqrt(2)", "pi/6", where a value begins; "two-digit" and "the (only)" are left alone.
_FIRST_VALUE = pattern(
    r"[\d$\\π√∞±−½¼¾]|\b(?:minus|negative)\s+(?=\d)|[A-Za-z]\w*(?=\s?[<>≤≥]|\(|\s?(?:\*\*?|[+^=])\s?[\w(]|\s?/\s?\d|\s-\s)"
)


def is_said_directly(said: str) -> bool:
    """Whether nothing between "the answer is" and a number makes another thing of the number."""
    value = _FIRST_VALUE.search(said)
    if value is None:
        return True
    before = said[: value.start()]
    if _HELD.search(before) is not None or _DESCRIBED.search(before) is not None:
        return False
    if _VERB.search(before) is None and not _PLAIN_WORDS.issuperset(_LEAD_WORD.findall(before.lower())):
        return False
    return _ORDINAL.match(said, value.start()) is None


# "a two-digit number whose units digit is"; "the number that is" is left alone.
_DESCRIBED = pattern(r"\bwhose\b", re.IGNORECASE)
_ORDINAL = pattern(r"\d+(?:st|nd|rd|th)\s+[a-z]")

# "would be 5 if we ignored zero", "would have been 5 had we", "if it goes on, it would be 5", "were x even, would
# be 5": what is not so; "would be 5" and "if he had 3 more, he would have 5" are left alone.
_COUNTERFACTUAL = pattern(
    r"\bwould\b.*?[\d\\$π√].*?\b(?:if|had|were|under|otherwise)\b|\bif\b[^.]*\bwere\b[^.]*\bwould\b.*?(?:\d|\b[A-J]\b)"
    r"|\bif\b[^,.]*,\s*(?:it|this|that|the\s+answer)\s+would\b.*?\d"
    r"|\bif\b[^,.]*\bhad\s+(?:not\s+)?(?:been|\w+ed)\b.*?\bwould\b.*?\d|,\s*were\s[^,.]*,\s*would\b.*?\d",
    re.IGNORECASE | re.DOTALL,
)


def is_withdrawn(text: str, end: int) -> bool:
    """Whether the words after ``end``, in one sentence with the value before it, take that back."""
    return _WITHDRAWN.search(text, end, end + MAX_CLAUSE) is not None


def is_operated_on(said: str) -> bool:
    """Whether the words after an answer phrase begin with a number and make another one of it."""
    return _OPERATED.match(said) is not None


def is_counterfactual(sentence: str) -> bool:
    """Whether a sentence says what would be so, if it were not otherwise."""
    return "would" in sentence.lower() and _COUNTERFACTUAL.search(sentence) is not None


# --- sentences that take back what was said before them

_BEGINNING = r"(?:\A|[.!?…。！？\n)$}])[\s*_]*"
_INTERJECTION = (
    r"(?:(?:wait|h+m+|no|but|oh|actually|oops|sorry|hold\s+on|however|edit|update)\b[\s,.!…:;—–-]*)*"
)
# "That is wrong", "my answer can't be right", "this does not work"; "That is wrong to say" is left alone.
_IT = r"(?:that|this|it|the\s+above|my\s+(?:\w+\s+)?(?:answer|result|work|calculation|reasoning))"
_IS_WRONG = (
    r"(?:(?:['’]s|\s+(?:is|was|seems|looks|turn(?:s|ed)\s+out\s+to\s+be))\s+(?:\w+ly\s+)?"
    r"(?:wrong|incorrect|not\s+(?:right|correct|possible|valid)|mistaken|impossible|a\s+mistake|an\s+error)(?!\s+(?:to|that)\b)"
    r"|(?:\s+is(?:n['’]t|\s+not)|['’]s\s+not)(?=\s*[.!])|\s+can(?:not|['’]t)\s+be\s+(?:right|correct)|\s+do(?:es\s+not|esn['’]t)\s+(?:look|seem|work|make\s+sense))"
)
_MISTAKEN = (
    r"(?:\w+[\s,]+){0,3}?I(?:\s+have|['’]ve)?\s+(?:just\s+)?(?:made|see|found|notice\w*|spotted|realized)"
    r"\s+(?:a|an|my|the)\s+(?:\w+\s+)?(?:error|mistake)"
    r"|I(?:['’]m|\s+(?:was|am))\s+(?:wrong|mistaken)\b|I\s+disagree\b|I\s+doubt\s+(?:it|that|this)"
    r"|I(?:\s+have|['’]ve|\s+must\s+have)?\s+(?:mis(?:read|interpreted|counted|calculated|understood|applied)|overlooked)\b"
    r"|scratch\s+that|on\s+second\s+thought|correction\s*:"
)
# "Check: the total should be 39, so this is not consistent"; "Check: 3 + 4 = 7" is left alone.
_FAILED = (
    r"(?:verification|verify(?:ing)?|check(?:ing)?)\b[^.!?\n]{0,120}\b"
    r"(?:not\s+consistent|inconsistent|(?:does\s+not|doesn['’]t)\s+(?:match|check|agree|hold))"
)
# "Actually, the answer is 9."; "Wait, is the answer 9?" is left alone.
_INSTEAD = r"(?:wait|actually|oops|sorry)\b(?=[^?]{0,300}\banswer\s+(?:is|should|must|was)\b)"
_RETRACTION = pattern(
    rf"{_BEGINNING}(?:{_INTERJECTION}(?:{_IT}{_IS_WRONG}|{_MISTAKEN})|{_INSTEAD}|{_FAILED})"
    # "\boxed{5} is my earlier result", "… would be right if", "… is what I'd get"; "… is what we get" is left alone.
    r"|\A[\s$*.)]*(?:(?:is|was)\s+(?:my|an?|the)\s+(?:earlier|first|old|previous|initial|wrong|incorrect)\b"
    r"|(?:would|could|might)\s+(?:be|have\s+been)\b|(?:is|was)\s+what\s+\w+(?:['’]d|\s+(?:would|might|could))\b)"
    r"|(?:等等|不对|算错了|搞错了|错了)[，。！,.!]",
    re.IGNORECASE,
)


_RETRACTION_TELLTALES = (
    "wrong", "incorrect", "not ", "n't", "n’t", "mistake", "error", "doubt", "scratch", "second thought",
    "correction", "answer", "impossible", "disagree", "earlier", "first", "previous", "initial", "misread",
    "misinter", "consistent", "miscount", "miscalc", "misund", "misappl", "overlooked", "would",
    "could", "might", "what ", "等等", "不对", "错了",
)  # fmt: skip


def retraction_in(text: str) -> int | None:
    """Return where the last retraction in ``text`` of what was said before it ends; None where there is none."""
    if not any(map(text.lower().__contains__, _RETRACTION_TELLTALES)):
        return None
    last = None
    for match in _RETRACTION.finditer(text):
        last = match.end()
    return last
