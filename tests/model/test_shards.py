"""Weights written tensor by tensor: what other readers make of them, and their digest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from stages.model.shards import INDEX, Spec, digest_of, reader, weight_files, write_tensors, write_weights

TENSORS = {
    "a.weight": torch.randn(3, 5),
    "b": torch.arange(7),
    "c.weight": torch.randn(4, 2).to(torch.bfloat16),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(2.5),
}
SPECS = [Spec(name=name, shape=tuple(t.shape), dtype=t.dtype) for name, t in TENSORS.items()]


@pytest.mark.parametrize(("shard_bytes", "files"), [(10_000, 1), (60, 3), (1, 5)])
def test_safetensors_reads_what_was_streamed(tmp_path: Path, shard_bytes: int, files: int) -> None:
    write_weights(tmp_path, SPECS, TENSORS.values(), shard_bytes=shard_bytes)
    found: dict[str, Tensor] = {}
    for path in weight_files(tmp_path):
        found |= load_file(path)
    assert len(weight_files(tmp_path)) == files and (tmp_path / INDEX).exists() == (files > 1)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
    whole = b"".join(path.read_bytes() for path in weight_files(tmp_path))
    assert digest_of(SPECS, TENSORS.values(), shard_bytes=shard_bytes) == hashlib.sha256(whole).hexdigest()


def test_tensors_are_asked_for_one_by_one(tmp_path: Path) -> None:
    """When the second is made the first is already written."""
    path = tmp_path / "x.safetensors"
    specs = [Spec(name=name, shape=(1 << 20,), dtype=torch.float32) for name in "ab"]
    sizes: list[int] = []

    def tensors() -> Iterator[Tensor]:
        for number in range(2):
            sizes.append(path.stat().st_size)
            yield torch.full((1 << 20,), float(number))

    write_tensors(path, specs, tensors())
    assert sizes[1] >= 4 << 20 and torch.equal(reader(path)("b"), torch.ones(1 << 20))


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        write_tensors(tmp_path / "x", [Spec(name="a", shape=(2,), dtype=torch.float32)], [torch.zeros(3)])
