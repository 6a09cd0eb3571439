"""The control plane: which stage runs, where, and what it left. Never imports torch."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The installed version of r1."""
    try:
        return version("r1")
    except PackageNotFoundError:
        return "unknown"
