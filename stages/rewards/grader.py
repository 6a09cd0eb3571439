"""The process that grades: one row a line on stdin, one grade a line on stdout (batch.py starts it)."""

import json
import sys
from dataclasses import asdict

from stages.contract.stacks import hear_abort
from stages.contract.task import Task


def main() -> None:
    from stages.rewards.scorer import grade

    hear_abort()
    answers = sys.stdout.buffer
    answers.write(b"ready\n")
    answers.flush()
    for line in sys.stdin.buffer:
        row = json.loads(line)
        tests = tuple((x, y) for x, y in row["task"].pop("tests"))
        graded = grade(
            Task(**row["task"], tests=tests), row["text"], finished=row["finished"], template=row["template"]
        )
        answers.write(json.dumps(asdict(graded)).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
