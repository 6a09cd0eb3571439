"""One curation of a folder of traces by r1, for bench/curation.py: python bench/curated.py TRACES OUT all|part."""

import sys
from pathlib import Path

from bench.peers import rules
from bench.traces import benchmark
from stages.curate.decide import Wanted
from stages.curate.recipe import Recipe
from stages.curate.shards import Source, Store, plan
from stages.curate.stream import curate

RECIPE = Recipe(
    verified=True,
    template="tiny",
    min_language=rules.MIN_LANGUAGE,
    no_code_block=True,
    max_paragraph=rules.MAX_PARAGRAPH,
    max_repetition=rules.MAX_REPETITION,
    max_tokens=rules.MAX_TOKENS,
    sketched=True,
)


def main() -> None:
    traces, out, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    held_out = benchmark() if what == "all" else benchmark().clear()
    found = plan([Source(name="bench", files=sorted(traces.glob("*.parquet")), recipe=RECIPE)], held_out)
    wanted = Wanted(near=0.8, keep_per_prompt=4 if what == "all" else 0)
    print(curate(found, wanted, Store(out / "store"), out, workers=2))


if __name__ == "__main__" and len(sys.argv) == 4:
    main()
