"""A loop's way through its steps: where it begins, which rows it has consumed, when its state is committed.

A loop says what lives in it (weights, optimisers), which rows each step is to consume, and when a step is done. From
a state that an earlier attempt committed it goes on as if it had never stopped. Rows are counted over all attempts and
compared with the plan: after a resume nobody has to believe that none was skipped or seen twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

from stages.contract.errors import UserError
from stages.contract.events import Reporter

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
Plain = Mapping[str, object]
Row = str | int  # a name, or a number from 0


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What was committed after `step` steps. `lost_s`: seconds that the last attempt still worked after that."""

    step: int
    plain: Plain
    lost_s: float


class Progress(Protocol[T_contra]):
    """Where a loop's states are kept (stages/assembly/progress.py). `live` are the things that change with the steps."""

    def load(self, live: Mapping[str, T_contra]) -> Saved | None:
        """Put the newest committed state into `live`; None, and nothing done, if there is none."""

    def under_way(self) -> AbstractContextManager[None]:
        """While this lasts, who is asked to stop waits for the next commit."""

    def due(self, step: int) -> bool:
        """Whether the state after `step` steps should be committed."""

    def commit(self, step: int, live: Mapping[str, T_contra], plain: Plain) -> None:
        """Commit the state after `step` steps.

        Raises:
            StoppedError: the process was asked to stop, and this is the last that it does.
        """


class Unkept:
    """Keeps nothing: the loop starts from the beginning."""

    def load(self, live: Mapping[str, object]) -> Saved | None:
        return None

    def under_way(self) -> AbstractContextManager[None]:
        return nullcontext()

    def due(self, step: int) -> bool:
        return False

    def commit(self, step: int, live: Mapping[str, object], plain: Plain) -> None: ...


UNKEPT = Unkept()


class Course(Generic[T]):
    """A loop on its way. `step` counts the steps that are done, those of earlier attempts included."""

    def __init__(
        self,
        progress: Progress[T],
        live: Mapping[str, T],
        *,
        total: int,
        plan: Callable[[int], Sequence[Row]],
        report: Reporter,
    ) -> None:
        """Begin, or go on where an earlier attempt was committed; the user is told of the latter.

        `plan` gives the rows of a step, from 0, whenever it is asked.

        Raises:
            UserError: what was committed is not what the plan says until there.
        """
        self._progress = progress
        self._live = live
        self._total = total
        self._plan = plan
        saved = progress.load(live)
        self.step = saved.step if saved else 0
        self.plain: Plain = saved.plain if saved else {}
        self._consumed = _unpacked(self.plain.get("consumed"))
        if saved:
            skipped, duplicated = self._compare()
            report.note(
                f"resumed at step {self.step} of {total} (saved {saved.lost_s:.0f} s before the stop): "
                f"rows skipped {skipped}, duplicated {duplicated}"
            )
            if skipped or duplicated or self.step > total:
                raise UserError("what was saved doesn't fit the data", hint="rm -r .r1/work ; then run it again")

    def steps(self) -> Iterator[int]:
        """The steps that are left. The loop's body calls `done` once in each."""
        with self._progress.under_way():
            while self.step < self._total:
                before = self.step
                yield before
                assert self.step == before + 1, "a step was not accounted for"

    def done(self, rows: Iterable[Row], plain: Callable[[], Plain], *, may_commit: bool = True) -> None:
        """A step is done: it consumed `rows`. `plain` gives what else the loop needs to go on, as JSON values."""
        self.step += 1
        self._consumed.update(rows)
        due = self._progress.due(self.step)
        # The last state too: a stage may have more to do after this loop.
        if may_commit and (due or self.step == self._total):
            self._progress.commit(self.step, self._live, {**plain(), "consumed": _packed(self._consumed)})

    def finish(self) -> None:
        """Check that every step was done, and every row consumed as often as planned, whatever happened on the way."""
        skipped, duplicated = self._compare()
        if self.step != self._total or skipped or duplicated:
            raise RuntimeError(
                f"{self.step} of {self._total} steps done, rows skipped {skipped}, duplicated {duplicated}"
            )

    def _compare(self) -> tuple[int, int]:
        """How many rows were consumed too seldom and too often until this step."""
        planned = Counter(row for step in range(self.step) for row in self._plan(step))
        return (planned - self._consumed).total(), (self._consumed - planned).total()


def _packed(counts: Counter[Row]) -> Plain:
    """Counts as JSON values. Of numbered rows, which may be many, only the counts, in the numbers' order."""
    numbered = [row for row in counts if isinstance(row, int)]
    return {
        "named": {row: count for row, count in counts.items() if isinstance(row, str)},
        "numbered": [counts[number] for number in range(max(numbered, default=-1) + 1)],
    }


def _unpacked(packed: object) -> Counter[Row]:
    if packed is None:
        return Counter()
    found = cast(dict[str, object], packed)
    named, numbered = cast(dict[str, int], found["named"]), cast(list[int], found["numbered"])
    counts: Counter[Row] = Counter({number: count for number, count in enumerate(numbered) if count})
    counts.update(named)
    return counts
