"""A row of somebody's data as its parts: the question, what may be its gold answer, the responses and their verdicts."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.contract.errors import UserError
from stages.contract.transcript import END_THINK, THINK
from stages.ingest.presets import Preset

CODE_COLUMNS = ("code_task", "task")  # a code task as stages/rewards/code_task.py has it, or its JSON
THOUGHT_COLUMNS = ("reasoning_content", "reasoning", "thinking")  # where it stands beside the answer
CATEGORIES = ("category", "family")  # columns
LICENSES = ("license", "licence")
KINDS = ("reasoning", "general")
MAX_ORIGIN = 80  # characters of a row's own source that are kept
_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "system": "system"}
_MARKS = {  # other ways to mark thought and answer
    "<|begin_of_thought|>": THINK,
    "<|end_of_thought|>": END_THINK,
    "<|begin_of_solution|>": "",
    "<|end_of_solution|>": "",
}
_LEVEL = re.compile(r"(?:level\s*)?(\d{1,4})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Response:
    """One response, thought and answer in one text, and what the source says of it."""

    text: str
    verdict: str = "unknown"  # correct | wrong | unknown
    reason: str = "unchecked"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A row's parts. `golds` are candidates for the gold answer, in order, each with whether it counts by its mark alone
    (`\\boxed`, `####`). `drop`: why the row can't be used."""

    prompt: str
    golds: Sequence[tuple[str, bool]] | None  # None: the data set has no such column
    tests: str
    responses: Sequence[Response]
    no_gold: str = ""  # why the problem has no gold answer, where the source says so
    kind: str = ""
    level: int = 0
    origin: str = ""
    license: str = ""
    num_tokens: int = 0
    drop: str = ""


def parts(record: Mapping[str, object], preset: Preset, label: str) -> Parts:
    """A record's parts.

    Raises:
        UserError: the record has no column for a question, or neither for an answer nor for a response.
    """
    drop = next((f"{c}:{clean(text(record.get(c)))[:MAX_ORIGIN]}" for c, ok in preset.wanted.items() if text(record.get(c)) not in ok), "")  # fmt: skip
    turns_column = next((column for column in preset.turns if isinstance(record.get(column), list)), "")
    if preset.turns:
        if not turns_column and not any(column in record for column in preset.turns):
            raise lacks(record, preset.turns, label)
        prompt, response, wrong = conversation(record.get(turns_column))
        responses, drop = ([Response(text=response)] if response else []), drop or wrong
    else:
        prompt, responses = _question(record, preset, label), _responses(record, preset)
    tests = code_task(record)
    golds = _golds(record, preset, tests)
    may_answer = any(c in record for c in (*preset.responses, preset.generations, *preset.turns) if c)
    if golds is None and not may_answer:
        raise lacks(record, (*preset.golds, *preset.worked, *preset.responses), label)
    named = next(
        (preset.no_gold[word] for value, _ in golds or () if (word := value.strip().lower()) in preset.no_gold), ""
    )
    tokens, level = record.get("num_tokens"), _LEVEL.fullmatch(text(record.get(preset.level)).strip())
    return Parts(
        prompt=clean(prompt),
        golds=golds,
        tests=tests,
        responses=responses,
        no_gold=named,
        kind=_kind(record, preset),
        level=int(level[1]) if level else 0,
        origin=_first(record, ("source",))[:MAX_ORIGIN],
        license=_first(record, LICENSES),
        num_tokens=int(tokens) if isinstance(tokens, int) and 0 <= tokens < 1 << 31 and len(responses) == 1 else 0,
        drop=drop,
    )


def _kind(record: Mapping[str, object], preset: Preset) -> str:
    """What the row or its preset says it is, or nothing. Helpful and safety are what other tables call general rows."""
    said = text(record.get("kind"))
    if said in ("helpful", "safety") or preset.categories:
        return "general"
    return said if said in KINDS else ""


def _question(record: Mapping[str, object], preset: Preset, label: str) -> str:
    """The question; a prompt may itself be a chat, and an instruction may have an input."""
    present = [column for column in preset.prompts if column in record]
    if not present:
        raise lacks(record, preset.prompts, label)
    for column in present:
        value = record[column]
        found = (
            conversation([*value, {"role": "assistant", "content": "-"}])[0] if isinstance(value, list) else text(value)
        )
        if found.strip():
            more = text(record.get(preset.context or "input")).strip() if column == "instruction" else ""
            return f"{found}\n\n{more}" if more else found
    return ""


def _responses(record: Mapping[str, object], preset: Preset) -> list[Response]:
    if preset.generations:
        return _generations(record, preset)
    for column in preset.responses:
        value = record.get(column)
        if isinstance(value, list):
            found = conversation([{"role": "user", "content": "-"}, *value])[1]
        else:
            found = _whole(_first(record, THOUGHT_COLUMNS), text(value))
        if found.strip():
            return [Response(text=found)]
    return []


def _generations(record: Mapping[str, object], preset: Preset) -> list[Response]:
    given = record.get(preset.generations)
    judged = [_list(record.get(column)) for column in preset.correct]
    complete = _list(record.get(preset.complete))
    found = []
    for place, value in enumerate(_list(given)):
        verdicts = [column[place] for column in judged if place < len(column) and isinstance(column[place], bool)]
        if place < len(complete) and complete[place] is False:
            said = ("wrong", "truncated")
        elif not verdicts:
            said = ("unknown", "unchecked")
        else:
            said = ("correct", "correct") if any(verdicts) else ("wrong", "wrong")
        found.append(Response(text=_whole("", text(value)), verdict=said[0], reason=said[1]))
    return found


def conversation(turns: object) -> tuple[str, str, str]:
    """A chat of one question and one response: both, and why it can't be used. System prompts are left out, since the
    recipe's models are trained without one.

    >>> conversation([{"from": "human", "value": "2+3"}, {"from": "gpt", "value": "<think>x</think>5"}])
    ('2+3', '<think>x</think>5', '')
    >>> conversation([{"role": "user", "content": "hi"}] * 2)[2]
    'no_single_turn:user user'
    """
    listed = [turn for turn in turns if isinstance(turn, Mapping)] if isinstance(turns, list) else []
    said = [(_ROLES.get(text(turn.get("role", turn.get("from"))), "other"), turn) for turn in listed]
    said = [(role, turn) for role, turn in said if role != "system"]
    roles = [role for role, _ in said]
    if roles != ["user", "assistant"]:
        return "", "", f"no_single_turn:{' '.join(roles[:4]) or 'none'}"
    question, answer = (_said(turn) for _, turn in said)
    return question, _whole(_first(said[1][1], THOUGHT_COLUMNS), answer), ""


def _said(turn: Mapping[str, object]) -> str:
    """A turn's text. Content in parts, as `[{"type": "text", "text": ...}]`, is joined."""
    value = turn.get("content", turn.get("value"))
    if isinstance(value, list):
        return "".join(text(part.get("text")) for part in value if isinstance(part, Mapping))
    return text(value)


def _whole(thought: str, answer: str) -> str:
    """Thought and answer in one text, marked by `<think>` and `</think>`.

    >>> _whole("2+3", "5"), _whole("", "2+3</think>5")
    ('<think>2+3</think>5', '<think>2+3</think>5')
    """
    if "<|begin_of_thought|>" in answer:
        for mark, ours in _MARKS.items():
            answer = answer.replace(mark, ours)
        before, _, after = answer.partition(END_THINK)
        answer = f"{before}{END_THINK}\n{after.strip()}"
    if thought and THINK not in answer:
        return f"{THINK}{thought}{END_THINK}{answer}"
    opened_before = END_THINK in answer and THINK not in answer.partition(END_THINK)[0]
    return f"{THINK}{answer}" if opened_before else answer


def _golds(record: Mapping[str, object], preset: Preset, tests: str) -> list[tuple[str, bool]] | None:
    """The candidates for a gold answer. For a code task one: its reference program, if it has one."""
    if tests:
        return [(text(record.get("solution")), False)]
    columns = [(column, False) for column in preset.golds] + [(column, True) for column in preset.worked]
    if not any(column in record for column, _ in columns):
        return None
    return [(text(record[column]), marked) for column, marked in columns if record.get(column) is not None]


def code_task(record: Mapping[str, object]) -> str:
    """The code task of a record as JSON, or nothing.

    Raises:
        UserError: what looks like one is no JSON.
    """
    for column in CODE_COLUMNS:
        value = record.get(column)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{column} is not valid JSON ({error})", hint="r1 data import --help") from error
        if isinstance(value, dict) and "cases" in value:
            return _writable(json.dumps({k: v for k, v in value.items() if v is not None}, ensure_ascii=False))
    return ""


def _first(record: Mapping[str, object], columns: Sequence[str]) -> str:
    """The text of the first of the columns that holds any."""
    return next((found for column in columns if (found := clean(text(record.get(column))))), "")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def lacks(record: Mapping[str, object], columns: Sequence[str], label: str) -> UserError:
    has = ", ".join(clean(str(name)) for name in record) or "nothing"
    wanted = " or ".join(dict.fromkeys(columns))
    return UserError(
        f"{label} lacks a column {wanted} (has: {has})",
        hint="r1 data import ... --column prompt=YOURS --column answer=YOURS",
    )


def text(value: object) -> str:
    """Strings and numbers as text; anything else (null, lists, objects) is no problem or answer."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def clean(given: str) -> str:
    """Composed Unicode, one kind of line end, no white space around."""
    return unicodedata.normalize("NFC", _writable(given).replace("\r\n", "\n")).strip()


def _writable(given: str) -> str:
    """Lone surrogates come from JSON escapes and can be neither hashed nor written: they become question marks."""
    return given.encode("utf-8", "replace").decode("utf-8")
