"""Names with a fixed meaning: functions, constants, Greek letters, separators, units, and words that agree."""

from __future__ import annotations

import re
from fractions import Fraction

from verifier.syntax import INFINITY, Const

FUNCTIONS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "cosec": "csc", "tg": "tan",
    "ctg": "cot", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec",
    "arccsc": "acsc", "asin": "asin", "acos": "acos", "atan": "atan", "acot": "acot", "asec": "asec", "acsc": "acsc",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "coth": "coth", "sech": "sech", "csch": "csch", "asinh": "asinh",
    "acosh": "acosh", "atanh": "atanh", "arsinh": "asinh", "arcosh": "acosh", "artanh": "atanh", "arccosh": "acosh",
    "arctanh": "atanh", "ln": "ln", "log": "log", "log10": "log10", "exp": "exp", "sqrt": "sqrt", "abs": "abs",
    "max": "max", "min": "min", "gcd": "gcd", "lcm": "lcm", "floor": "floor", "ceil": "ceil", "det": "det",
    "sgn": "sgn",
    "sign": "sgn", "Re": "re", "Im": "im", "arg": "arg", "deg": "deg", "dim": "dim", "Log": "ln", "Arg": "arg",
    "cbrt": "cbrt", "binomial": "binom", "factorial": "factorial", "mod": "mod",
}  # fmt: skip
CONSTANTS = {"pi": Const("pi"), "infinity": INFINITY, "inf": INFINITY, "infty": INFINITY, "oo": INFINITY}
GREEK = frozenset(
    {
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
    }
    | {
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
    }
    | {"Sigma", "Phi", "Psi", "Omega", "ell", "hbar", "omicron"}
)
SEPARATOR_WORDS = {
    "and": "and",
    "or": "or",
    "和": "and",
    "或": "or",
    "与": "and",
    "及": "and",
    "且": "and",
    "或者": "or",
}
SEPARATOR_WORDS |= {"and/or": "or", "以及": "and", "but": "and"}

AGREEING = {
    "yes": "yes", "true": "yes", "correct": "yes", "对": "yes", "是": "yes", "正确": "yes", "√": "yes", "no": "no",
    "false": "no", "incorrect": "no", "错": "no", "不是": "no", "错误": "no", "否": "no", "none": "no solution",
    "no solutions": "no solution", "no real solution": "no solution", "no real solutions": "no solution",
    "无解": "no solution",
    "does not exist": "undefined", "dne": "undefined", "not defined": "undefined", "undefined": "undefined",
    "不存在": "undefined",
    "all real numbers": "reals", "all reals": "reals", "全体实数": "reals", "任意实数": "reals", "infinity": "infinity",
    "infinitely many": "infinity", "infinite": "infinity", "无穷大": "infinity", "不能确定": "cannot be determined",
    "无法确定": "cannot be determined",
}  # fmt: skip

_COUNTING = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
)
NUMBER_WORDS = {word: number for number, word in enumerate(_COUNTING.split())}

# --- units: name -> (dimension, factor to the dimension's first unit)

_UNITS: dict[str, tuple[str, Fraction]] = {}


def _declare(dimension: str, **units: str) -> None:
    """Declare units as ``names="factor"``; names are joined by "__", and each is known in the plural too."""
    for names, factor in units.items():
        for name in names.split("__"):
            _UNITS[name] = _UNITS[name + "s"] = (dimension, Fraction(factor))


_declare(
    "length",
    m__meter__metre__米="1",
    km__kilometer__kilometre__千米__公里="1000",
    cm__centimeter__centimetre__厘米="1/100",
)
_declare("length", mm__millimeter__millimetre__毫米="1/1000", dm__decimeter__decimetre__分米="1/10")
_declare(
    "length", inch__inche="127/5000", ft__foot__feet="381/1250", yd__yard="1143/1250", mi__mile="201168/125"
)
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
_declare("volume", L__l__liter__litre__升="1", mL__ml__milliliter__millilitre__毫升="1/1000")
_declare("gallons", gal__gallon="1", quart__qt="1/4", pint__pt="1/8", cup="1/16")
_declare("money", dollar__buck__usd__USD="1", cent="1/100")
_declare("yuan", yuan__元__rmb__RMB__块="1", 角="1/10", 分="1/100")
_declare("euro", euro__eur__EUR="1")
_declare("angle", degree__deg__度="1")
_declare("radian", radian__rad="1")
_declare("speed", mph="1")
_declare("speed2", kmh__kph__kmph="1")
_declare(
    "count",
    unit__单位="1",
    个__件__页__颗__只__条__本__名__人__棵__朵__辆__支__枚__张__头__匹__袋__箱__盒__瓶__种__次__倍__块钱="1",
)
_declare("area", acre="1", sq="1")
_declare(
    "energy",
    calorie__cal="1",
    J__joule="1",
    N__newton="1",
    W__watt="1",
    V__volt="1",
    Hz__hertz="1",
    Pa__pascal="1",
    K__kelvin="1",
)

_POWER = re.compile(r"\s*\^?\s*\{?\s*([23])\s*\}?$")
_SQUARE = re.compile(r"^(?:sq(?:uare|\.)?|cubic|平方|立方)[\s-]*")


def unit_of(words: str) -> tuple[str, Fraction] | None:
    """Return the dimension and factor of a unit such as ``cm^2``, ``square feet``, ``km/h``, or None."""
    words = " ".join(words.replace("\\", " ").replace(".", "").split())
    for sign in ("/", " per ", " an ", "每"):
        if sign in words:
            top, bottom = (unit_of(part) for part in words.split(sign, 1))
            return (f"{top[0]}/{bottom[0]}", top[1] / bottom[1]) if top and bottom else None
    power = 1
    if match := _SQUARE.match(words):
        power = 3 if match[0].startswith(("cubic", "立方")) else 2
        words = words[match.end() :]
    elif match := _POWER.search(words):
        power, words = int(match[1]), words[: match.start()]
    found = _UNITS.get(words) or _UNITS.get(words.lower())
    if found is None:
        return None
    return (found[0], found[1]) if power == 1 else (f"{found[0]}^{power}", found[1] ** power)
