"""Tables of mathematical notation: characters, commands, functions, units and the words beside answers."""

import unicodedata
from fractions import Fraction

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣʸᵀ", "0123456789+-=()nixyT", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙₓₐₑₒₖₘ", "0123456789+-=()nxaeokm", strict=True))

_GREEK = (
    "αalpha βbeta γgamma δdelta εepsilon ζzeta ηeta θtheta ιiota κkappa λlambda μmu νnu ξxi πpi ρrho σsigma τtau "
    "υupsilon φphi χchi ψpsi ωomega ΓGamma ΔDelta ΘTheta ΛLambda ΞXi ΠPi ΣSigma ΦPhi ΨPsi ΩOmega ϕphi ϵepsilon"
)
GREEK = {entry[0]: entry[1:] for entry in _GREEK.split()}
_SIGNS = (
    "×times ⋅cdot ·cdot ∙cdot ∗cdot •cdot ÷div ∕div ⁄div √sqrt ∛cbrt ∜qdrt ∞infty ≤le ≥ge ≦le ≧ge ⩽le ⩾ge ≠ne "
    "≈approx ≃approx ≡equiv ∈in ∉notin ∪cup ∩cap ∖setminus ∅varnothing ⌀varnothing ±pm ∓mp ℝR ℤZ ℕN ℚQ ℂC ⟨langle "
    "⟩rangle 〈langle 〉rangle ⌊lfloor ⌋rfloor ⌈lceil ⌉rceil …ldots ⋯cdots °degree º degree ∠angle △triangle ∣mid "
    "∑sum ∏prod ∫int ∂partial ∧wedge ∨vee ⇒implies →to ℃degree"
)
_VULGAR = "½ ⅓ ⅔ ¼ ¾ ⅕ ⅖ ⅗ ⅘ ⅙ ⅚ ⅐ ⅛ ⅜ ⅝ ⅞ ⅑ ⅒"


def _character_table() -> dict[int, str]:
    table = {ord(sign): f"\\{name} " for sign, name in GREEK.items()}
    table |= {ord(entry[0]): f"\\{entry[1:]} " for entry in _SIGNS.split()}
    table[ord("％")] = "%"
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    table |= {ord(dash): "-" for dash in "−–—‐‑‒﹣"}
    table |= {ord(space): "\\," for space in "\u00a0\u2009\u202f\u2007\u2008\u200a\u2006\u2005"}
    table |= {ord(space): " " for space in "\u3000\u2003\u2002\u2004\t\r"}
    table |= {ord(empty): "" for empty in "\u200b\u200c\u200d\ufeff\u2060\u00ad\u200e\u200f\u2061\u2062\u2063"}
    table |= {ord("，"): ",", ord("、"): ",", ord("；"): ";", ord("。"): ".", ord("：「"[0]): ":", ord("′"): "'"}
    table |= {ord("“"): '"', ord("”"): '"', ord("‘"): "'", ord("’"): "'", ord("【"): "(", ord("】"): ")"}
    table |= {ord("˚"): "\\degree ", ord("µ"): "\\mu "}
    for sign in _VULGAR.split():
        over, _, under = unicodedata.normalize("NFKC", sign).partition("\u2044")
        table[ord(sign)] = rf"\frac{{{over}}}{{{under}}}"
    for code in range(0x1D400, 0x1D800):  # the mathematical alphabets: italic, bold, double-struck
        plain = unicodedata.normalize("NFKC", chr(code))
        if plain != chr(code):
            table[code] = f"\\{GREEK[plain]} " if plain in GREEK else plain
    return table


CHARACTERS = _character_table()

# Commands that only change how something looks.
IGNORED = frozenset(
    "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm displaystyle textstyle "
    "scriptstyle limits nolimits quad qquad thinspace enspace hfill hline rm bf it cal tt sf sl em par noindent "
    "nonumber smallskip medskip bigskip break newline centering strut mathstrut null relax protect ensuremath "
    "boldmath unboldmath normalfont bfseries Large large huge Huge small tiny".split()
)
# Commands whose braces hold mathematics or a word in another font.
FONTS = frozenset(
    "text textbf textit textrm textsf texttt textnormal textup textsc emph mbox hbox mathrm mathbf mathit mathsf "
    "mathtt mathcal mathfrak mathscr mathnormal boldsymbol bm pmb operatorname underline vec overrightarrow boxed fbox "
    "overline widehat ensuremath bold uline phantom".split()
)
DECORATIONS = frozenset("hat tilde bar dot ddot widetilde check".split())
SKIPPED_ARGUMENT = frozenset("hspace vspace kern label tag color textcolor hskip".split())

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch arcsinh arccosh "
    "arctanh ln log lg exp max min gcd lcm sgn arg det dim ker deg Re Im erf".split()
)
ALIASES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot", "arsinh": "arcsinh", "arcosh": "arccosh",
    "artanh": "arctanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "tg": "tan", "ctg": "cot",
    "arctg": "arctan", "arcctg": "arccot", "cosec": "csc", "sign": "sgn", "sh": "sinh", "ch": "cosh", "th": "tanh",
}  # fmt: skip
# Names that mean something when they are written as plain letters, as in sqrt(2) or pi/3.
PLAIN_NAMES = (
    frozenset("sqrt cbrt abs floor ceil pi infty infinity inf oo binom frac pm cup cap le ge".split())
    | (FUNCTIONS - {"arg", "dim", "ker", "Re", "Im", "det", "deg"})
    | (frozenset(ALIASES) - {"tg", "sh", "ch", "th", "sign"})
    | frozenset(set(GREEK.values()) - {"eta", "nu", "xi", "mu", "tau", "chi", "rho", "phi", "psi", "Pi", "Xi", "Phi"})
)

RELATIONS = {
    "=": "=", "<": "<", ">": ">", "le": "<=", "leq": "<=", "leqslant": "<=", "leqq": "<=", "ge": ">=", "geq": ">=",
    "geqslant": ">=", "geqq": ">=", "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "approx": "=", "simeq": "=",
    "equiv": "==", "cong": "==", "in": "in", "notin": "notin", "subset": "subset", "subseteq": "subset", "to": "to",
    "rightarrow": "to", "implies": "to", "Rightarrow": "to", "mapsto": "to", "iff": "iff", "Leftrightarrow": "iff",
    "sim": "sim", "parallel": "parallel", "perp": "perp", "mid": "|", "doteq": "=", "coloneqq": "=", "triangleq": "=",
}  # fmt: skip
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "==": "=="}

NUMBER_SETS = {"R": "R", "Z": "Z", "N": "N", "Q": "Q", "C": "C", "reals": "R"}

# Unit -> (dimension, size of one in the dimension's own measure). Exact, so that 100 cm is 1 m.
_UNITS = """
length: mm 1/1000 | cm 1/100 | dm 1/10 | m 1 | km 1000 | in 127/5000 | ft 381/1250 | yd 1143/1250 | mi 201168/125
time: ms 1/1000 | s 1 | min 60 | h 3600 | day 86400 | week 604800
mass: mg 1/1000 | g 1 | kg 1000 | lb 45359237/100000 | oz 45359237/1600000
volume: ml 1/1000 | cl 1/100 | l 1
money: cent 1/100 | dollar 1
euro: euro 1
pound: pound sterling 1
rupee: rupee 1
yuan: yuan 1
yen: yen 1
month: month 1 | year 12
angle: degree 1
radian: radian 1
temperature: celsius 1
fahrenheit: fahrenheit 1
data: bit 1 | byte 8
energy: j 1 | kj 1000
power: w 1 | kw 1000
force: n 1
voltage: v 1
current: ampere 1
pressure: pa 1 | kpa 1000
frequency: hz 1
resistance: ohm 1
amount: mol 1
"""
_UNIT_NAMES = """
mm millimeter millimetre | cm centimeter centimetre | dm decimeter decimetre | m meter metre | km kilometer kilometre
in inch inches | ft foot feet | yd yard | mi mile | ms millisecond | s sec second | min minute mins | h hr hour
day | week | mg milligram | g gram gm | kg kilogram kilo | lb lbs | oz ounce | ml milliliter millilitre
l liter litre | cent ¢ | dollar usd $ buck | euro € eur | rupee ₹ rs | yuan rmb 元 | yen ¥ | month | year yr
degree deg ° | radian rad | celsius °c | fahrenheit °f | bit | byte | j joule | kj kilojoule | w watt | kw kilowatt
n newton | v volt | ampere amp | pa pascal | hz hertz | ohm | mol mole | 分钟 | pound sterling £ gbp
"""


def _units() -> dict[str, tuple[str, Fraction]]:
    table = {}
    for line in _UNITS.strip().splitlines():
        dimension, _, entries = line.partition(": ")
        for entry in entries.split(" | "):
            unit, _, size = entry.rpartition(" ")
            table[unit] = (dimension, Fraction(size))
    return table


def _unit_names() -> dict[str, str]:
    names = {"pound sterling": "pound sterling", "£": "pound sterling", "gbp": "pound sterling"}
    for entry in _UNIT_NAMES.replace("\n", " | ").split("|"):
        unit, *others = entry.split() or [""]
        if unit and unit not in ("pound", "分钟"):
            names |= {name: unit for name in (unit, *others)}
            names |= {f"{name}s": unit for name in (unit, *others) if len(name) > 2 and not name.endswith("s")}
    return names


UNITS = _units()
UNIT_NAMES = _unit_names()
CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound sterling", "₹": "rupee", "¥": "yen"}
# Letter runs that are units right after a number, without a space or a \text around them.
SHORT_UNITS = frozenset("mm cm dm km in ft yd mi ms min hr mg kg lb lbs oz ml mL kJ kW Hz Pa rad deg mol".split())
SPACED_UNITS = frozenset("m s g h L l N J W V".split())  # `5 m` may be metres, `5m` is five times m

MULTIPLIERS = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
}  # fmt: skip
# Words that change a value, hedge it or join it to another: what they stand in is no unit.
NO_UNIT = frozenset(
    "percent half halves third thirds quarter quarters k or and to plus minus times over not no zero one two three "
    "four five six seven eight nine ten eleven twelve if when but maybe either neither between than less more least "
    "most about approximately around except unless hundred thousand million billion trillion dozen nor versus vs "
    "squared cubed factorial mod modulo base where for infinity pi".split()
)
EMPTY_WORDS = frozenset(
    {"no solution", "no solutions", "empty set", "the empty set", "no real solution", "no real solutions", "无解"}
    | {"空集", "null set", "there is no solution", "there are no solutions"}
)
REAL_WORDS = frozenset(
    {"all real numbers", "all reals", "the real numbers", "all real number", "the set of real numbers"}
)
STOP_WORDS = frozenset("yes no not the odd one two six ten all red any and or but yet top win".split())
