"""Folders of results that later runs may use again (`.r1/store`), and the lock of those who use one.

A store's lock is a file beside it. Who uses the store shares the lock; who cleans or removes it (r1 gc) wants it alone.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def lock_of(store: Path) -> Path:
    return store.with_name(f"{store.name}.lock")


@contextmanager
def in_use(store: Path) -> Iterator[TextIO]:
    """The store is there, and is not removed meanwhile. Gives the open lock, for who wants it alone afterwards."""
    store.parent.mkdir(parents=True, exist_ok=True)
    with lock_of(store).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        store.mkdir(exist_ok=True)
        yield lock
