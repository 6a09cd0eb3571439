"""Files that hold their old content or their new one, whatever happens in between."""

import os
from pathlib import Path


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file beside the old one and rename it. Never written into: its bytes may be shared with DVC's cache.

    Not covered: a power cut (nothing is synced), and two writers of one file at once.
    """
    scratch = path.with_name(f"{path.name}.part")
    try:
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
