"""Weights written tensor by tensor as safetensors files: what is written never lies in memory as a whole.

Format: eight bytes (little-endian) with the header's length, the header (JSON: name -> dtype, shape, place), the tensors.
Larger weights are several files and an index, as Hugging Face reads them.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

SHARD_BYTES = 5_000_000_000
INDEX = "model.safetensors.index.json"
_CODES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.uint8: "U8",
}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A tensor that is to come."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def shards_of(specs: Sequence[Spec], most: int) -> list[list[Spec]]:
    """The tensors in their order, cut where a file would have more than `most` bytes (at least one tensor each)."""
    shards: list[list[Spec]] = []
    filled = 0
    for spec in specs:
        if shards and filled + spec.bytes <= most:
            shards[-1].append(spec)
            filled += spec.bytes
        else:
            shards.append([spec])
            filled = spec.bytes
    return shards


def write_tensors(path: Path, specs: Sequence[Spec], tensors: Iterable[Tensor]) -> None:
    """One file. `tensors` come in the order of `specs`."""
    with path.open("wb") as file:
        for part in _parts(specs, iter(tensors)):
            file.write(part)


def write_weights(
    folder: Path, specs: Sequence[Spec], tensors: Iterable[Tensor], *, shard_bytes: int = SHARD_BYTES
) -> None:
    """A checkpoint's weights: model.safetensors, or model-00001-of-0000N.safetensors and their index."""
    shards, coming = shards_of(specs, shard_bytes), iter(tensors)
    names = _names(len(shards))
    for name, shard in zip(names, shards, strict=True):
        with (folder / name).open("wb") as file:
            for part in _parts(shard, coming):
                file.write(part)
    if len(shards) > 1:
        places = {spec.name: name for name, shard in zip(names, shards, strict=True) for spec in shard}
        index = {"metadata": {"total_size": sum(spec.bytes for spec in specs)}, "weight_map": places}
        (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n")


def digest_of(specs: Sequence[Spec], tensors: Iterable[Tensor], *, shard_bytes: int = SHARD_BYTES) -> str:
    """SHA-256, in hex, over the files that `write_weights` would write, one after the other."""
    digest, coming = hashlib.sha256(), iter(tensors)
    for shard in shards_of(specs, shard_bytes):
        for part in _parts(shard, coming):
            digest.update(part)
    return digest.hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """A checkpoint's weights in the order of their bytes."""
    whole = folder / "model.safetensors"
    return [whole] if whole.exists() else sorted(folder.glob("model-*-of-*.safetensors"))


def reader(path: Path) -> Callable[[str], Tensor]:
    """Reads one tensor of a file at a time, by name."""
    file = safe_open(path, framework="pt")

    def read(name: str) -> Tensor:
        tensor: Tensor = file.get_tensor(name)  # type: ignore[no-untyped-call]
        return tensor

    return read


def _names(count: int) -> list[str]:
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def _parts(specs: Sequence[Spec], tensors: Iterator[Tensor]) -> "Iterator[bytes | memoryview[int]]":
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for spec in specs:
        header[spec.name] = {
            "dtype": _CODES[spec.dtype],
            "shape": list(spec.shape),
            "data_offsets": [place, place + spec.bytes],
        }
        place += spec.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight bytes
    yield len(text).to_bytes(8, "little") + text
    for spec in specs:
        tensor = next(tensors)
        assert tuple(tensor.shape) == spec.shape, (spec.name, tensor.shape, spec.shape)
        plain = tensor.detach().to(dtype=spec.dtype, device="cpu").contiguous()
        yield plain.reshape(-1).view(torch.uint8).numpy().data
