"""A stage of several processes with a sleep planted into one: `python -m tests.deepspeed.hanging RANK WORK`."""

import os
import sys

from stages import cold_sft
from stages.contract.job import start
from stages.model.transformer import TransformerPolicy
from tests.stages.hanging import planted

if __name__ == "__main__":
    rank = sys.argv.pop(1)  # `start` reads WORK there
    if os.environ["RANK"] == rank:
        TransformerPolicy.logps = planted  # type: ignore[assignment,method-assign]
    start(cold_sft.main)
