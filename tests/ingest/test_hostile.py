"""Whatever stands in a file, an import ends with rows or with an error that says what to mend."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract.errors import UserError
from stages.ingest.general import COLUMNS
from stages.ingest.presets import PRESETS, Preset
from stages.ingest.shapes import CATEGORIES, CODE_COLUMNS, LICENSES, THOUGHT_COLUMNS
from tests.ingest.test_presets import run

EXTRA = (*CATEGORIES, *CODE_COLUMNS, *LICENSES, *THOUGHT_COLUMNS, "kind", "num_tokens", "source", "input")
TURN = st.dictionaries(
    st.sampled_from(["role", "from", "content", "value", "reasoning_content", "text"]),
    st.sampled_from(["user", "human", "assistant", "gpt", "system", "", None, 5, ["x"], [{"text": "y"}], "</think>"]),
)
GOOD = st.sampled_from(
    ["what is 2+3", "so \\boxed{5}", "5", "<think>2+3</think>5", "a\ud800", "Yes", True, [True, False]]
)
CHAT = st.lists(TURN, max_size=3) | st.just([{"role": "user", "content": "q"}, {"from": "gpt", "value": "a"}])
VALUES = st.recursive(
    GOOD | CHAT | st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def columns(one: Preset) -> list[str]:
    named = (*one.columns, one.prompts[0], *one.golds[:1], *one.worked, *one.responses[:1], *one.turns[:1])
    return sorted({*named, one.generations, *one.correct, one.complete, one.level, *one.wanted} - {""})


def records(one: Preset) -> st.SearchStrategy[list[dict[str, object]]]:
    own = {name: GOOD | CHAT | VALUES for name in columns(one)}
    own |= {name: st.just("so \\boxed{5}") | GOOD | VALUES for name in one.worked}
    own |= {name: st.just("Yes") | VALUES for name in one.wanted}
    own |= {"category": st.sampled_from(sorted(one.categories))} if one.categories else {}
    extra = (*EXTRA, *COLUMNS) if one.categories else EXTRA
    more = {name: VALUES for name in extra if name not in own}
    return st.lists(st.fixed_dictionaries(own, optional=more), min_size=1, max_size=3)


@pytest.mark.parametrize("one", PRESETS, ids=lambda one: str(one.name))
def test_any_values_in_known_columns(one: Preset) -> None:
    imported = []

    @settings(max_examples=50, deadline=None, database=None, derandomize=True)
    @given(rows=records(one))
    def check(rows: list[dict[str, object]]) -> None:
        with tempfile.TemporaryDirectory() as work:
            source = Path(work) / "rows.jsonl"
            source.write_text("".join(json.dumps(row) + "\n" for row in rows))
            try:
                found = run(Path(work) / "w", source, preset=one.name)
            except UserError as error:
                assert error.hint and error.message.encode()
                return
            imported.append(found)
            assert found.metrics["rows"] == len(rows)
            tables = (
                found.tasks,
                found.rejected,
                found.traces,
                found.traces_rejected,
                found.general,
                found.general_rejected,
            )
            assert sum(table.height for table in tables) >= len(rows)  # nothing vanishes

    check()
    assert imported  # not all of them were refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "p", "answer": ' + "9" * 5000 + "}", "rows.jsonl:1 is not valid JSON"),
        ('{"prompt\\ud800": "p", "label": "1"}', r"has: prompt\?, label"),
        ("[" * 100_000, "rows.jsonl:1 is not valid JSON"),
        ('{"prompt": "p", "code_task": "{"}', "code_task is not valid JSON"),
    ],
)
def test_lines_that_cannot_be_read(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "rows.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        run(tmp_path, tmp_path / "rows.jsonl")
