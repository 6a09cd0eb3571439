"""Seeds of single completions, for engines whose requests are sampled each by itself."""

import hashlib


def request_seed(seed: int, place: int, draw: int) -> int:
    """A seed in [0, 2^63) that only the call's seed, the prompt's place and the draw's number decide.

    >>> request_seed(1, 0, 0) == request_seed(1, 0, 0), request_seed(1, 0, 1) == request_seed(1, 1, 0)
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {place} {draw}".encode()).digest()[:8], "big") >> 1
