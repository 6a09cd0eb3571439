"""The tasks that r1 renders, read by SkyPilot itself. Nothing is launched."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.sky
TASKS = sorted((Path(__file__).parents[1] / "dispatch" / "golden").glob("*.sky.yaml"))


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_skypilot_takes_the_task(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # its workdir
    sky = pytest.importorskip("sky", reason="no skypilot here: make test-sky")
    task = sky.Task.from_yaml(str(path))
    text = path.read_text()
    [resources] = task.resources
    assert task.name in text and task.num_nodes == 1
    [(gpu, count)] = resources.accelerators.items()
    assert f"{gpu}:{count}" in text and "dvc push" in task.run and "pip install" in task.setup


def test_skypilot_refuses_another_key(tmp_path: Path) -> None:
    sky = pytest.importorskip("sky", reason="no skypilot here: make test-sky")
    path = tmp_path / "task.yaml"
    path.write_text(TASKS[0].read_text().replace("num_nodes:", "nodes:"))
    with pytest.raises(ValueError, match="nodes"):
        sky.Task.from_yaml(str(path))
