"""Conditions: what fits, and that nothing a user types is run as Python or reads a file."""

from pathlib import Path

import polars as pl
import pytest

from r1cli.app import main
from r1cli.conditions import MAX_CHARACTERS, condition
from stages.contract.errors import UserError
from tests.lineage.conftest import Dag

FRAME = pl.DataFrame(
    {
        "a": [1, 2, 3],
        "s": ["x", "why <think>", None],
        "l": [["p"], [], ["q", "r"]],
        "g": [{"draw": 0}, {"draw": 1}, None],
    }
)


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("a > 1", [2, 3]),
        ("a BETWEEN 1 AND 2 AND s LIKE '%think%'", [2]),
        ("starts_with(s, 'x') OR a = 3", [1, 3]),
        ("s IS NULL", [3]),
        ("g.draw = 1", [2]),
        ("col = 3", None),
        ('pl.col("a") > 1', [2, 3]),
        ('(col("a") > 1) & pl.col("s").is_not_null()', [2]),
        ('~pl.col("a").is_in([1, 3])', [2]),
        ('pl.col("s").str.contains("think") | (pl.col("a") == -(-3))', [2, 3]),
        ('pl.col("l").list.len() >= 1', [1, 3]),
        ('pl.col("g").struct.field("draw") == 0', [1]),
        ('pl.col("a") > pl.col("a").mean()', [3]),
        ('pl.col("a") % 2 == pl.lit(1)', [1, 3]),
    ],
)
def test_rows_that_fit(text: str, fitting: list[int] | None) -> None:
    found = condition(text)
    if fitting is None:
        assert found.meta.root_names() == ["col"]
    else:
        assert FRAME.filter(found)["a"].to_list() == fitting


@pytest.mark.parametrize(
    "text",
    [
        "", "a >", "a > 1; DROP", "((((", "(" * 900 + "a" + ")" * 900, "x" * (MAX_CHARACTERS + 1),
        "read_parquet('x')", "col(", "pl.col('a').", "lambda: pl.col('a')", "1 if pl.col('a') else 2",
        "pl.col('a') > 1 and pl.col('a') < 3", "0 < pl.col('a') < 3", "[pl.col('a') for x in y]", "pl.col('a')[0]",
        "'col(' * 1000000000", "pl.lit('col(').str", "pl.col('a', **{'x': 1})", "f'{pl.col(1)}'",
        "(lambda x: x)(pl.col('a'))", "'col('", "pl.col('a') ** 99999999", "~" * 1900 + "pl.col('a')",
        "pl.col('a').is_in(", "pl.col('a').is_between(1)", "pl.col('a').nonsense()",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_told(text: str) -> None:
    with pytest.raises(UserError) as caught:
        condition(text)
    assert caught.value.hint and len(caught.value.message) < 400


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch FILE') == pl.col('a')",
        "pl.col('a').map_elements(print) > 1",
        "pl.col('a').map_batches(open)",
        "pl.col('a').__class__.__init__('b')",
        "pl.col('a').meta.serialize('FILE')",
        "pl.read_parquet('FILE').col('a')",
        "pl.Expr.deserialize('FILE', pl.col('a'))",
        "pl.col('a').str.to_datetime('FILE')",
        "pl.col('a').eq(open('FILE'))",
        "getattr(pl.col('a'), 'eq')(1)",
        "pl.sql('FILE').col('a')",
    ],
)
def test_nothing_is_run(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pytest.raises(UserError, match="is no polars expression"):
        condition(text.replace("FILE", str(file)))
    assert not file.exists()


@pytest.mark.parametrize("read", ["read_csv", "read_parquet", "read_json", "read_ipc"])
def test_a_condition_reads_no_file(read: str, tmp_path: Path) -> None:
    """Subqueries can't stand in a condition, so table functions can't either."""
    FRAME.select("a").write_parquet(tmp_path / "other")
    for text in (
        f"a IN (SELECT a FROM {read}('{tmp_path / 'other'}'))",
        f"EXISTS (SELECT 1 FROM {read}('{tmp_path / 'other'}'))",
    ):
        with pytest.raises((UserError, pl.exceptions.PolarsError)):
            FRAME.lazy().filter(condition(text)).collect()


def test_impact_takes_them_too(dag: Dag, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for text in ("source = 'file:mine.jsonl'", 'pl.col("source").str.ends_with("mine.jsonl")'):
        with pytest.raises(SystemExit):
            main(["impact", text])
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] and shown[0].startswith("2 rows: 2 places in tables")
