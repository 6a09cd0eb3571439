"""Low-rank adapters (LoRA, 2106.09685) through peft: trained in place of the matrices that they change.

A checkpoint holds no adapters: they are merged into each matrix while it is written.
"""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from stages.contract.params import Lora

NAME = "default"
BASE = ".base_layer"


def adapted(model: nn.Module, settings: Lora) -> nn.Module:
    """Give the model's matrices adapters, in place; only these are trained then."""
    from peft import LoraConfig, inject_adapter_in_model

    targets: str | list[str] = settings.targets or "all-linear"
    if isinstance(targets, str):
        targets = sorted({name.rpartition(".")[2] for name, part in model.named_modules() if _inner_matrix(name, part)})
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=0.0, target_modules=targets)
    inject_adapter_in_model(config, model, adapter_name=NAME)
    for name, parameter in model.named_parameters():
        # A fresh score head has nothing to start from.
        parameter.requires_grad_(is_adapter(name) or ".score." in name)
    return model


def _inner_matrix(name: str, part: nn.Module) -> bool:
    return isinstance(part, nn.Linear) and ".layers." in name


def is_adapter(name: str) -> bool:
    return ".lora_" in name


def plain_name(name: str) -> str:
    """A parameter's name in a checkpoint."""
    return name.removeprefix("inner.").replace(BASE, "")


def layers(model: nn.Module) -> dict[str, nn.Module]:
    """The adapted layers, by the name of the matrix that each changes."""
    return {f"{name}{BASE}.weight": part for name, part in model.named_modules() if hasattr(part, "lora_A")}


def change(layer: nn.Module, full: Callable[[nn.Parameter], Tensor]) -> Tensor:
    """What a layer's adapter adds to its matrix. `full` gives a parameter whole."""
    parts = dict(layer.named_parameters())
    down, up = (full(parts[f"lora_{side}.{NAME}.weight"]) for side in "AB")
    scaling = cast(dict[str, float], layer.scaling)
    return up @ down * scaling[NAME]
