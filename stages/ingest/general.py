"""What a general row asks of its answer, read off somebody's columns: category, language, references, safety, quality.

Every general row has a category of r1's own. A translation must say into which language it is, a safety row whether its
request is unsafe: without that nobody can tell a good answer, and the row is dropped with the reason.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from stages.contract.errors import UserError
from stages.contract.schemas import CATEGORIES
from stages.ingest import shapes
from stages.ingest.presets import Preset
from stages.ingest.shapes import clean, text

COLUMNS = ("answer_language", "references", "safety", "wants_thought", "quality")
REFERENCES = ("references", "answer")
_WORDS = {
    "safety": {"unsafe": ("unsafe", "harmful"), "safe": ("safe", "harmless", "benign")},
    "wants_thought": {"wanted": ("wanted", "yes", "true"), "none": ("none", "no", "false"), "any": ("any",)},
}


@dataclass(frozen=True, kw_only=True)
class Demands:
    """A row's category and the columns DEMANDS of stages/contract/schemas.py. `drop`: why the row can't be used."""

    category: str
    thought: str
    answer_language: str
    references: list[str]
    safety: str
    quality: float | None
    drop: str = ""


def demands(record: Mapping[str, object], preset: Preset, label: str) -> Demands:
    """What a record asks of its answer.

    Raises:
        UserError: its category, or what it says of safety, thought or quality, is none that is known.
    """
    category = _category(record, preset, label)
    language = clean(text(record.get("answer_language")))
    safety = _word(record, "safety", label) if category == "safety" else ""
    drop = "no_answer_language" if category == "translation" and not language else ""
    given = next((record[name] for name in REFERENCES if record.get(name)), None)
    return Demands(
        category=category,
        thought=_word(record, "wants_thought", label) or "any",
        answer_language=language,
        references=_references(given) if category == "factual_qa" else [],
        safety=safety,
        quality=_quality(record, label),
        drop=drop or ("no_safety" if category == "safety" and not safety else ""),
    )


def _category(record: Mapping[str, object], preset: Preset, label: str) -> str:
    said = next((found for name in shapes.CATEGORIES if (found := clean(text(record.get(name))))), "")
    if not said and record.get("kind") == "safety":
        return "safety"
    if not said:
        raise UserError(f"{label}: a general row has no category", hint=_hint("category", CATEGORIES[0]))
    known = preset.categories.get(said, said.lower().replace(" ", "_").replace("-", "_"))
    if known in CATEGORIES:
        return known
    raise unknown(label, "category", said, CATEGORIES, near=known)


def _word(record: Mapping[str, object], column: str, label: str) -> str:
    """A column's value as one of our words, or nothing."""
    value = record.get(column)
    said = clean(text(value) if not isinstance(value, bool) else str(value))
    found = next((ours for ours, theirs in _WORDS[column].items() if said.lower() in theirs), "")
    if said and not found:
        raise unknown(label, column, said, list(_WORDS[column]))
    return found


def unknown(label: str, column: str, said: str, known: "list[str] | tuple[str, ...]", *, near: str = "") -> UserError:
    """The error for a value that a column can't have."""
    found = difflib.get_close_matches(near or said, known, n=1)
    nearest = f" (did you mean {found[0]}?)" if found else ""
    return UserError(
        f"{label}: {column} {said[:80]!r} is not one of {', '.join(known)}{nearest}",
        hint=_hint(column, found[0] if found else known[0]),
    )


def _hint(column: str, value: str) -> str:
    return f"r1 data import ... --column {column}=THEIRS, or for all rows: --value {column}={value}"


def _references(value: object) -> list[str]:
    """One or several accepted answers: a text, a list, or what TriviaQA and SQuAD have.

    >>> _references({"value": "Paris", "aliases": ["paris", "City of Light"], "type": "place"})
    ['Paris', 'paris', 'City of Light']
    """
    if isinstance(value, Mapping):
        parts = [value.get(name) for name in ("value", "aliases", "text")]
        value = [one for part in parts for one in (part if isinstance(part, list) else [part])]
    listed = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(found for part in listed if (found := clean(text(part)))))


def _quality(record: Mapping[str, object], label: str) -> float | None:
    said = text(record.get("quality")).strip()
    try:
        found = float(said) if said else None
    except ValueError:
        found = math.nan
    if found is not None and not math.isfinite(found):
        raise UserError(f"{label}: quality {clean(said)[:80]!r} is no number", hint=_hint("quality", "1"))
    return found
