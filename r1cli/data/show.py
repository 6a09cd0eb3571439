"""Rows as people read them: the question, the thought and the answer in their colours, what they earned and why."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from r1cli.data.select import ROW, Chosen
from stages.contract.transcript import ANSWER, END_ANSWER, END_THINK, TAGS, THINK

Piece = tuple[str, str]  # a text and its style
QUESTION, THOUGHT, SOLUTION, TAG, NAME, FAINT = "bold", "cyan", "green", "dim", "bold blue", "dim"
TEXTS = ("prompt", "question", "problem", "text", "response", "completion", "chosen", "rejected", "solution", "answer")
ANSWERED = ("response", "completion", "chosen", "rejected")  # these hold thoughts
TURNS = ("messages", "conversations")
EARNED = (
    "verdict", "reason", "correct", "safe", "refused", "truncated", "finish", "accuracy", "format",
    "language_consistency", "preference", "margin", "reward", "advantage", "masked", "r1_drop",
)  # fmt: skip
HIDDEN = ("r1_id", ROW, "states")
_VERDICTS = {"correct": "bold green", "wrong": "bold red", "unknown": "bold yellow", True: "bold green", False: "red"}
_DIGEST = re.compile(r"\b[0-9a-f]{32,64}\b")
_TAGS = re.compile("|".join(map(re.escape, TAGS)))


def row(name: str, content: Mapping[str, object], *, limit: int) -> Iterator[Piece]:
    """A row's pieces. Texts longer than `limit` characters lose their middle; 0: nothing is cut."""
    yield f"{name} row {content.get(ROW, '')}", "bold magenta"
    yield f"  {content.get('r1_id', '')}\n", FAINT
    listed = [key for key in content if key not in (*TEXTS, *TURNS, *EARNED, *HIDDEN)]
    facts = [f"{key} {_short(content[key])}" for key in listed if content[key] not in (None, "", [])]
    if facts:
        yield visible(" · ".join(facts)) + "\n", FAINT
    for key in TURNS:
        yield from _turns(key, content.get(key), limit)
    for key in TEXTS:
        text = content.get(key)
        if text not in (None, ""):
            yield f"{key}: ", NAME
            yield from spoken(shortened(_plain(text), limit), QUESTION if key not in ANSWERED else "")
            yield "\n", ""
    earned = [key for key in EARNED if content.get(key) is not None]
    for place, key in enumerate(earned):
        value = content[key]
        yield f"{key} ", FAINT
        style = _VERDICTS.get(value, "bold red" if key == "r1_drop" else "") if isinstance(value, str | bool) else ""
        yield visible(_plain(value)), style
        yield ("  " if place < len(earned) - 1 else "\n"), ""


def _turns(key: str, turns: object, limit: int) -> Iterator[Piece]:
    """A conversation in either of the two forms that the field writes."""
    if not isinstance(turns, list):
        return
    for turn in turns:
        if isinstance(turn, Mapping):
            who = turn.get("role", turn.get("from", "?"))
            yield f"{key}, {visible(_plain(who))}: ", NAME
            said = shortened(_plain(turn.get("content", turn.get("value", ""))), limit)
            yield from spoken(said, "" if who in ("assistant", "gpt") else QUESTION)
            yield "\n", ""


def spoken(text: str, style: str) -> Iterator[Piece]:
    """A text in pieces: its thought, its answer, its tags, and what stands outside in `style`.

    >>> [piece for piece in spoken("<think>2+3</think>5", "") if piece[0]]
    [('<think>', 'dim'), ('2+3', 'cyan'), ('</think>', 'dim'), ('5', 'green')]
    """
    opened_before = END_THINK in text and THINK not in text.partition(END_THINK)[0]
    current = THOUGHT if opened_before else style
    after = {THINK: THOUGHT, END_THINK: SOLUTION, ANSWER: f"{SOLUTION} bold", END_ANSWER: ""}
    at = 0
    for tag in _TAGS.finditer(text):
        yield visible(text[at : tag.start()]), current
        yield tag[0], TAG
        current = after.get(tag[0], style)
        at = tag.end()
    yield visible(text[at:]), current


def shortened(text: str, limit: int) -> str:
    """A text without its middle, where it is longer than `limit` characters. How much was left out is said.

    >>> shortened("abcdefghij", 4), shortened("abc", 0)
    ('abc [... 6 more characters ...] j', 'abc')
    """
    if not limit or len(text) <= limit:
        return text
    head = limit - limit // 4
    return f"{text[:head]} [... {len(text) - limit:,} more characters ...] {text[len(text) - limit // 4 :]}"


def visible(text: str) -> str:
    """A text whose control and direction marks are spelled out: what a model wrote must not steer the terminal.

    >>> visible("a\\x1b[31m\\tb\\u202e")
    'a\\\\x1b[31m\\tb\\\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={_plain(part)}" for key, part in value.items() if part is not None)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(part) for part in value)
    return str(value)


def _short(value: object) -> str:
    """A fact, with digests in short."""
    return _DIGEST.sub(lambda found: found[0][:12], _plain(value))


def summary(chosen: Sequence[Chosen], *, where: str, sample: bool) -> str:
    """What was shown, of how much."""
    shown, fitting = sum(len(one.frame) for one in chosen), sum(one.fitting for one in chosen)
    total = sum(one.total for one in chosen)
    how = "a sample of " if sample else "the first "
    rest = f" of {fitting:,} that fit" if where else ""
    return f"{how}{shown:,}{rest}, of {total:,} rows in {', '.join(one.table.name for one in chosen)}"
