"""r1.toml: what it may hold, and what is said of what it may not."""

from pathlib import Path

import pytest

from r1cli.dispatch import places
from r1cli.dispatch.job import Resources
from r1cli.dispatch.settings import Settings, read
from r1cli.dispatch.slurm import SlurmExecutor
from stages.contract.errors import UserError

NAMES = ("local", "slurm", "ray")


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "r1.toml"
    path.write_text(text)
    return read(path, executors=NAMES)


def test_without_a_file_all_runs_here(tmp_path: Path) -> None:
    assert read(tmp_path / "r1.toml", executors=NAMES) == Settings()


def test_stages_are_given_what_all_are_but_for_their_own(tmp_path: Path) -> None:
    found = settings(tmp_path, 'executor = "slurm"\ngpus_per_node = 8\n[stages.grpo]\nnodes = 4\n[slurm]\nqos = "x"\n')
    assert found.of("grpo") == found.of("grpo@item") == Resources(nodes=4, gpus_per_node=8)
    assert found.of("sft") == Resources(gpus_per_node=8)
    assert isinstance(places.open_executor("slurm", found), SlurmExecutor)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("executor = ", "r1.toml: "),
        ('executor = "slrum"', "r1.toml: executor: 'slrum' is not one of local, slurm, ray (did you mean slurm?)"),
        ("gpu_per_node = 8", "r1.toml: unknown key gpu_per_node (did you mean gpus_per_node?)"),
        ("nodes = 0", "r1.toml: nodes = 0, must be at least 1"),
        ("nodes = true", "r1.toml: nodes = True, expected int"),
        ("nodes = 1.5", "r1.toml: nodes = 1.5, expected int"),
        ("memory_gb = -1", "r1.toml: memory_gb = -1, can't be negative"),
        ('time_limit = "tomorrow"', "r1.toml: time_limit = 'tomorrow', expected [D-]HH:MM:SS or minutes"),
        ("slurm = 3", "r1.toml: slurm = 3, expected a table"),
        ("[stages]\ngrpo = 1", "r1.toml: stages.grpo = 1, expected a table"),
        ("[stages.grpo]\nnode = 2", "r1.toml: stages.grpo: unknown key node (did you mean nodes?)"),
    ],
)
def test_what_it_may_not_hold_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        settings(tmp_path, text)
    assert caught.value.message.startswith(said) and caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("partitions = 'x'", "r1.toml: slurm: unknown key partitions (did you mean partition?)"),
        ("setup = 'module load'", "r1.toml: slurm: setup = 'module load', expected a list of text"),
        ("sbatch = [1]", "r1.toml: slurm: sbatch = [1], expected a list of text"),
        ("requeues = -1", "r1.toml: slurm: requeues = -1, can't be negative"),
        ("poll_s = 0", "r1.toml: slurm: poll_s and lease_s must be above 0"),
    ],
)
def test_so_is_what_slurms_own_table_may_not(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        places.open_executor("slurm", settings(tmp_path, f"[slurm]\n{text}"))
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('adress = "http://head:8265"', "r1.toml: ray: unknown key adress (did you mean address?)"),
        ('resources = ["away"]', "r1.toml: ray: resources: 'away', expected NAME=AMOUNT"),
        ('resources = ["away=much"]', "r1.toml: ray: resources: 'away=much', expected NAME=AMOUNT"),
        ("requeues = -1", "r1.toml: ray: requeues = -1, can't be negative"),
        ("lease_s = 0.0", "r1.toml: ray: poll_s and lease_s must be above 0"),
    ],
)
def test_and_what_rays_may_not(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        places.open_executor("ray", settings(tmp_path, f"[ray]\n{text}"))
    assert caught.value.message == said


def test_an_unknown_place_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"--on: 'slurn' is not one of local, slurm.* \(did you mean slurm\?\)"):
        places.open_executor("slurn", Settings())
