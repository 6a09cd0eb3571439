"""An engine whose model is spread over two processes, each bound to a core: python tensor_parallel.py inside|served FOLDER

Prints the largest gaps of log-probabilities to the trainer's: as started, after a change that it wasn't told of, renewed.
"""

import json
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from stages.contract.engine import Engine
from stages.contract.params import VLLM
from stages.rollout.served import ServedEngine
from tests.vllm import world


def main(where: str, folder: Path) -> None:
    world.SHAPE = replace(world.SHAPE, heads=2)  # as many as processes, or a multiple
    with redirect_stdout(sys.stderr):  # vLLM talks
        made = world.World(folder)
        settings, weights = VLLM(dtype="float32", tensor_parallel=2), lambda: made.decoder.state_dict().items()
        served = ServedEngine(folder, settings=settings, end_id=made.codec.end_id, weights=weights)
        engine: Engine = made.another(settings) if where == "inside" else served
        gaps = {"as started": made.gap(made.sample(engine=engine))}
        made.shift(1.1)
        gaps["stale"] = made.gap(made.sample(engine=engine))
        engine.renew()
        gaps["renewed"] = made.gap(made.sample(engine=engine))
        served.close()
    print(json.dumps(gaps))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
