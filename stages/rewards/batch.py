"""Grading in batches, over processes, beside the caller's own work.

    with Graders(4) as graders:
        pending = graders.submit(tasks, texts, finished)   # returns at once: generate the next batch meanwhile
        grades = pending.result()                          # in the rows' order

Rows that are finished while others are still being sampled can be handed over one by one: `ahead` begins to grade them,
and `grade_all` waits for what was begun and grades the rest.

A process that dies or overruns its deadline is replaced; the row it was at is tried once more (after a death) and is
then `unknown`, and no other row is touched. With size 0 rows are graded in the caller's process, at once.
"""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Self

from stages.contract.task import Task
from stages.contract.team import cores
from stages.contract.transcript import Template
from stages.rewards import grader
from stages.rewards.formatting import format_reward
from stages.rewards.plain import read
from stages.rewards.pool import ATTEMPTS, GoneError, LateError, Worker, WorkerError
from stages.rewards.scorer import Grade, grade

CHUNK = 16  # rows that a process is given at a time: few enough that none waits long behind a slow one
TIMEOUT_S = 120.0  # of one row: a program with many slow cases, on a busy machine


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is graded. Equal rows have equal grades."""

    task: Task
    text: str
    finished: bool
    template: Template

    def grade(self) -> Grade:
        """Grade it here."""
        return grade(self.task, self.text, finished=self.finished, template=self.template)


def processes_for(tasks: Sequence[Task]) -> int:
    """How many processes are worth starting: none where every answer is a number, a word or a small expression, which
    the caller grades faster than it could ask; else one a core that may be used. Grades are the same either way."""
    cheap = all(task.kind != "reasoning" or task.tests or _literal(task) for task in tasks)
    return 0 if cheap else cores()


def _literal(task: Task) -> bool:
    return not task.code and read(task.answer).kind in ("number", "text")


class Pending:
    """Rows that are being graded."""

    def __init__(self, chunks: Sequence["Future[list[Grade]]"], sizes: Sequence[int]) -> None:
        self._chunks = chunks
        self._sizes = sizes

    def done(self) -> int:
        """How many rows are graded, in whole chunks."""
        return sum(size for chunk, size in zip(self._chunks, self._sizes, strict=True) if chunk.done())

    def result(self, progress: Callable[[int], None] | None = None) -> list[Grade]:
        """The grades, in the rows' order; waits. `progress` is told the count after each chunk."""
        found: list[Grade] = []
        for chunk in self._chunks:
            found += chunk.result()
            if progress:
                progress(len(found))
        return found


class Graders:
    """`size` processes, started when they are first needed. May be used from any thread. All rows are of one template."""

    def __init__(self, size: int, *, template: Template = "tiny", timeout_s: float = TIMEOUT_S) -> None:
        self.size = size
        self.template = template
        self.timeout_s = timeout_s
        self.num_replaced = 0  # processes that died or were late
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="grader") if size else None
        self._idle: list[Worker] = []
        self._ahead: dict[Row, Future[list[Grade]]] = {}
        self._lock = threading.Lock()

    def submit(self, tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool]) -> Pending:
        """Begin to grade rows."""
        return self._submit(self._rows(tasks, texts, finished))

    def _rows(self, tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool]) -> list[Row]:
        return [
            Row(task=task, text=text, finished=done, template=self.template)
            for task, text, done in zip(tasks, texts, finished, strict=True)
        ]

    def _submit(self, rows: list[Row]) -> Pending:
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        if self._threads is None:
            ready: Future[list[Grade]] = Future()
            ready.set_result([row.grade() for row in rows])
            return Pending([ready], [len(rows)])
        return Pending([self._threads.submit(self._grade, chunk) for chunk in chunks], [len(c) for c in chunks])

    def ahead(self, task: Task, text: str, finished: bool) -> None:
        """Begin to grade a row that the next `grade_all` will ask for. In the caller's process there is no ahead: with
        size 0 this does nothing."""
        if self._threads is None:
            return
        (row,) = self._rows([task], [text], [finished])
        with self._lock:
            if row not in self._ahead:
                self._ahead[row] = self._threads.submit(self._grade, [row])

    def _grade(self, rows: list[Row]) -> list[Grade]:
        found: list[Grade] = []
        deaths = 0  # of processes at the row that is next
        while len(found) < len(rows):
            before = len(found)
            try:
                self._answer(rows, found)
                break
            except LateError:
                found.append(_unknown(rows[len(found)], "timeout"))
                deaths = 0
            except GoneError:
                deaths = deaths + 1 if len(found) == before else 1
                if deaths == ATTEMPTS:
                    found.append(_unknown(rows[len(found)], "grader_died"))
                    deaths = 0
            with self._lock:
                self.num_replaced += 1
        return found

    def _answer(self, rows: list[Row], found: list[Grade]) -> None:
        """Have a process grade the rows that are left, appending to `found` as they come.

        Raises:
            GoneError, LateError: at the row that is next.
            WorkerError: no process can be started.
        """
        one = self._worker()
        try:
            waiting = rows[len(found) :]
            one.send(b"".join(_line(row) for row in waiting))
            for _ in waiting:
                found.append(Grade(**json.loads(one.receive(self.timeout_s))))
        except BaseException:
            one.end()
            raise
        with self._lock:
            self._idle.append(one)

    def _worker(self) -> Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return Worker(grader.__name__)
        except (GoneError, LateError, OSError) as error:
            raise WorkerError(f"a grading process can't be started ({type(error).__name__})") from error

    def grade_all(self, tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool]) -> list[Grade]:
        """Grade rows, those not yet begun by `ahead`, and wait for all."""
        rows = self._rows(tasks, texts, finished)
        with self._lock:
            begun, self._ahead = self._ahead, {}
        rest = self._submit([row for row in rows if row not in begun])
        graded = iter(rest.result())
        return [begun[row].result()[0] if row in begun else next(graded) for row in rows]

    def close(self) -> None:
        """Wait for what was submitted, and end the processes."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)
        while self._idle:
            self._idle.pop().end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(row: Row) -> bytes:
    return json.dumps(asdict(row)).encode() + b"\n"


def _unknown(row: Row, why: str) -> Grade:
    well_formed = format_reward(row.text, row.template) if row.finished else 0.0
    return Grade(
        verdict="unknown", reason=f"unknown:{why}", answer=None, accuracy=0.0, format=well_formed, language=0.0
    )
