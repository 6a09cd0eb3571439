"""Golden texts: what is rendered is what was accepted."""

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Fail, saying how to accept it, if a text is not the one in golden/."""
    path = GOLDEN / name
    if not path.exists() or path.read_text() != text:
        new = path.with_name(f"{name}.new")
        new.write_text(text)
        pytest.fail(f"{path.name} is not what is rendered now; to accept it: mv {new} {path}")
