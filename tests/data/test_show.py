"""`r1 data show`: which rows, in which colours, and that what a model wrote doesn't steer the terminal."""

import json
from pathlib import Path

import polars as pl
import pytest

from r1cli.data import show
from stages.contract.schemas import EXAMPLES
from tests.data.conftest import Run, example, put, rows


def test_the_first_rows_with_what_they_earned(project: Path, r1: Run) -> None:
    code, out, err = r1("show", "zero", "-n", "2")
    assert (code, err) == (0, "")
    assert "zero/rollouts row 0" in out and "zero/rollouts row 1" in out and "row 2" not in out
    assert "prompt: what is 1+1\ncompletion: <think>one more than 1</think><answer>2</answer>\n" in out
    assert (
        "verdict wrong  reason no_answer  finish stop  accuracy 0  format 1  language_consistency 1  reward 0.2" in out
    )
    assert out.endswith("the first 2, of 24 rows in zero/rollouts\n")


def test_rows_that_fit_and_samples(project: Path, r1: Run) -> None:
    _, out, _ = r1("show", "zero", "--where", "verdict = 'correct' AND family = 'code'", "--json")
    assert [row["prompt"] for row in json.loads(out)] == ["what is 0+1", "what is 12+1"]
    same = r1("show", "zero", "--where", 'pl.col("verdict").eq("correct") & (pl.col("family") == "code")', "--json")
    assert same[1] == out
    first, again, other = (r1("show", "zero", "--sample", "6", "--seed", s, "--json")[1] for s in ("1", "1", "2"))
    assert first == again != other
    numbers = [row["r1_row"] for row in json.loads(first)]
    assert len(set(numbers)) == 6 and numbers == sorted(numbers) and numbers != list(range(6))
    assert len(json.loads(r1("show", "zero", "--sample", "99", "--json")[1])) == 24
    assert "the first 0 of 0 that fit, of 24 rows" in r1("show", "zero", "--where", "reward > 9")[1]


def test_dropped_rows_are_shown_with_their_reason(project: Path, r1: Run) -> None:
    assert "what is 9+1" not in r1("show", "rejection")[1]
    out = r1("show", "rejection", "--rejected")[1]
    assert "what is 9+1" in out and "r1_drop duplicate:abc" in out
    assert "what is 9+1" in r1("show", "rejection/examples_rejected")[1]
    assert "zero has no table of dropped rows" in r1("show", "zero", "--rejected")[2]


def test_names_of_tables(project: Path, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project, "imports/mine/traces-00000", EXAMPLES, [example(1)])
    put(project, "imports/mine/traces-00001", EXAMPLES, [example(2)])
    put(project, "distill/small/examples", EXAMPLES, [example(3)])
    for name in ("mine", "imports/mine", "data/imports/mine", "mine/traces", "./data/imports/mine"):
        assert "the first 2, of 2 rows in" in r1("show", name)[1], name
    for name in ("distill@small", "distill/small/examples", "data/distill/small/examples.parquet"):
        assert "what is 3+1" in r1("show", name)[1], name
    assert "row_id" in r1("show", "zero/ledger")[1]
    monkeypatch.chdir(project / "data")
    assert "what is 3+1" in r1("show", "distill@small")[1]


@pytest.mark.parametrize(
    ("suffix", "write"), [("jsonl", "write_ndjson"), ("csv", "write_csv"), ("parquet", "write_parquet")]
)
def test_any_file_outside_a_project(
    tmp_path: Path, r1: Run, monkeypatch: pytest.MonkeyPatch, suffix: str, write: str
) -> None:
    monkeypatch.chdir(tmp_path)
    getattr(pl.DataFrame({"question": ["a", "b"], "level": [1, 2]}), write)(tmp_path / f"x.{suffix}")
    _, out, err = r1("show", f"x.{suffix}", "--where", "level = 2")
    assert "question: b" in out and "question: a" not in out, err


def test_chats_are_shown_turn_by_turn(tmp_path: Path, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<think>x</think>hello"}]
    pl.DataFrame({"messages": [turns]}).write_parquet(tmp_path / "a.parquet")
    assert "messages, user: hi\nmessages, assistant: <think>x</think>hello\n" in r1("show", "a.parquet")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zeor"], "no table here is called 'zeor' (did you mean zero?)"),
        (["zero", "--where", "reward >"], "'reward >' is no condition"),
        (["zero", "--where", "nonsense > 1"], "no table of these has nonsense (there are: accuracy"),
        (["zero", "--where", "verdict > 1"], "the condition 'verdict > 1' doesn't fit"),
        (["zero", "--where", "reward"], "the condition 'reward' doesn't fit"),
        (["bad.parquet"], "bad.parquet cannot be read"),
        (["no.parquet"], "no table here is called 'no.parquet'"),
        (["./empty"], "./empty holds no table"),
        (["zero", "--sample", "0"], "invalid value for '--sample'"),
    ],
)
def test_what_is_wrong_is_told(project: Path, r1: Run, arguments: list[str], message: str) -> None:
    (project / "bad.parquet").write_bytes(b"PAR1")
    (project / "empty").mkdir()
    code, out, err = r1("show", *arguments)
    assert code and out == "" and err.startswith(f"error: {message}") and "\nhint: " in err


def test_colours(project: Path, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = r1("show", "zero", "-n", "1")[1]
    assert "\x1b[36mone more than 0\x1b[0m" in out  # the thought in cyan
    assert "\x1b[1;32m1\x1b[0m" in out  # the answer in green
    assert "\x1b[1;32mcorrect\x1b[0m" in out
    monkeypatch.delenv("FORCE_COLOR")
    assert "\x1b" not in r1("show", "zero", "-n", "1")[1]


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("<think>a</think>b", ["cyan", "green"]),
        ("a</think>b", ["cyan", "green"]),  # the thought was opened by the prompt
        ("<think>a", ["cyan"]),
        ("a", ["s"]),
        ("<answer>a</answer>", ["green bold"]),
        ("x<think>a</think><answer>b</answer>c", ["s", "cyan", "green bold", ""]),
    ],
)
def test_thought_and_answer(text: str, styles: list[str]) -> None:
    found = [(piece, style) for piece, style in show.spoken(text, "s") if piece]
    assert "".join(piece for piece, _ in found) == text
    assert [style for _, style in found if style != show.TAG] == styles


def test_what_a_model_wrote_does_not_steer_the_terminal(project: Path, r1: Run) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\r\x9b31m[bold]\u202etxet\u200b\n<think>x"
    put(project, "rejection/examples", EXAMPLES, [example(1, hostile, prompt="\x1bc", source="\x1b[1m")])
    for arguments in (["show", "rejection"], ["stats", "rejection"]):
        out = r1(*arguments)[1]
        assert not set(out) & {"\x1b", "\x07", "\r", "\x9b", "\u202e", "\u200b"}
    shown = r1("show", "rejection")[1]
    assert "\\x1b[2J\\r\\x9b31m[bold]\\u202etxet\\u200b\n<think>x" in shown


def test_long_texts_lose_their_middle_unless_asked_for(project: Path, r1: Run) -> None:
    put(project, "rejection/examples", EXAMPLES, [example(1, "<think>" + "long " * 1000 + "</think>end")])
    assert "more characters ...]" in r1("show", "rejection")[1] and "</think>end" in r1("show", "rejection")[1]
    assert "long " * 1000 in r1("show", "rejection", "--full")[1]


def test_rows_in_order_are_the_tables_rows(project: Path, r1: Run) -> None:
    expected = rows(EXAMPLES, [example(n) for n in range(6)]).to_dicts()
    found = json.loads(r1("show", "rejection", "-n", "6", "--json")[1])
    assert [{k: v for k, v in row.items() if k not in ("table", "r1_row")} for row in found] == expected
