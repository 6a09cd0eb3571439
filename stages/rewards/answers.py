r"""An answer as it is meant: read into a tree, with its unit, percent sign and names told apart from its value."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from stages.rewards.cleaning import clean
from stages.rewards.grammar import parse
from stages.rewards.lexer import ReadError
from stages.rewards.notation import EMPTY_WORDS, MULTIPLIERS, NO_UNIT, REAL_WORDS, UNIT_NAMES, UNITS
from stages.rewards.tree import (
    EMPTY,
    INFINITY,
    MINUS_INFINITY,
    MINUS_ONE,
    ONE,
    REALS,
    Node,
    add,
    contains,
    key,
    mul,
    num,
    substitute,
    symbol,
)

MAX_READ = 4096  # characters that are parsed
MAX_CACHED = 256  # characters of an answer whose trees are kept
_PM = frozenset({"pm"})
_WRAPPERS = re.compile(
    r"\\(?:text|mbox|hbox|mathrm|textbf|mathbf|textit|textrm|textnormal|emph|operatorname)[a-z]* ?\{([^{}]*)\}"
)
_BASE_NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
)
_BASED = re.compile(
    r"\(?([0-9A-Z]+)\)?_ ?\{?(?:\\(?:text|mathrm|mbox) ?\{)? ?([0-9]{1,2}|" + "|".join(_BASE_NAMES[2:]) + r") ?\}?\}?"
)
_DERIVATIVE = re.compile(r"mul:\(d;pow:\(mul:\(d;([a-z])\);-1/1\);([a-z])\)")
_TIGHT = re.compile(r" *([^\w ]) *")
_LIST_COMMA = re.compile(r"[0-9],[0-9]{3}(?![0-9])")
_UNIT_LETTER = re.compile(r"[0-9}](?: |~|\\,|\\ )+[msghlLNJWV]\b")


def plain_text(text: str) -> str:
    r"""The words of an answer, without the notation around them and in one case.

    >>> plain_text(r"\text{No  Solution}."), plain_text("**Blue**")
    ('no solution', 'blue')
    """
    before = None
    while before != text:
        before, text = text, _WRAPPERS.sub(r" \1 ", text)
    for noise in ("\\left", "\\right", "\\,", "\\;", "\\!", "\\ ", "$", "**", "~", "\\"):
        text = text.replace(noise, " ")
    return " ".join(text.casefold().split()).strip(" .,;:!\"'{}")


def readings(text: str) -> tuple[Node, ...]:
    """What an answer may mean, the likeliest first; a text where it is no mathematics.

    `100,200` is a number or else a list; `5 m` is metres or else a product.
    """
    return _readings(text) if len(text) <= MAX_CACHED else _readings.__wrapped__(text)


@lru_cache(maxsize=8192)
def _readings(text: str) -> tuple[Node, ...]:
    cleaned = clean(text)
    found = [_read(cleaned)]
    if _LIST_COMMA.search(cleaned):
        found.append(_read(cleaned, list_commas=True))
    if _UNIT_LETTER.search(cleaned):
        found.append(_read(cleaned, unit_letters=False))
    return tuple(dict.fromkeys(found))


def _read(cleaned: str, *, list_commas: bool = False, unit_letters: bool = True) -> Node:
    words = plain_text(cleaned)
    if words in EMPTY_WORDS:
        return EMPTY
    if words in REAL_WORDS:
        return REALS
    if words in ("infinity", "positive infinity", "negative infinity"):
        return MINUS_INFINITY if words[0] == "n" else INFINITY
    if len(cleaned) > MAX_READ:
        return _text(words)
    if based := _based(cleaned):
        return based
    sides = cleaned.split("=")
    if len(sides) > 1 and len({side.strip() for side in sides}) == 1:
        return _text(words)  # 0 = 0 says nothing of a value
    try:
        return _measured(parse(cleaned, list_commas=list_commas, unit_letters=unit_letters))
    except ReadError:
        return _text(words)


def _text(words: str) -> Node:
    """Words, or notation that isn't read, for comparison as they stand."""
    return Node("text", name=_TIGHT.sub(r"\1", words))


def _based(text: str) -> Node | None:
    """A numeral with its base, as in 101_2."""
    found = _BASED.fullmatch(plain if (plain := _WRAPPERS.sub(r"\1", text)) else text)
    if not found:
        return None
    digits, base = found.groups()
    value = _BASE_NAMES.index(base) if base in _BASE_NAMES else int(base)
    if not 2 <= value <= 36 or len(digits) > 200 or (not digits[0].isdigit() and (len(digits) < 2 or value < 11)):
        return None
    try:
        return Node("based", (num(value),), digits, Fraction(int(digits, value)))
    except ValueError:
        return None


def _measured(node: Node) -> Node:
    """The tree with every unit understood: multipliers multiplied, percents and degrees as their own nodes.

    Raises:
        ReadError: words behind a value that are no unit.
    """
    if node.kind in ("list", "set", "seq", "rel"):
        return Node(node.kind, tuple(_measured(arg) for arg in node.args), node.name)
    if node.kind == "compound":
        return _compound([_measured(arg) for arg in node.args])
    if node.kind != "unit":
        return node
    value, words = node.args[0], node.name.casefold().replace("-", " ").split()
    while words and words[0] in MULTIPLIERS:
        value = mul(value, num(MULTIPLIERS[words.pop(0)]))
    if not words:
        return value
    if words == ["percent"]:
        return Node("percent", (value,))
    if words[0] in ("degree", "degrees") and len(words) == 1:
        return Node("deg", (value,))
    if not NO_UNIT.isdisjoint(words) and words[-1] != "squared" and words[-1] != "cubed":
        raise ReadError("unit")
    return Node("unit", (value,), " ".join(words))


def _compound(parts: list[Node]) -> Node:
    """5 feet 3 inches as inches.

    Raises:
        ReadError: units of different dimensions, or unknown ones.
    """
    known = [measure(part.name) if part.kind == "unit" else None for part in parts]
    sizes = [one for one in known if one is not None]
    if len(sizes) < len(parts) or len({dimension for dimension, _ in sizes}) != 1:
        raise ReadError("unit")
    terms = [mul(part.args[0], num(size / sizes[-1][1])) for part, (_, size) in zip(parts, sizes, strict=True)]
    return Node("unit", (add(*terms),), parts[-1].name)


@lru_cache(maxsize=1024)
def measure(unit: str) -> tuple[str, Fraction] | None:
    """The dimension of a unit and its size in it; None for a unit that isn't in the tables.

    >>> measure("cm^2"), measure("square meters"), measure("apples")
    (('length^2', Fraction(1, 10000)), ('length^2', Fraction(1, 1)), None)
    """
    over, *under = unit.replace(" per ", "/").split("/")
    total, dimensions = Fraction(1), []
    for part, sign in ((over, 1), *((part, -1) for part in under)):
        words = part.split()
        power = 1
        if words and words[0] in ("square", "sq", "sq.", "cubic", "cu"):
            power = 2 if words.pop(0).startswith("sq") else 3
        if words and words[-1] in ("squared", "cubed"):
            power = 2 if words.pop() == "squared" else 3
        name, _, exponent = " ".join(words).partition("^")
        if exponent:
            if not exponent.strip().isdigit() or len(exponent) > 1:
                return None
            power = int(exponent)
        known = UNITS.get(UNIT_NAMES.get(name.strip().rstrip("."), ""))
        if known is None:
            return None
        dimension, size = known
        total *= size ** (power * sign)
        dimensions.append(dimension if power * sign == 1 else f"{dimension}^{power * sign}")
    return " ".join(sorted(dimensions)), total


@dataclass(frozen=True, kw_only=True)
class View:
    """An answer's parts. `one`: a value or shape; `values`: several, in no order; `assigned`: named values.

    `name` is what a single value was said to be (`x` in x = 5). `exact`: the values are a set, so that
    repetitions don't count. `listed`: they stood bare between commas, where their order may have been meant.
    """

    kind: str
    values: tuple[Node, ...]
    names: tuple[str, ...] = ()
    exact: bool = False
    listed: bool = False

    @property
    def name(self) -> str:
        return self.names[0] if self.names else ""


def view(node: Node) -> View:
    """Tell names from values, and several values from one."""
    if node.kind == "list":
        return _list_view(node)
    if node.kind == "set" and node.args:
        return View(
            kind="values", values=tuple(alternative for arg in node.args for alternative in expanded(arg)), exact=True
        )
    if node.kind == "rel":
        return _relation_view(node)
    alternatives = expanded(node)
    return View(kind="one" if len(alternatives) == 1 else "values", values=alternatives)


def expanded(node: Node) -> tuple[Node, ...]:
    """The alternatives of a value with plus-or-minus signs: all upper signs, then all lower ones."""
    if not contains(node, _PM):
        return (node,)
    upper = substitute(node, "pm", {"pm": ONE, "mp": MINUS_ONE})
    return (upper, substitute(node, "pm", {"pm": MINUS_ONE, "mp": ONE}))


def _list_view(node: Node) -> View:
    parts = [view(arg) for arg in node.args]
    if all(part.kind in ("assigned", "one") and part.names for part in parts):
        names = tuple(name for part in parts for name in part.names)
        values = tuple(value for part in parts for value in part.values)
        stems = {_stem(name) for name in names}
        if len(stems) == 1 and len(set(names)) in (1, len(names)):
            return View(kind="values", values=values, names=(stems.pop(),))
        if len(set(names)) == len(names) and node.name != "or":
            return View(kind="assigned", values=values, names=names)
        return View(kind="one", values=(node,))
    simple = all(part.kind in ("one", "values") and (at == 0 or not part.names) for at, part in enumerate(parts))
    if simple and not any(part.kind == "one" and part.values[0].kind == "rel" for part in parts):
        values = tuple(value for part in parts for value in part.values)
        plain = node.name == "," and all(part.kind == "one" for part in parts)
        return View(kind="values", values=values, names=parts[0].names, listed=plain)
    return View(kind="one", values=(node,))


def _stem(name: str) -> str:
    return name.partition("_")[0]


def _relation_view(node: Node) -> View:
    """`x = 5` is 5 under the name x; x in S is S; a chain of names is several assignments; else a relation."""
    operators = node.name.split(",")
    if operators == ["in"] and _name(node.args[0]):
        inner = view(node.args[1])
        return View(kind=inner.kind, values=inner.values, names=(_name(node.args[0]),), exact=inner.exact)
    if set(operators) != {"="}:
        return View(kind="one", values=(node,))
    terms = node.args if _name(node.args[0]) or node.args[0].kind == "seq" else tuple(reversed(node.args))
    first, last = terms[0], terms[-1]
    if first.kind == "seq" and last.kind == "seq" and all(_name(arg) for arg in first.args) and len(terms) == 2:
        if len(first.args) == len(last.args):
            return View(kind="assigned", values=last.args, names=tuple(_name(arg) for arg in first.args))
    names = [name for term in terms if (name := _name(term))]
    if names and len(names) == len(terms) - 1 and not _name(last):  # m = n = 11
        if len(names) == 1:
            inner = view(last)
            return View(kind=inner.kind, values=inner.values, names=(names[0],), exact=inner.exact)
        return View(kind="assigned", values=(last,) * len(names), names=tuple(names))
    if len(terms) == 2 and _name(first):
        return View(kind="one", values=(last,), names=(_name(first),))
    if _name(first) and not any(_name(term) for term in terms[1:]) and terms is node.args:
        return View(kind="chain", values=terms[1:], names=(_name(first),))
    if not any(contains(term, frozenset({"sym", "text"})) for term in terms):
        return View(kind="chain", values=terms)
    return View(kind="one", values=(node,))


def _name(node: Node) -> str:
    """The name that a value is given on the left of an equals sign: x, f(x), AB, angle A; nothing for others."""
    if node.kind == "sym":
        return node.name
    if node.kind == "text" and not node.name.startswith("\\"):
        return node.name.casefold()
    if (
        node.kind == "mul"
        and len(node.args) <= 4
        and all(arg.kind == "sym" and arg.name.isupper() for arg in node.args)
    ):
        return "".join(arg.name for arg in node.args)
    if node.kind == "mul" and len(node.args) == 2 and all(arg.kind == "sym" for arg in node.args):
        angles = [arg.name for arg in node.args if arg.name.startswith("angle")]  # the measure m of an angle
        return angles[0] if len(angles) == 1 and symbol("m") in node.args else ""
    if node.kind == "fn" and node.name == "abs":
        return _name(node.args[0])
    if node.kind in ("union", "meet") and all(arg.kind == "sym" for arg in node.args):
        return {"union": " cup ", "meet": " cap "}[node.kind].join(arg.name for arg in node.args)
    if node.kind == "mul" and (found := _DERIVATIVE.fullmatch(key(node))):
        return f"d{found[2]}/d{found[1]}"
    return ""
