"""The short form of the chaos suite: quick stages under real git and DVC, killed at random instants.

The stages' own loops are stopped at every step in tests/stages; `make chaos` kills the real recipe.
"""

import shutil
import sys
from pathlib import Path

import pytest

from r1cli import code_lock
from tests.chaos import Chaos, checker, whole
from tests.cli.conftest import MODULES, ROOT, Place

STAGE = '''\
"""A stage of forty steps, each of which hashes the state on."""

import hashlib
import time

from stages.contract.commits import commit, keep_newest, newest, write_json
from stages.contract.course import Course, Saved
from stages.contract.job import start


class Kept:
    def __init__(self, attempt):
        self.attempt, self.folder = attempt, attempt.part("loop")

    def load(self, live):
        found, broken = newest(self.folder)
        if found is None:
            return None
        plain = found.read("state.json")
        live["state"][0] = plain["state"]
        return Saved(step=found.number, plain=plain, lost_s=self.attempt.lost_s(found.saved_at))

    def under_way(self):
        return self.attempt.stopping.under_way()

    def due(self, step):
        self.attempt.sign()
        return step % 4 == 0 or self.attempt.stopping.number

    def commit(self, step, live, plain):
        commit(self.folder, step, lambda part: write_json(part / "state.json", {**plain, "state": live["state"][0]}))
        keep_newest(self.folder, 2)
        self.attempt.stopping.committed()


def main(params, paths, report):
    inputs = [path.read_text() for path in sorted((paths.data / "prompts").rglob("rows.txt"))] if NEEDS else []
    state = [f"{params.seed} {inputs}"]
    plan = lambda step: [step * 7 % 11, step]
    report.phase("steps", total=40)
    course = Course(Kept(paths.attempt), {"state": state}, total=40, plan=plan, report=report)
    for step in course.steps():
        time.sleep(0.02)
        state[0] = hashlib.sha256(f"{state[0]} {plan(step)}".encode()).hexdigest()
        course.done(plan(step), lambda: {})
    course.finish()
    (paths.out / "rows.txt").write_text(state[0])
    paths.write_metrics({"rows": int(state[0][:4], 16)})
    paths.write_curve("curve", [{"step": 40, "state": int(state[0][:4], 16)}])


start(main)
'''


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_at_any_instant_nothing_is_lost(place: Place) -> None:
    for name in MODULES:
        (place.root / "stages" / f"{name}.py").write_text(STAGE.replace("NEEDS", str(name == "zero")))
    shutil.copytree(ROOT / "r1cli", place.root / "r1cli", ignore=shutil.ignore_patterns("__pycache__"))
    code_lock.write(place.root, code_lock.out_of_date(place.root, MODULES))
    reference = Path(shutil.copytree(place.root, place.root.parent / "whole", symlinks=True))
    chaos = Chaos(place.root, seed=1, say=print, faults=False)
    tally = chaos.run(10, checker(whole(reference)))
    print("\n".join(tally.lines()))
    assert tally.kills == tally.total().equal == 10 and tally.total(phase="loop").resumed > 0
