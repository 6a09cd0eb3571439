"""General rows: what each category must say, by columns or for all rows, and presets of two data sets."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.contract.errors import UserError
from stages.contract.schemas import GENERAL
from tests.ingest.test_presets import Imported, parquet, run


def jsonl(work: Path, *rows: Mapping[str, object]) -> Path:
    path = work / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def general(work: Path, *rows: Mapping[str, object], values: Mapping[str, str] | None = None, **more: str) -> Imported:
    return run(work, jsonl(work, *rows), kind="general", values=json.dumps(values or {}), **more)


def test_a_row_of_each_category(tmp_path: Path) -> None:
    found = general(
        tmp_path,
        {"prompt": "Write a poem.", "response": "<think>a</think>Roses.", "category": "Writing", "license": "CC0-1.0", "wants_thought": True},
        {"question": "Capital?", "response": "It is Paris.", "category": "factual-qa", "answer": ["Paris", "paris"], "quality": 0.5},
        {"prompt": "Who are you?", "output": "I am R1.", "category": "self_cognition", "wants_thought": "no"},
        {"prompt": "In Chinese: hi", "response": "你好", "category": "translation", "answer_language": "Chinese", "label": 5},
        {"prompt": "How do I steal?", "response": "Don't.", "kind": "safety", "safety": "harmful", "quality": None},
        {"messages": [{"role": "user", "content": "hi"}], "prompt": "hi", "completion": "Hello!", "category": "other"},
        name="mine",
        license="MIT",
        preset="completion",
    )  # fmt: skip
    rows = found.general.select(
        "category", "thought", "answer_language", "references", "safety", "quality", "license"
    ).rows()
    assert rows == [
        ("writing", "wanted", "", [], "", None, "CC0-1.0"),
        ("factual_qa", "any", "", ["Paris", "paris"], "", 0.5, "MIT"),
        ("self_cognition", "none", "", [], "", None, "MIT"),
        ("translation", "any", "zh", [], "", None, "MIT"),
        ("safety", "any", "", [], "unsafe", None, "MIT"),
        ("other", "any", "", [], "", None, "MIT"),
    ]
    assert found.general["r1_id"].to_list() == GENERAL.row_ids(found.general)
    assert found.traces.is_empty() and found.tasks.is_empty() and found.rejected.is_empty()
    assert (found.metrics["rows"], found.metrics["general"]) == (6, 6) and "traces" not in found.metrics


def test_values_for_all_rows(tmp_path: Path) -> None:
    rows = [{"prompt": f"In German: {n}", "response": "x"} for n in range(2)]
    found = general(tmp_path, *rows, values={"category": "translation", "answer_language": "de", "license": "mit"})
    assert found.general.select("category", "answer_language", "license").rows() == [("translation", "de", "mit")] * 2


def test_rows_that_cannot_be_judged_are_left_out_with_the_reason(tmp_path: Path) -> None:
    good = {"prompt": "p", "response": "r", "category": "writing"}
    found = general(
        tmp_path,
        good,
        good,
        {"prompt": "In Chinese: hi", "response": "你好", "category": "translation"},
        {"prompt": "How?", "response": "So.", "category": "safety"},
        {"prompt": " ", "response": "r", "category": "writing"},
        {"prompt": "q", "response": "", "category": "writing"},
    )
    assert found.general_rejected["r1_drop"].to_list() == [
        f"duplicate:{found.general['r1_id'][0]}", "no_answer_language", "no_safety", "empty", "no_response",
    ]  # fmt: skip
    assert found.metrics["general_rejected_no_safety"] == 1 and found.metrics["general"] == 1


@pytest.mark.parametrize(
    ("row", "message", "hint"),
    [
        ({"category": "writting"}, r"rows.jsonl, row 2: category 'writting' is not one of writing, .*did you mean writing\?", "--value category=writing"),
        ({"category": "Poems"}, "category 'Poems' is not one of", "--column category=THEIRS"),
        ({}, "a general row has no category", "--value category=writing"),
        ({"category": "safety", "safety": True}, "safety 'True' is not one of unsafe, safe", "--value safety=unsafe"),
        ({"category": "writing", "wants_thought": "maybe"}, "wants_thought 'maybe' is not one of wanted, none, any", "wants_thought=wanted"),
        ({"category": "writing", "quality": "high"}, "quality 'high' is no number", "--column quality=THEIRS"),
        ({"category": "translation", "answer_language": "Elvish"}, "answer_language 'Elvish' is not known", "a code such as"),
    ],
)  # fmt: skip
def test_what_nobody_knows_is_an_error(tmp_path: Path, row: dict[str, object], message: str, hint: str) -> None:
    good = {"prompt": "p", "response": "r", "category": "writing"}
    with pytest.raises(UserError, match=message) as caught:
        general(tmp_path, good, {"prompt": "p", "response": "r", **row})
    assert hint in caught.value.hint


def test_a_source_without_a_single_usable_row_says_what_is_lacking(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of 1 general rows can be used \(no_safety: 1\)") as caught:
        general(tmp_path, {"prompt": "p", "response": "r", "category": "safety"})
    assert "--column safety=THEIRS" in caught.value.hint
    with pytest.raises(UserError, match="no_response") as caught:
        general(tmp_path / "..", {"question": "Capital?", "answer": "Paris", "category": "factual_qa"})
    assert "--column response=THEIRS" in caught.value.hint


def test_dolly(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Who?", "context": "Ann wrote it.", "response": "Ann.", "category": "closed_qa"},
        {"instruction": "Name fruit.", "context": "", "response": "Figs and limes.", "category": "brainstorming"},
    ]
    found = run(tmp_path, parquet(tmp_path, rows))
    assert found.description["preset"] == "dolly"
    assert found.general.select("category", "prompt").rows() == [
        ("factual_qa", "Who?\n\nAnn wrote it."),
        ("writing", "Name fruit."),
    ]


def test_no_robots(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Write."}, {"role": "assistant", "content": "Words."}]
    rows = [
        {"prompt": "Write.", "prompt_id": "a", "messages": chat, "category": "Generation"},
        {"prompt": "Write.", "prompt_id": "b", "messages": [*chat, *chat], "category": "Chat"},
    ]
    found = run(tmp_path, parquet(tmp_path, rows), license="cc-by-nc-4.0")
    assert found.description["preset"] == "no_robots"
    assert found.general.select("category", "response", "license").rows() == [("writing", "Words.", "cc-by-nc-4.0")]
    assert found.general_rejected["r1_drop"].to_list() == ["no_single_turn:user assistant user assistant"]
