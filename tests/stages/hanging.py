"""A stage with a sleep planted into one of its phases: `python -m tests.stages.hanging PHASE WORK`."""

import sys
import time

from stages import zero
from stages.assembly import progress
from stages.contract.job import start
from stages.contract.phases import phases
from stages.model.policy import DecoderPolicy
from stages.rewards.batch import Graders
from stages.rollout.embedded import EmbeddedEngine


def planted(*arguments: object, **named: object) -> None:
    time.sleep(60)


def main(phase: str) -> None:
    del sys.argv[1]  # `start` reads WORK there
    places = {
        "generate": (EmbeddedEngine, "generate"),
        "reward": (Graders, "grade_all"),
        "train": (DecoderPolicy, "accumulate"),
        "save": (progress, "commit"),
    }
    if phase in places:
        setattr(*places[phase], planted)
        start(zero.main)

    def hang(*arguments: object) -> None:
        with phases(phase):
            planted()

    start(hang)


if __name__ == "__main__":
    main(sys.argv[1])
