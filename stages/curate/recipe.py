"""What is asked of rows one by one, and what is remembered of them so that they can be compared later.

A frame's rows are sifted alone: no other row decides. Whoever is kept leaves a key: its hashes, its prompt, its domain,
its rank in the draw. All comparisons between rows (stages/curate/decide.py) are made of keys.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import polars as pl

from stages.contract.transcript import Template
from stages.curate import near
from stages.curate.decontaminate import HeldOut, blame, matches
from stages.curate.filters import (
    Filter,
    Rows,
    bad_format,
    code_block,
    held_out_state,
    incorrect,
    license_not_wanted,
    long_paragraph,
    mixed_language,
    repetition,
    sift,
    too_long,
    too_short,
    truncated,
)
from stages.curate.general import general_filters
from stages.curate.outcome import Curated, divide, forget, then
from stages.curate.words import Hashes, fold, mixed, words

GENERAL = "general"  # the domain of what is not reasoning, but for categories that have one of their own
GRADED = {
    "verdict": pl.String(),
    "language_consistency": pl.Float64(),
    "held_out": pl.Boolean(),  # works on a held-out problem of the embedded world
    "license": pl.String(),
}
KEYS = pl.Schema(
    {
        "id_high": pl.UInt64, "id_low": pl.UInt64, "draw": pl.Int32, "tie": pl.UInt64, "rank": pl.UInt64,
        "task": pl.UInt64, "domain": pl.String, "text": pl.UInt64, "alone": pl.Boolean,
    }
)  # fmt: skip
BANDS = [f"band_{number:02}" for number in range(near.BANDS)]
RATES = pl.Schema({"task": pl.UInt64, "draws": pl.Int32, "correct": pl.Int32})
_PIECE = 1 << 23  # bytes of text in hand at a time


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a source's rows must be. Everything is off by default; `forget` are the ids that the user wants forgotten.

    Rows that are not `unique` are compared with no others: they are no duplicates, and no cap counts them.
    """

    verified: bool = False  # reasoning rows must have been verified as correct
    template: Template | None = None
    min_language: float = 0.0
    no_code_block: bool = False
    max_paragraph: int = 0  # characters; 0: any
    max_repetition: float = 1.0
    max_tokens: int = 0
    min_words: int = 0
    unique: bool = True
    licenses: Sequence[str] = ()  # those that may be in the set; none: any
    general: bool = False  # general answers, with the columns ASKED (stages/curate/general.py)
    names: Sequence[str] = ()  # what the trained model may call itself and its makers
    min_quality: float | None = None  # by the source's own score
    sketched: bool = False  # near-duplicates will be looked for
    domains: Mapping[str, str] = field(default_factory=dict)  # family -> domain, where it has another name
    forget: Sequence[str] = ()
    seed: int = 0

    def filters(self) -> list[Filter]:
        chosen: list[tuple[bool, Filter]] = [
            (bool(self.licenses), license_not_wanted(self.licenses)),
            (self.verified, incorrect()),
            (self.template is not None, truncated()),
            (self.template is not None, bad_format(self.template or "tiny")),
            (self.min_language > 0, mixed_language(min_consistency=self.min_language)),
            (self.no_code_block, code_block()),
            (self.max_paragraph > 0, long_paragraph(max_characters=self.max_paragraph)),
            (self.max_tokens > 0, too_long(max_tokens=self.max_tokens)),
            (self.min_words > 0, too_short(min_words=self.min_words)),
            (self.max_repetition < 1, repetition(max_share=self.max_repetition)),
            (True, held_out_state()),
        ]
        own = general_filters(names=self.names, min_quality=self.min_quality) if self.general else []
        return [*(rule for wanted, rule in chosen if wanted), *own]


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """Kept and dropped rows, the kept ones' keys and sketches (in their order), and how often each prompt was answered
    rightly."""

    curated: Curated
    keys: pl.DataFrame  # KEYS, and BANDS where near-duplicates will be looked for
    sketches: near.Sketches
    rates: pl.DataFrame


def sifted(frame: pl.DataFrame, recipe: Recipe, held_out: HeldOut | None) -> Sifted:
    """Sift rows of EXAMPLES with the columns GRADED, some megabytes at a time. Rows keep their order.

    `held_out` are the benchmarks' problems that neither prompts nor responses may hold.
    """
    parts = [_sifted(piece, recipe, held_out) for piece in _pieces(frame)]
    return Sifted(
        curated=Curated(
            kept=pl.concat([part.curated.kept for part in parts]),
            rejected=pl.concat([part.curated.rejected for part in parts]),
        ),
        keys=pl.concat([part.keys for part in parts]),
        sketches=np.concatenate([part.sketches for part in parts]),
        rates=pl.concat([part.rates for part in parts]).group_by("task").sum().sort("task"),
    )


def _pieces(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    place = (frame["response"].str.len_bytes().cum_sum() - 1).to_numpy() // _PIECE
    borders = [0, *(np.flatnonzero(np.diff(place)) + 1).tolist(), frame.height]
    for begin, end in zip(borders, borders[1:], strict=False):
        yield frame[begin:end]


def _sifted(frame: pl.DataFrame, recipe: Recipe, held_out: HeldOut | None) -> Sifted:
    remembered = forget(frame, recipe.forget)
    filtered, rows = sift(Rows(remembered.kept), recipe.filters())
    curated = then(remembered, filtered)
    if held_out is not None and held_out.ids:
        reasons = _contaminated(rows, held_out)
        clean = divide(rows.frame, reasons)
        curated, rows = then(curated, clean), rows.without(np.array([reason is not None for reason in reasons], bool))
    keys, sketches = _keys(rows, recipe), np.zeros((rows.frame.height, near.SLOTS), np.uint8)
    if recipe.sketched:
        bands, sketches = near.sketches(rows.words)
        keys = keys.with_columns(pl.Series(name, bands[:, number].copy()) for number, name in enumerate(BANDS))
    return Sifted(curated=curated, keys=keys, sketches=sketches, rates=_rates(remembered.kept))


def _contaminated(rows: Rows, held_out: HeldOut) -> list[str | None]:
    """A reason for each row that holds a held-out problem in its prompt or in its response."""
    prompts = rows.frame["prompt"].unique(maintain_order=True)
    asked = dict(zip(prompts.to_list(), blame(matches(prompts, held_out), held_out, len(prompts)), strict=True))
    said = blame(matches(rows.text, held_out, cut=rows.words), held_out, len(rows.text))
    return [asked[prompt] or reason for prompt, reason in zip(rows.frame["prompt"].to_list(), said, strict=True)]


def _keys(rows: Rows, recipe: Recipe) -> pl.DataFrame:
    frame = rows.frame
    ids = np.frombuffer(bytes.fromhex("".join(frame["r1_id"].to_list())), ">u8").reshape(-1, 2).astype(np.uint64)
    generated = frame["r1_gen"].struct.json_encode().fill_null("").to_list()
    sources = [f"{source}\n{made}" for source, made in zip(frame["source"].to_list(), generated, strict=True)]
    tasks = frame["task_id"].fill_null("").to_list()
    texts = mixed(mixed(words(fold(frame["prompt"])).text_T) + rows.words.text_T)
    reasoning = pl.col("kind") == "reasoning"
    domain = pl.col("family").replace(dict(recipe.domains)) if recipe.domains else pl.col("family")
    category = pl.col("family").replace_strict(dict(recipe.domains), default=GENERAL, return_dtype=pl.String)
    return frame.select(
        pl.Series("id_high", ids[:, 0]),
        pl.Series("id_low", ids[:, 1]),
        draw=pl.col("r1_gen").struct.field("draw").fill_null(0),
        tie=pl.Series(_hashed(sources)),
        rank=pl.Series(_hashed(frame["r1_id"].to_list(), key=recipe.seed.to_bytes(16, "little", signed=True))),
        task=pl.Series(_hashed(tasks)),
        domain=pl.when(reasoning).then(domain).otherwise(category if recipe.general else pl.lit(GENERAL)),
        text=pl.Series(texts),
        alone=pl.lit(not recipe.unique),
    )


def _rates(frame: pl.DataFrame) -> pl.DataFrame:
    asked = frame.filter(pl.col("kind") == "reasoning").group_by("task_id", maintain_order=True)
    counted = asked.agg(draws=pl.len().cast(pl.Int32), correct=(pl.col("verdict") == "correct").sum().cast(pl.Int32))
    tasks = pl.Series("task", _hashed(counted["task_id"].fill_null("").to_list()))
    return counted.select(tasks, "draws", "correct")


def _hashed(values: Sequence[str], *, key: bytes = b"") -> Hashes:
    """The first half of each value's BLAKE2b-128, as whole numbers in the order of the bytes."""
    digests = b"".join(
        blake2b(value.encode("utf-8", "replace"), key=key, digest_size=16).digest()[:8] for value in values
    )
    return np.frombuffer(digests, ">u8").astype(np.uint64)
