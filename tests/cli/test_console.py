"""What the user sees while a stage runs."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from r1cli.console import RELAYED, Board, _Bar, board, progress, relay, seconds, table

STEPS: list[dict[str, object]] = [
    {"event": "phase", "t": 1.0, "name": "GRPO", "total": 40},
    *(
        {
            "event": "step",
            "t": 1.0 + 0.1 * n,
            "done": n,
            "figures": {"reward": n / 100, "kl": 0.001, "tokens": 50 * n, "lr": 1.0},
            "why": {"correct": n, "no_answer": 2, "zero_variance_groups": 1},
        }
        for n in range(1, 41)
    ),
    {"event": "note", "t": 9.0, "text": "three rows were dropped"},
]


def test_plain_lines_come_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("grpo") as view:
        for event in STEPS:
            view.draw(event)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "grpo: GRPO, 40 steps"
    assert (
        lines[1] == "grpo: GRPO 4/40  reward 0.04 · KL 0.001 · 500 tokens/s  "
        "correct 4 · no answer 2 · zero-variance groups 1  4 s left"
    )
    assert [line.split()[2] for line in lines[1:11]] == [f"{n}/40" for n in range(4, 41, 4)]
    assert lines[11:] == ["grpo: three rows were dropped"]


def test_slow_steps_are_told_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("base") as view:
        view.draw({"event": "phase", "t": 0.0, "name": "pre-training", "total": 1000})
        for n in range(1, 11):
            view.draw({"event": "step", "t": 2.0 * n, "done": n, "figures": {}, "why": {}})
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()[1:]] == ["3/1000", "6/1000", "9/1000"]


def test_the_bar_shows_figures_reasons_and_time_left() -> None:
    bar = _Bar("grpo")
    for event in STEPS[:21]:
        bar.draw(event)
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(bar.render())
    text = console.export_text()
    for part in (
        "grpo GRPO",
        "20/40",
        "2 s left",
        "reward 0.2",
        "500 tokens/s",
        "correct 20",
        "zero-variance groups 1",
    ):
        assert part in text


def test_relayed_events_are_drawn_as_if_they_were_this_process_s_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress("grpo") as view:
        for event in STEPS:
            view.draw(event)
    direct = capsys.readouterr().out
    with monkeypatch.context() as patched:
        patched.setenv(RELAYED, "1")
        with progress("grpo") as view:
            for event in STEPS:
                view.draw(event)
    sent = capsys.readouterr().out
    with board() as shown:
        relay(io.StringIO("Running stage 'grpo':\n" + sent), shown)
    assert capsys.readouterr().out == "Running stage 'grpo':\n" + direct


def test_stages_side_by_side_have_a_bar_each_and_leave_their_last_figures_behind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = Board()
    with shown.view("zero") as one:
        with shown.view("student@small") as two:
            for event in STEPS[:11]:
                one.draw(event)
                two.draw(event)
            console = Console(file=io.StringIO(), width=100, record=True)
            console.print(shown.render())
            text = console.export_text()
            assert "zero GRPO" in text and "student@small GRPO" in text
        assert "student@small GRPO" in capsys.readouterr().out
        console.print(shown.render())
        assert "student@small" not in console.export_text()


def test_a_table_without_a_terminal_is_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    table(["model", "pass_at_1"], [["base", "0.1"], ["align", "0.95"]], title="Results", numeric=True)
    assert capsys.readouterr().out == "Results\nmodel  pass_at_1\nbase         0.1\nalign       0.95\n"


def test_a_table_of_figures_is_parted_where_the_terminal_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    table(["model", "pass@1", "cons@16"], [["base", "0.216 [0.199, 0.233]", "0.61"]], title="Results", numeric=True)
    plain = Text.from_ansi(capsys.readouterr().out).plain
    lines = [line.split() for line in plain.splitlines() if line.strip(" ─")]
    assert lines == [
        ["Results"],
        ["model", "pass@1"],
        ["base", "0.216", "[0.199,", "0.233]"],
        ["model", "cons@16"],
        ["base", "0.61"],
    ]


def test_durations() -> None:
    assert [seconds(value) for value in (0.4, 59.4, 60, 3599.6, 7260)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "1 h 0 min",
        "2 h 1 min",
    ]
