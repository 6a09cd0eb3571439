"""git, as a program that is called."""

import subprocess
from pathlib import Path

from stages.contract.errors import UserError


def git(root: Path, *arguments: str, given: bytes = b"") -> bytes:
    """What a git command prints, `given` its standard input.

    Raises:
        UserError: it fails.
    """
    done = subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True)
    if done.returncode != 0:
        first = next(iter(done.stderr.decode(errors="replace").strip().splitlines()), f"exit code {done.returncode}")
        raise UserError(f"git {arguments[0]}: {first}", hint="git log --oneline")
    return done.stdout
