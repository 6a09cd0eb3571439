"""The only printer: progress, tables, `error:` and `hint:`. Bars on a terminal, plain lines elsewhere."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stages.contract.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console, Group

Event = Mapping[str, object]
SHOWN = {
    "reward": "reward",
    "accuracy": "accuracy",
    "format": "format",
    "language": "language",
    "preference": "preference",
    "length": "length",
    "kl": "KL",
    "entropy": "entropy",
    "loss": "loss",
    "val_accuracy": "validation accuracy",
}
WHY = {
    "correct": "correct",
    "wrong": "wrong",
    "no_answer": "no answer",
    "bad_format": "bad format",
    "truncated": "truncated",
    "zero_variance_groups": "zero-variance groups",
}
LINE_S = 5.0  # without a terminal: a line at least so often
LINE_SHARE = 0.1  # ... and for every such part of the phase
RELAYED = "R1_RELAYED"  # set: what a stage reports goes to the console that started this one, which draws it
_EVENT = "\x1e"  # begins a relayed event's line (RFC 7464)


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Without a terminal nothing is wrapped: lines are for grep.
    return Console(file=stream, highlight=False, width=None if stream.isatty() else 1000)


def say(text: str = "") -> None:
    """One line for the user."""
    print(text, flush=True)


def error(problem: UserError) -> None:
    """What went wrong, and what mends it."""
    console = _console(stderr=True)
    console.print("error:", style="bold red", end=" ")
    console.print(problem.message, markup=False)
    if problem.hint:
        console.print("hint:", style="bold cyan", end=" ")
        console.print(problem.hint, markup=False)


def as_json(value: object) -> None:
    """A value for programs."""
    print(json.dumps(value, indent=1, ensure_ascii=False), flush=True)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", numeric: bool = False) -> None:
    """Rows under headers. `numeric` aligns all columns but the first to the right."""
    if not sys.stdout.isatty():
        if title:
            say(title)
        widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
        for row in [headers, *rows]:
            cells = [
                c.rjust(w) if numeric and i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            say("  ".join(cells).rstrip())
        return
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    console = _console()
    # Figures aren't broken over lines: what doesn't fit stands in a further table, behind the first column again.
    for places in _fitting(headers, rows, console.width) if numeric else [range(len(headers))]:
        drawn = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD)
        for place in places:
            drawn.add_column(headers[place], justify="right" if numeric and place else "left", overflow="fold")
        for row in rows:
            drawn.add_row(*(escape(row[place]) for place in places))
        console.print(drawn)
        title = ""


def _fitting(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """The columns of each table, so that none is wider than `width` characters where that can be. The first column
    begins each."""
    needed = [3 + max(len(row[place]) for row in [headers, *rows]) for place in range(len(headers))]
    tables: list[list[int]] = [[0]]
    for place in range(1, len(headers)):
        if len(tables[-1]) > 1 and sum(needed[i] for i in [*tables[-1], place]) > width:
            tables.append([0])
        tables[-1].append(place)
    return tables


def pieces(parts: Iterable[tuple[str, str]]) -> None:
    """Texts, each in its style (none where the output is no terminal). Nothing in them is read as markup."""
    from rich.text import Text

    # A file gets the lines as they are; a terminal wraps them at words.
    _console().print(Text.assemble(*parts), end="", soft_wrap=not sys.stdout.isatty())


@dataclass(frozen=True, kw_only=True)
class Node:
    """A branch of an outline: what it is called, what is said of it, and its own branches."""

    label: str
    note: str = ""
    style: str = "bold"
    children: "tuple[Node, ...]" = ()


def outline(root: Node) -> None:
    """A tree of nodes."""
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    def drawn(node: Node) -> Text:
        return Text.assemble((node.label, node.style), (f"  {node.note}" if node.note else "", "dim"))

    tree = Tree(drawn(root))
    waiting = [(root, tree)]
    while waiting:
        node, branch = waiting.pop()
        waiting += [(child, branch.add(drawn(child))) for child in node.children]
    # As wide as it needs without a terminal: a line is one thing.
    console = _console()
    (console if sys.stdout.isatty() else Console(file=sys.stdout, highlight=False, width=100_000)).print(tree)


class View(Protocol):
    """Draws what a running stage reports."""

    def draw(self, event: Event) -> None:
        """Take in one event of stages.contract.events."""


@contextmanager
def progress(title: str) -> Iterator[View]:
    """A view of a running stage: a live bar on a terminal, a line now and then elsewhere."""
    if RELAYED in os.environ:
        yield _Relayed(title)
        return
    with board() as shown, shown.view(title) as view:
        yield view


@contextmanager
def board() -> Iterator["Board"]:
    """Views of stages that run side by side."""
    shown = Board()
    if not sys.stdout.isatty():
        yield shown
        return
    from rich.live import Live

    with Live(get_renderable=shown.render, console=_console(), refresh_per_second=4):
        yield shown


class Board:
    """The views of running stages; those of finished ones stay behind as they last stood."""

    def __init__(self) -> None:
        self._bars: dict[str, _Bar] = {}

    @contextmanager
    def view(self, title: str) -> Iterator[View]:
        """A view that is drawn while the context is open."""
        if not sys.stdout.isatty():
            yield _Lines(title)
            return
        bar = self._bars[title] = _Bar(title)
        try:
            yield bar
        finally:
            _console().print(self._bars.pop(title).render())

    def render(self) -> "Group":
        from rich.console import Group

        return Group(*(bar.render() for bar in list(self._bars.values())))


def relay(lines: Iterable[str], shown: Board) -> None:
    """Draw what a stage's starter prints with RELAYED set: events on views of their stages, other lines as they are."""
    with ExitStack() as views:
        open_views: dict[str, View] = {}
        for line in lines:
            if not line.startswith(_EVENT):
                say(line.rstrip("\n"))
                continue
            event = json.loads(line[1:])
            title = event.pop("title")
            if title not in open_views:
                open_views[title] = views.enter_context(shown.view(title))
            open_views[title].draw(event)


class _Phase:
    """Where a phase stands, told by events. Rates come from the events' own clock."""

    def __init__(self) -> None:
        self.name = ""
        self.total = 0
        self.done = 0
        self.started = 0.0
        self.now = 0.0
        self.figures: dict[str, float] = {}
        self.why: dict[str, int] = {}

    def take(self, event: Event) -> None:
        self.now = _number(event.get("t"))
        if event["event"] == "phase":
            self.name, self.total = str(event["name"]), int(_number(event.get("total")))
            self.done, self.started, self.figures, self.why = 0, self.now, {}, {}
        elif event["event"] == "step":
            self.done = int(_number(event.get("done")))
            self.figures = {str(k): _number(v) for k, v in _mapping(event.get("figures")).items()}
            self.why = {str(k): int(_number(v)) for k, v in _mapping(event.get("why")).items()}

    @property
    def elapsed_s(self) -> float:
        return max(0.0, self.now - self.started)

    @property
    def left_s(self) -> float | None:
        if not self.total or not self.done:
            return None
        return self.elapsed_s / self.done * max(0, self.total - self.done)

    def figures_text(self) -> str:
        parts = [f"{label} {self.figures[key]:.3g}" for key, label in SHOWN.items() if key in self.figures]
        if "tokens_per_s" in self.figures:
            parts.append(f"{self.figures['tokens_per_s']:,.0f} tokens/s")
        elif "tokens" in self.figures and self.elapsed_s > 0:
            parts.append(f"{self.figures['tokens'] / self.elapsed_s:,.0f} tokens/s")
        return " · ".join(parts)

    def why_text(self) -> str:
        known = [f"{label} {self.why[key]}" for key, label in WHY.items() if key in self.why]
        other = [f"{key.replace('_', ' ')} {count}" for key, count in self.why.items() if key not in WHY]
        return " · ".join([*known, *other])


class _Lines:
    def __init__(self, title: str) -> None:
        self._title = title
        self._phase = _Phase()
        self._said_at = 0.0
        self._said_done = 0

    def draw(self, event: Event) -> None:
        if event["event"] == "note":
            say(f"{self._title}: {event['text']}")
            return
        self._phase.take(event)
        phase = self._phase
        if event["event"] == "phase":
            self._said_at, self._said_done = phase.now, 0
            say(f"{self._title}: {phase.name}" + (f", {phase.total} steps" if phase.total else ""))
            return
        enough = phase.total > 0 and phase.done - self._said_done >= max(1.0, LINE_SHARE * phase.total)
        if not (enough or phase.now - self._said_at >= LINE_S or phase.done == phase.total):
            return
        self._said_at, self._said_done = phase.now, phase.done
        count = f"{phase.done}/{phase.total}" if phase.total else f"{phase.done}"
        left = phase.left_s
        parts = [
            f"{self._title}: {phase.name} {count}",
            phase.figures_text(),
            phase.why_text(),
            f"{seconds(left)} left" if left and left >= 1 else "",
        ]
        say("  ".join(part for part in parts if part))


class _Relayed:
    def __init__(self, title: str) -> None:
        self._title = title

    def draw(self, event: Event) -> None:
        say(_EVENT + json.dumps({**event, "title": self._title}, ensure_ascii=False))


class _Bar:
    def __init__(self, title: str) -> None:
        self._title = title
        self._phase = _Phase()
        self._begun = time.monotonic()

    def draw(self, event: Event) -> None:
        if event["event"] == "note":
            _console().print(f"{self._title}: {event['text']}", markup=False)
            return
        self._phase.take(event)

    def render(self) -> "Group":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        phase = self._phase
        count = f"{phase.done}/{phase.total}" if phase.total else f"{phase.done}" if phase.done else ""
        left = phase.left_s
        time_text = f"{seconds(left)} left" if left else seconds(time.monotonic() - self._begun)
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text(f"{self._title} {phase.name}".strip(), style="bold"),
            ProgressBar(total=phase.total or None, completed=phase.done, width=30, pulse=not phase.total),
            count,
            Text(time_text, style="cyan"),
        )
        lines = [
            Text(text, style=style) for text, style in ((phase.figures_text(), ""), (phase.why_text(), "dim")) if text
        ]
        return Group(row, *lines)


def seconds(value: float | None) -> str:
    """A duration for people.

    >>> seconds(7.2), seconds(75), seconds(3700), seconds(None)
    ('7 s', '1 min 15 s', '1 h 1 min', '')
    """
    if value is None:
        return ""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def amount(size: int) -> str:
    """A size in bytes as people read it.

    >>> amount(0), amount(1500), amount(2_345_000_000)
    ('0 B', '1.5 kB', '2.3 GB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _mapping(value: object) -> Mapping[object, object]:
    return value if isinstance(value, Mapping) else {}
