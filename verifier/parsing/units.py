"""Units with their factors, words that scale a number, and words after a number that change what is meant."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from verifier.parsing.number_words import PARTS
from verifier.patterns import pattern

# --- units: name -> (dimension, factor to the dimension's first unit)

_UNITS: dict[str, tuple[str, Fraction]] = {}


def _declare(dimension: str, **units: str) -> None:
    """Declare units as ``names="factor"``; names are joined by "__", and longer ones are known in the plural too."""
    for names, factor in units.items():
        for name in names.split("__"):
            _UNITS[name] = (dimension, Fraction(factor))
            if len(name) > 1 and name.isascii():
                _UNITS.setdefault(name + "s", (dimension, Fraction(factor)))


_declare(
    "length",
    m__meter__metre__米="1",
    km__kilometer__kilometre__千米__公里="1000",
    cm__centimeter__centimetre__厘米="1/100",
    nm__nanometer__nanometre="1/1000000000",
)
_declare("length", mm__millimeter__millimetre__毫米="1/1000", dm__decimeter__decimetre__分米="1/10")
_declare(
    "length",
    inch__inche__inches="127/5000",
    ft__foot__feet="381/1250",
    yd__yard="1143/1250",
    mi__mile="201168/125",
)
_declare("length^3", L__l__liter__litre__升="1/1000", mL__ml__milliliter__millilitre__毫升="1/1000000")
_declare("length/time", mph="1397/3125", kmh__kph__kmph="5/18")
_declare(
    "time",
    s__sec__second__秒__秒钟="1",
    min__minute__分钟="60",
    h__hr__hour__小时__时="3600",
    day__天__日="86400",
)
_declare("time", week__周__星期="604800", ms__millisecond="1/1000")
_declare("months", month__个月__月="1", year__yr__年__岁="12")
_declare(
    "mass",
    g__gram__克="1",
    kg__kilogram__千克__公斤="1000",
    mg__milligram__毫克="1/1000",
    ton__tonne__吨="1000000",
)
_declare("pounds", lb__pound="1", oz__ounce="1/16")
_declare("gallons", gal__gallon="1", quart__qt="1/4", pint__pt="1/8", cup="1/16")
_declare("money", dollar__buck__usd__USD="1", cent="1/100")
_declare("yuan", yuan__元__rmb__RMB__块="1", 角="1/10", 分="1/100")
_declare("euro", euro__eur__EUR="1")
_declare("sterling", sterling__gbp__GBP="1")
_declare("rupee", rupee__inr__INR="1")
_declare("angle", degree__deg__度="1")
_declare("radian", radian__rad="1")
_declare("acre", acre="1")
_declare("power", W__watt__瓦="1", kW__kilowatt__千瓦="1000")
_declare("electricity", kWh__千瓦时="1")
_declare("calorie", calorie__cal__卡="1", kcal__千卡="1000")
_declare("energy", J__joule__焦="1", kJ__kilojoule__千焦="1000")
_declare("force", N__newton__牛="1")
_declare("voltage", V__volt__伏="1", kV__kilovolt__千伏="1000")
_declare("frequency", Hz__hertz="1", kHz__kilohertz__千赫="1000")
_declare("pressure", Pa__pascal__帕="1", kPa__kilopascal__千帕="1000")
_declare("temperature", K__kelvin="1")
_declare("resistance", ohm__Ω="1", kohm__kΩ="1000", Mohm__MΩ="1000000")
_declare("current", amp__ampere="1", mA="1/1000")
_declare("concentration", molar="1")
_declare("field", tesla="1")
_declare("charge", coulomb="1")
_declare("capacity", farad="1")
# Letters that are units only where they are set as text, \text{ A}; 2A, 5C and F are letters.
SET_LETTERS = {"A": "ampere", "M": "molar", "T": "tesla", "C": "coulomb", "F": "farad"}
_declare("amount", mol__mole="1")
_declare(
    "count",
    unit__单位="1",
    个__件__页__颗__只__条__本__名__人__棵__朵__辆__支__枚__张__头__匹__袋__箱__盒__瓶__种__次__倍="1",
)
_UNITS["块钱"] = _UNITS["元钱"] = _UNITS["元"]

# cm ^{2}, s^{-2}, cm 2; "m 4" is left alone.
_EXPONENT = pattern(r" ?\^ ?\{? ?(-?\d) ?\}?|(?<=[a-z]) ([23])$")
# cm2, cm^3, s^-2; mm and s-2 are left alone.
_POWER = pattern(r" ?\^?([23])$|\^(-[1-4])$")
_SQUARE = pattern(r"^(?:sq(?:uare|\.)?|cubic|平方|立方)[ -]*")


MAX_UNIT = 120  # characters; what is longer is no unit, and is not kept in the memory below


def unit_of(words: str) -> tuple[str, Fraction] | None:
    """Return the dimension and factor of a unit such as ``cm^2``, ``square feet``, ``km/h``, or None."""
    return _unit_of(words) if len(words) <= MAX_UNIT else None


@lru_cache(maxsize=4096)
def _unit_of(words: str) -> tuple[str, Fraction] | None:
    words = _EXPONENT.sub(
        lambda m: f"^{m[1] or m[2]}", " ".join(words.replace("\\", " ").replace(".", "").split())
    )
    for sign in ("/", " per ", " an ", "每"):
        if sign in words:
            top, bottom = (unit_of(part) for part in words.split(sign, 1))
            return (f"{top[0]}/{bottom[0]}", top[1] / bottom[1]) if top and bottom else None
    power = 1
    if " " in words and not _SQUARE.match(words):
        return _product_of_units(words.split())
    if match := _SQUARE.match(words):
        power = 3 if match[0].startswith(("cubic", "立方")) else 2
        words = words[match.end() :]
    elif match := _POWER.search(words):
        power, words = int(match[1] or match[2]), words[: match.start()]
    found = _UNITS.get(words) or _UNITS.get(words.lower() if len(words) > 1 else "")
    if found is None:
        return None
    size = f"{found[0]}^{abs(power)}" if abs(power) > 1 else found[0]
    return (size, found[1] ** power) if power > 0 else (f"1/{size}", found[1] ** power)


def _product_of_units(words: list[str]) -> tuple[str, Fraction] | None:
    """Return the dimension and factor of units side by side, as in ``m s^{-2}``; None where a word is none."""
    tops: list[str] = []
    bottoms: list[str] = []
    factor = Fraction(1)
    for word in words:
        if (known := unit_of(word)) is None:
            return None
        top, _, bottom = known[0].partition("/")
        tops += [top] if top != "1" else []
        bottoms += [bottom] if bottom else []
        factor *= known[1]
    return "*".join(sorted(tops)) + (f"/{'*'.join(sorted(bottoms))}" if bottoms else ""), factor


def other_factors(unit: str) -> set[Fraction]:
    """Return what a number with this unit is multiplied by in the other units of its dimension."""
    known = unit_of(unit)
    return (
        {known[1] / factor for dimension, factor in _UNITS.values() if dimension == known[0]}
        if known
        else set()
    )


# --- words that scale

_SCALES = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
    "lakh": 10**5, "crore": 10**7, "bn": 10**9,
}  # fmt: skip
_CHINESE_SCALES = {"百": 100, "千": 1000, "万": 10**4, "亿": 10**8}

_MAX_CHINESE_SCALES = 3  # as in 百万亿


# 5 hundredths, 3 halves; "quarters" may be coins, and "3 third" is left alone.
_PART_SCALES = {
    f"{word}s" if word != "half" else "halves": Fraction(1, bottom)
    for word, bottom in PARTS.items()
    if word not in ("halves", "quarter")
}


def take_scale(words: list[str]) -> tuple[Fraction | int, list[str]]:
    """Return the product of the words that scale, such as "million" or 万, and the words that remain."""
    factor: Fraction | int = 1
    rest = []
    for word in words:
        scale = _SCALES.get(word.lower().removesuffix("s")) or _PART_SCALES.get(word.lower())
        if scale is not None:
            factor *= scale
            continue
        for _ in range(_MAX_CHINESE_SCALES):
            if word[:1] in _CHINESE_SCALES and unit_of(word) is None and not word.startswith("百分"):
                factor, word = factor * _CHINESE_SCALES[word[0]], word[1:]
        if word:
            rest.append(word)
    return factor, rest


# --- words that change what a number before them means

# The number is no longer what is meant: 2 squared, 3 halves, 5 factorial.
_OPERATING_WORDS = (
    "squared cubed factorial half halve third quarter fourth fifth sixth seventh eighth ninth tenth hundredth"
    " thousandth millionth power reciprocal inverse plus over divided multiplied modulo gross score base binary octal"
    " hexadecimal truncated"
)
_OPERATING = frozenset(_OPERATING_WORDS.split())
# The number may stand, but not for the same answer: bounds, negations, directions, losses, dates, verbs.
_QUALIFYING_WORDS = (
    "not no none never wrong incorrect false invalid negative minus least most minimum maximum below above under"
    " beyond within than between north south east west northeast northwest southeast southwest up down upward"
    " downward forward backward clockwise counterclockwise anticlockwise loss lost decrease decline drop deficit debt"
    " owed reduction am pm bc ad bce ce is are was were be has have equal"
    " january february march april may june july august september october november december jan feb mar apr jun jul aug"
    " sep sept oct nov dec maybe perhaps more less fewer greater higher lower"
    " bigger smaller times guess guessed unsure uncertain unclear doubtful"
    " excluded rejected discarded extraneous impossible unlikely fails without too unverified"
    " unconfirmed unproven tentative ago"
    " monday tuesday wednesday thursday friday saturday sunday"
    " one two three four five six seven eight nine ten eleven twelve"
)
_QUALIFYING = frozenset(_QUALIFYING_WORDS.split())
# 平方, 倍数, 的两倍, 半; 米 and 倍 are left alone.
_CHINESE_OPERATING = pattern(
    ".*(?:次方|平方|立方|倍数|分之|[两二三四五六七八九十百]倍|相反数|倒数|绝对值).*|.*[半余]|[折成]"
)
# 以上, 之间, 至少, 上午; 个 is left alone.
_CHINESE_QUALIFYING = pattern(".*(?:[不非没未错怪疑多北南东西减降跌亏损]|以[上下内外]|之间|至少|上午|下午).*")
_IDLE = frozenset(["of", "in", "a", "an", "to", "at", "on", "by", "for", "the", "per", "each"])
_WORD = pattern("[a-z]+|[\u3400-\u9fff]+")


@lru_cache(maxsize=4096)
def unit_words(unit: str) -> frozenset[str]:
    """Return the words of a unit that matter, in the singular; none for what only counts, such as 个."""
    known = unit_of(unit)
    if known is not None and known[0].startswith("count"):
        return frozenset()
    words = _WORD.findall(unit.lower().replace(".", ""))
    return frozenset(_singular(word) for word in words if word not in _IDLE)


def _singular(word: str) -> str:
    if word in _OPERATING or word in _QUALIFYING:  # minus, plus
        return word
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def operates(words: frozenset[str]) -> bool:
    """Whether one of the words makes another number of the one before it."""
    return not words.isdisjoint(_OPERATING) or any(map(_CHINESE_OPERATING.fullmatch, words))


def qualifies(words: frozenset[str]) -> bool:
    """Whether one of the words makes another answer of the number before it."""
    return not words.isdisjoint(_QUALIFYING) or any(map(_CHINESE_QUALIFYING.fullmatch, words))
