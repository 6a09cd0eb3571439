"""Near-duplicates: MinHash sketches in bands (LSH), compared where a band agrees, joined into clusters.

A text's set is that of its 5-grams of words (stages/curate/words.py); `rensa` computes its MinHash of 128 slots (Broder
1997). Rows whose slots agree in any of 16 bands of 8 are candidates (found with a probability of 0.95 at a similarity of
0.8, and of 0.61 at 0.7); their similarity is estimated from a byte of every slot. What results depends on the rows
alone, not on the order or the pieces in which they came.

Array suffixes: `_R` rows, `_E` pairs of rows.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stages.curate.words import Hashes, Places, Words, grams, mixed

NGRAM = 5
SLOTS = 128
BANDS = 16
SEED = 1
VERSION = "rensa-0.5 5-grams 128/16"  # enters the names of what is kept: sketches of other versions aren't comparable
Sketches = NDArray[np.uint8]


def sketches(found: Words) -> tuple[Hashes, Sketches]:
    """Of each text the hashes of its bands (texts x BANDS), and a byte of every slot (texts x SLOTS)."""
    from rensa import RMinHash  # here, for most runs need none

    parts = [np.zeros((0, SLOTS), np.uint64)]
    for block in found.blocks():
        of = grams(block, NGRAM)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(of.hash_N, of.begin_T1.astype(np.uint64), SLOTS, SEED)
        parts.append(np.array(matrix.to_rows(), np.uint64).reshape(len(block), SLOTS))
    slots = np.concatenate(parts)
    # Texts without words are like nothing: each would be like all others.
    slots[np.diff(found.begin_T1) == 0] = np.arange(SLOTS, dtype=np.uint64)
    bands = np.zeros((len(found), BANDS), np.uint64)
    for place in range(SLOTS // BANDS):
        bands = mixed(bands + slots[:, place :: SLOTS // BANDS])
    return bands, (slots & np.uint64(0xFF)).astype(np.uint8)


def candidates(band_R: Hashes, order_R: Places) -> tuple[Places, Places]:
    """Pairs of rows whose band is the same: each row with the first of them, by `order_R`."""
    in_order = np.sort(band_R)
    shared = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    if not len(shared):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    place = np.minimum(np.searchsorted(shared, band_R), len(shared) - 1)
    rows = np.flatnonzero(shared[place] == band_R)  # most rows share their band with none
    rows = rows[np.lexsort((order_R[rows], band_R[rows]))]
    same = band_R[rows][1:] == band_R[rows][:-1]
    begins = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(~same) + 1])
    first_R = np.repeat(rows[begins], np.diff(np.concatenate([begins, [len(rows)]])))
    later = np.flatnonzero(same) + 1
    return first_R[later], rows[later]


def similarity(a: Sketches, b: Sketches) -> NDArray[np.float64]:
    """The estimated Jaccard similarity of two rows each; of 256 unlike slots one is equal by chance."""
    equal = (a == b).mean(axis=1)
    return np.asarray((equal - 1 / 256) / (1 - 1 / 256))


def clusters(pairs: Iterable[tuple[Places, Places]], order_R: Places) -> Places:
    """The first row, by `order_R`, of each row's cluster: rows that a chain of pairs joins."""
    joined = list(pairs)
    first_E = np.concatenate([np.zeros(0, np.int64), *(order_R[first] for first, _ in joined)])
    second_E = np.concatenate([np.zeros(0, np.int64), *(order_R[second] for _, second in joined)])
    label = np.arange(len(order_R))  # of each place in the order
    while True:
        least = np.minimum(label[first_E], label[second_E])
        before = label.copy()
        for ends in (first_E, second_E):
            np.minimum.at(label, label[ends], least)
            np.minimum.at(label, ends, least)
        label = label[label]
        if np.array_equal(before, label):
            break
    row = np.empty(len(order_R), np.int64)
    row[order_R] = np.arange(len(order_R))
    return np.asarray(row[label[order_R]])
