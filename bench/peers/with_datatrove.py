"""The filters and MinHash deduplication of bench/curation.py in datatrove: python with_datatrove.py TRACES OUT.

Words are cut by str.split, which is quicker than any tokeniser that datatrove has; 16 buckets of 8 hashes, as r1 has
them. Its MinHash pipeline has four passes, the first and the last of which read the rows.
"""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.word_tokenizers import WordTokenizer
from rules import keeps


class Split(WordTokenizer):
    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def adapter(self, data: dict, path: str, id_in_file: int) -> dict:
    """The response as the text; everything else goes along."""
    return {"text": data["response"], "id": data["r1_id"], "metadata": data}


def passes(document) -> bool:
    return keeps(document.metadata)


def main() -> None:
    traces, out = sys.argv[1], Path(sys.argv[2])
    config = MinhashConfig(n_grams=5, num_buckets=16, hashes_per_bucket=8)
    tasks = len(list(Path(traces).glob("*.parquet")))
    signature = MinhashDedupSignature(str(out / "signatures"), config=config, language=Split())
    run(out, "filter", tasks, [
        ParquetReader(traces, adapter=adapter),
        LambdaFilter(passes),
        ParquetWriter(str(out / "filtered")),
        signature,
    ])  # fmt: skip
    run(out, "buckets", 16, [MinhashDedupBuckets(str(out / "signatures"), str(out / "buckets"), config=config)])
    run(out, "cluster", 1, [MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=config)])
    run(out, "write", tasks, [
        ParquetReader(str(out / "filtered")),
        MinhashDedupFilter(str(out / "remove")),
        ParquetWriter(str(out / "kept")),
    ])  # fmt: skip


def run(out: Path, name: str, tasks: int, steps: list) -> None:
    LocalPipelineExecutor(steps, tasks=tasks, workers=2, logging_dir=str(out / "logs" / name)).run()


if __name__ == "__main__":
    main()
