"""`r1 --help` is instant: it imports nothing heavy."""

import resource
import subprocess
import sys
from importlib.metadata import version

HEAVY = ("torch", "dvc", "polars", "ruamel", "transformers", "numpy")


def test_help_is_quick_and_light() -> None:
    code = "import sys; from r1cli.app import main\ntry: main(['--help'])\nexcept SystemExit: "
    code += f"print('LOADED', [m for m in {HEAVY} if m in sys.modules])"
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "LOADED []" in done.stdout
    # Processor seconds, best of three: other processes on the machine don't count.
    assert min(spent) < 0.3


def test_every_command_has_help() -> None:
    from r1cli.app import app, profile_app, reward_app
    from r1cli.data.commands import app as data_app

    for group in (app, data_app, profile_app, reward_app):
        for command in group.registered_commands:
            assert command.callback is not None and command.callback.__doc__, command.name


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "r1cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"r1 {version('r1')}\n"
