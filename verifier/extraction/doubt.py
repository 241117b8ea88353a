r"""Words around a value that take it back, leave it open, compare it, or make another number of it.

"more than 5", "not 5", "5 or so", "maybe 5", "5 more than 3", 不是5, 至少5个: none of these states 5. Clauses that do
so from further away are in ``verifier.extraction.suppositions``.
"""

from __future__ import annotations

import re

from verifier.patterns import pattern

MAX_BEFORE = 48  # characters before a value in which such words stand
MAX_AFTER = 60  # characters after it

_DENIAL = (
    r"no(?:\s+longer)?(?=\s)|not(?:\s+necessarily)?|never|neither|nor|hardly\s+ever|by\s+no\s+means|no\s+way\s+(?:that\s+)?(?:this|that|it)|hardly|(?:ca|could|is|was|are|does|do|did|wo|would|must|should)n['’]t(?:\s+be)?|can\s?not(?:\s+(?:be|have|take|reach))?|unlike"
    r"|anything\s+but|far\s+from|except(?:\s+for)?|excluding|rul(?:es?|ed|ing)\s+out|instead\s+of|rather\s+than"
    r"|(?:other|different)\s+(?:than|from)|differs?\s+from|distinct\s+from|(?:any|no)thing\s+(?:at\s+all\s+)?like|nowhere\s+near"
    r"|not\s+(?:even\s+)?(?:close\s+to|near)|a\s+far\s+cry\s+from|scarcely|in\s+no\s+way|fails?\s+to\s+(?:be|equal)"
    r"|(?<!not )(?<!n't )(?:wrong|incorrect|a\s+mistake)\s+to\s+(?:say|answer|claim|conclude)"
    r"(?:\s+that)?(?:\s+it)?|den(?:y|ies)\s+that\s+it"
)
_COMPARISON = (
    r"(?:could|might|may)\s+(?:also\s+)?(?:be|equal)|(?:we|it|one)\s+(?:could|might|may)\s+(?:get|have|obtain|reach)|surpass(?:es|ed)?"
    r"|bounded\s+(?:above\s+|below\s+|from\s+\w+\s+)?by|(?:any|every)(?:thing|\s+\w+)\s+but|plus\s+or\s+minus|used\s+to\s+be|(?:more|less|greater|fewer|larger|smaller|bigger|higher|lower|taller|longer|shorter|older|younger)\s+(?:than|or\s+equal\s+to)"
    r"(?:\s+or\s+equal\s+to)?|exceed(?:s|ed|ing)?|(?:overshoots?|miss(?:es|ed)?|(?:is|was|are)\s+off)\s+by|over|above|below|under|beyond"
    r"|at\s+least|at\s+most|(?<!\bround )(?<!ounded )(?<!ounding )up\s+to"
    r"|upwards?\s+of|north\s+of|barely|something\s+like|at\s+(?:best|worst)|in\s+the\s+(?:neighbou?rhood|region|vicinity|ballpark|range)\s+of"
    r"|divides|(?:co|relatively\s+)prime\s+(?:to|with)|congruent\s+to|proportional\s+to|on\s+the\s+order\s+of|nothing\s+to\s+do\s+with|close\s+to|near(?:ly)?|almost|just\s+(?:short\s+of|shy\s+of)|not\s+quite|between|ranges?\s+from"
)
_CHANGE = (
    r"(?:negative|opposite|inverse|reciprocal|square|cube|half|roots?|thirds?|quarters?|fifths?|tenths?|percent(?:age)?|fraction"
    r"|multiples?|factors?|divisors?|powers?|double|logarithm)"
    r"\s+of|(?:\A\W*|[,;:]\s*|\b(?:so|and|then|thus|hence)\s+)its\s+(?:square|cube|double|half|negative|opposite|reciprocal)\s+is|(?:half|double)\s+(?:of\s+)?(?:it|the\s+answer)\s+is|half|doubles?|twice|triples?|halves|thrice|divisible\s+by"
)
# The same in the other languages that answers are looked for in.
_ELSEWHERE = (
    r"no\s+es|non\s+è|não\s+é|n['’]est\s+pas|nicht|kein|не|(?:mayor|menor|maior)\s+(?:que|do\s+que)|(?:más|menos|mais)\s+de|al\s+menos"
    r"|(?:supérieure?|inférieure?)\s+à|(?:plus|moins)\s+de|au\s+(?:moins|plus)|(?:größer|kleiner|mehr|weniger)\s+als|mindestens|höchstens"
    r"|casi|presque|fast|почти|quase|quasi|(?:maggiore|minore|più|meno)\s+di|больше|меньше|(?:не\s+)?(?:более|менее)"
)
_FILLER = (
    r"(?:(?:the|a|an|of|to|be|is|equals?|exactly|just|about|even|really|number|value|\$?\\?[a-zA-Z]\s*=)\s*)*"
    r"[\s$(*:]*\Z"
)
# "is not 5", "exceeds the value 5", "at least $5"; "not only", "over 5 days he earns 12" do not touch the 12
_BEFORE = pattern(rf"\b(?:{_DENIAL}|{_COMPARISON}|{_CHANGE}|{_ELSEWHERE})\s+{_FILLER}", re.IGNORECASE)
# 不是5, 大于5, 至少5个; 至少是5 and 最多可以装5个 state a least and a greatest value, which is 5
_CHINESE_BEFORE = pattern(
    r"(?:(?:不是|并非|并不是|不等于|不为|不选|不(?:会|该|应该?|可能|能|再)(?:是|为|等于|取)|绝不是|不[止只仅]|排除|舍[去掉]|剔除|差一?点儿?就?|大于|小于|多于|少于|高于|低于|超过|不足|不到|接近|除了|介于|没有)(?:有|是|为|等于|了|于)?"
    r"|(?:至少|至多|最多|最少)有?|(?:要|再|还要?|需要?)(?:减去?|加上?|乘以?|除以)|比|比(?:答案|结果)[大小多少]|[不难]能?说[是有]?|非|不一定[是为]?|未必[是为]?)[\s$(]*\Z"
)
_DENIED = pattern(
    rf"\b(?:{_DENIAL}|no\s+es|non\s+è|não\s+é|n['’]est\s+pas|nicht|kein|не)\s+{_FILLER}", re.IGNORECASE
)
# 12ではなく15です, 12가 아니라 15입니다; 12です is left alone.
_DENIED_AFTER = pattern(r"[)\]$}*]*\s*(?:ではなく|じゃなく|이?가?\s*아니라)")
# "nothing other than 5", "cannot be anything but 5" state it; "something other than 5", "anything but 5" deny it.
_DENIED_TWICE = pattern(
    r"\b(?:nothing|none|no(?:\s+\w+)?|not|(?:can\s?not|can['’]t|could\s+not|couldn['’]t)\s+be(?:\s+any(?:thing|\s+\w+))?)"
    rf"\s+(?:(?:other|else|different)\s+(?:than|from|but)|but)\s+{_FILLER}",
    re.IGNORECASE,
)
_CHINESE_DENIED = pattern(r"(?:不是|并非|不等于|不为|不可能是)[\s$(]*\Z")

# "5?", "5 or so", "5 is wrong", "5 more than 3", "5 squared"; "5 more apples than Ann" answers how many more
_AFTER = pattern(
    r"[)\]$}*]*,?\s*(?:[A-Za-z]+\s+)?(?:(?:more|less|fewer|greater|larger|smaller|higher|lower|times|older|younger|longer)\b"
    r"[^.\d]{0,24}\b(?:than|as)\b(?:[^.\d]{0,24}[\d\\$]"
    r"|\s+(?:the\s+(?:answer|total|result|sum)|(?:an?|half\s+an?|one|two|three|four)\s+(?:hour|minute|second|day|week|month|year|dozen|hundred|thousand|million|quarter|half)s?)\b)"
    r"|plus\s+(?:some|an?\s+(?:unknown|extra|bit|little|few))|or\s+(?:its|the|another|some|else)\b|and\s+(?:then\s+some|counting|change|a\s+bit)|too\s+\w+|short\s+of\s+[\d$\\]"
    r"|(?:at\s+(?:the\s+(?:very\s+)?)?(?:least|most|best|worst))\b|times\s+the\s+(?:answer|result|number)"
    r"|or\s+(?:more|less|fewer|so|higher|greater|above|below|larger)\b"
    r"|(?:is|are|was|would\s+be|seems|might|may|could)\s+(?:\w+\s+)?(?:wrong|incorrect|impossible|false|possible|guess|not|right|too)\b"
    r"|(?:can(?:not|['’]t)|could\s+not|couldn['’]t)\s+be\b|appears?\b"
    r"|(?:squared|cubed|factorial|halves|thirds|quarters|fifths|tenths|hundredths|thousandths)\b)"
    r"|[)\]$}*]*\s*\?|\+(?=\s|$)",
    re.IGNORECASE,
)
# 5以上, 5的一半, 5不是, 5舍去; 5个苹果 is left alone.
_CHINESE_AFTER = pattern(
    r"[)$}*]*\s*[个元米人天只倍岁]?(?:这个?(?:答案|结果|说法|数|值))?(?:显然|明显|肯定|必须|应该|应|被|也|都)*(?:排除|偏[大小多少高低]|不相等|不可取|代入|不同|无关|互质|整除|的[约因]数|的因子|太[大小多少高低]|(?:是增根|才怪)|则?不(?:是|符|对|行|成立|满足|合|取)|应?舍[去掉]|以上|以下|以内|之间|多(?!少)|余|的倍数|的平方|的立方|的相反数|的倒数|的绝对值|的一半|的[一两二三四五六七八九十百\d]+(?:倍|半|分之)|不对|是错"
    r"|より|以上|未満|では(?:ない|ありません)|じゃない|이?가?\s*아[니닙]|보다|\s*(?:이상|이하|초과|미만))"
)
# "I would guess 5", "probably 5", "roughly between 4 and 6"; "the possible values are 3, 5", "the average guess of 5
# friends" and 可能的取值为3 leave nothing open.
_OPEN = pattern(
    r"\b(?:maybe|perhaps|possibly|probably|presumably|supposedly"
    r"|(?<!most )(?<!least )(?<!more )(?<!less )(?<!ally )likely(?=\s+(?:\W*\d|it\b|the\s+answer\b))"
    r"|(?:might|may|could)\s+(?:very\s+)?well\s+be|give\s+or\s+take|(?:seems?|looks)\s+(?:to\s+be|like|that)|(?:rough|quick|crude)\s+(?:estimate|guess)|(?:roughly|about|somewhere|approximately)\s+between"
    r"|tentative(?:ly)?|provisional(?:ly)?|vielleicht|möglicherweise|vermutlich|wahrscheinlich|probablement|probablemente|probabilmente|provavelmente|waarschijnlijk|peut[-\s][êe]tre|quiz[áa]s?|tal\s+vez|forse|talvez|podría|pourrait|könnte|potrebbe|poderia|lean(?:ing)?\s+(?:towards?|to)"
    r"|(?:could|might|may)\s+(?:\w+\s+)?be\s+(?:something|anything|another|different|wrong|off)|remains?\s+(?:open|unclear|unknown)|unsure|not\s+sure|guess(?:ing)?(?!\s+of\b)|unknown|uncertain|also\s+possible"
    r"|if\s+(?:my\s+)?memory|quote\s+me|to\s+the\s+best\s+of\s+my|(?:un|not\s+(?:yet\s+)?)(?:verified|confirmed|tested|proven)"
    r"|pending\s+(?:confirm|verif|check|review)\w*|subject\s+to\s+(?:check|verif|confirm|review)\w*|in\s+theory|theoretically"
    r"|hypothetically|for\s+the\s+sake\s+of\s+argument|placeholder|(?:I|we)\s+(?:suspect|reckon|hope|suppose|(?:would\s+|['’]d\s+)?bet)"
    r"|no\s+(?:estoy|es)\s+segur[oa]|dudo|doute|bezweifle|pas\s+(?:s[ûu]re?|certaine?)|nicht\s+sicher|dubito|non\s+sono\s+sicur[oa])\b"
    r"|возможно|наверное|вероятно|кажется|может\s+быть|可能[是为]|也可能|可能(?=\s*[\d$])|сомнева|не\s+уверен|不确定|也许|或许|猜|好像|似乎|据说|据称|暂定|理论上|かもしれ|たぶん|おそらく|아마|어쩌면",
    re.IGNORECASE,
)
_DOUBTED = pattern(r"\b(?:maybe|perhaps|possibly)\s*(?:it(?:'s|\s+is)\s*)?[\s$(\\]*\Z", re.IGNORECASE)
# A box or tag after which "or 5", a question mark, "(wrong)" or "is wrong" follows; "is wrong to assume" is left alone.
_OR_ANOTHER = pattern(
    r"(?:[\s.,)$}*]|\\[)\]]|\\text\s*\{)*(?:(?:\b(?:or|maybe|perhaps)\s+|或者?是?\s*)(?:maybe\s+)?[$\\(*]*[-\d\\]"
    r"|\b(?:is|was)\s+(?:wrong|incorrect|not\s+(?:right|correct))\s*(?:[.,;}]|\Z)|不对|是错的|\?(?=\s|\Z)|\(\s*(?:wrong|incorrect|rejected|guess)\s*\))"
)
# "I do not know", "cannot solve"; "do not forget" is left alone.
_KNOWING_NOTHING = pattern(
    r"\b(?:do\s+not|don['’]?t|cannot|can['’]?t|could\s+not|couldn['’]?t|unable\s+to)\s+(?:\w+\s+)?"
    r"(?:know|solve|answer|find|decide|verify\s+(?:it|this|that)|confirm\s+(?:it|this|that))\b|\bgive\s+up\b|\bno\s+idea\b"
    r"|\b(?:so|have|get|got)\s+no\s+answer\b|不知道",
    re.IGNORECASE,
)
# "It cannot be determined"; "it is determined" is left alone.
_UNDETERMINED = pattern(r"\b(?:not|cannot|can't)\s+be\s+determined\b|无法确定|不能确定", re.IGNORECASE)


def leaves_open(sentence: str) -> bool:
    """Whether a sentence leaves open what it says."""
    return _OPEN.search(sentence) is not None


def knows_nothing(sentence: str) -> bool:
    """Whether a sentence says that its writer has no answer; "it cannot be determined" is one."""
    return _KNOWING_NOTHING.search(sentence) is not None


def gives_up(sentence: str) -> bool:
    """Whether no number is to be read before a sentence: it says that there is none."""
    return knows_nothing(sentence) or _UNDETERMINED.search(sentence) is not None


# Each denial or doubt has one of these in small letters, which are found faster. "total", "output" and "difference",
# which stand before many a box, have none.
_TELLTALE = pattern(
    r"\bno\b|n(?:ot|['’]t|ever|either|or|like|icht|on è|ão)|['’]est pas|anything|far|xc[el]|rul|stead|rather|other"
    r"|iffer(?:ent|s|[ \n])|istinct|o way|where near|(?:ard|arce)ly|ails? to|(?:wrong|correct|mistake) to"
    r"|\bden(?:y|ies)|aybe|erhaps|ossibly|kein|не|[不非]"
)
_OPENINGS = (
    " \n\t$(*:\\"  # between such words and what begins there: a word, or the sign of x =, stands before them
)


def may_be_taken_back(text: str, start: int) -> bool:
    """Whether what begins at ``start`` may be denied or doubted: where not, ``denied_before`` need not look."""
    before = text[max(0, start - MAX_BEFORE) : start].rstrip(_OPENINGS).lower()
    return (before[-1:].isalpha() or before.endswith("=")) and _TELLTALE.search(before) is not None


def denied_before(text: str, start: int) -> bool:
    """Whether what begins at ``start`` is denied: "not", 不是."""
    before = text[max(0, start - MAX_BEFORE) : start]
    denied = _DENIED.search(before) and not _DENIED_TWICE.search(before)
    return bool(denied or _CHINESE_DENIED.search(before))


def denied_after(text: str, end: int) -> bool:
    """Whether the value that ends at ``end`` is denied after it: "not" in Japanese and Korean."""
    return _DENIED_AFTER.match(text, end) is not None


def doubted_before(text: str, start: int) -> bool:
    """Whether what begins at ``start`` is only offered: "or maybe"."""
    before = text[max(0, start - MAX_BEFORE) : start]
    return _DOUBTED.search(before) is not None


def left_open_after(text: str, end: int) -> bool:
    """Whether the value that ends at ``end`` is left open after it: "or 5", "?", "is wrong"."""
    return _OR_ANOTHER.match(text, end, end + MAX_AFTER) is not None


def is_another(text: str, start: int, end: int) -> bool:
    """Whether the words around a value deny it, compare it, or make another number of it."""
    before = text[max(0, start - MAX_BEFORE) : start]
    return bool(
        (_BEFORE.search(before) and not _DENIED_TWICE.search(before))
        or _CHINESE_BEFORE.search(before)
        or _AFTER.match(text, end, end + MAX_AFTER)
        or _CHINESE_AFTER.match(text, end)
    )
