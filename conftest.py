"""What imports an optional package is collected, for its examples, only where that package is installed."""

from importlib.util import find_spec

collect_ignore = (
    []
    if find_spec("deepspeed")
    else [
        "stages/assembly/sharded.py",
        "stages/model/trainer.py",
        "stages/model/transformer.py",
        "tests/deepspeed/hanging.py",
    ]
)
