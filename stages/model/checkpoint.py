"""Checkpoints are Hugging Face folders: config.json, model.safetensors, tokenizer files. No pickle is ever read."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file
from tokenizers import Tokenizer
from torch import Tensor

from stages.contract.errors import UserError
from stages.contract.params import Shape
from stages.contract.tables import owner
from stages.contract.transcript import END
from stages.model.decoder import Decoder, DecoderConfig
from stages.model.tokenizer import PAD, load_tokenizer

_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)
_METADATA = {"format": "pt"}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def new_decoder(shape: Shape, *, vocabulary: int, seed: int) -> Decoder:
    """A fresh tiny model."""
    config = DecoderConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.head_dim,
        rope_theta=shape.rope_theta,
        rms_norm_eps=1e-6,
        max_position_embeddings=shape.max_positions,
    )
    decoder = Decoder(config)
    decoder.initialise(torch.Generator().manual_seed(seed))
    return decoder


def save_checkpoint(decoder: Decoder, tokenizer: Tokenizer, folder: Path, *, tokenizer_from: Path) -> None:
    """Write the folder that `AutoModelForCausalLM` (or, with a score head, `...ForSequenceClassification`) reads."""
    folder.mkdir(parents=True, exist_ok=True)
    config = decoder.config
    classifier = decoder.score is not None
    settings: dict[str, object] = {
        "architectures": ["Qwen3ForSequenceClassification" if classifier else "Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "max_position_embeddings": config.max_position_embeddings,
        "attention_bias": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "dtype": "float32",
        "pad_token_id": tokenizer.token_to_id(PAD),
        "eos_token_id": tokenizer.token_to_id(END),
        "bos_token_id": None,
    }
    if classifier:
        settings["num_labels"] = 1
        settings["id2label"] = {"0": "LABEL_0"}
        settings["label2id"] = {"LABEL_0": 0}
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    save_tensors(_tensors(decoder), folder / "model.safetensors", metadata=_METADATA)
    for name in TOKENIZER_FILES if tokenizer_from != folder else ():
        shutil.copyfile(tokenizer_from / name, folder / name)


def weights_digest(decoder: Decoder) -> str:
    """SHA-256, in hex, of the weights file that `save_checkpoint` would write now."""
    return hashlib.sha256(save(_tensors(decoder), metadata=_METADATA)).hexdigest()


def _tensors(decoder: Decoder) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in sorted(decoder.state_dict().items())}


def save_tensors(tensors: Mapping[str, Tensor], path: Path, *, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file.

    Raises:
        OSError: the disk is full or can't be written.
    """
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)
    except SafetensorError as error:
        # safetensors hides a full disk in its own error; the stage's starter must see it for what it is.
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def load_decoder(folder: Path, *, labels: int = 0) -> Decoder:
    """Load a checkpoint of the Qwen3 architecture. With `labels`, a score head is added if it has none (zeros).

    Raises:
        UserError: files missing, truncated, of another architecture, or not matching the config.
    """
    name, hint = f"{folder.parent.name}/{folder.name}", f"r1 run {owner(folder)} -f"
    try:
        settings = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise UserError(
            f"checkpoint {name} lacks {Path(str(error.filename or 'model.safetensors')).name}", hint=hint
        ) from error
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"checkpoint {name} is corrupt ({error})", hint=hint) from error
    if not isinstance(settings, dict):
        raise UserError(f"checkpoint {name} is corrupt (config.json holds no object)", hint=hint)
    if settings.get("model_type") != "qwen3":
        raise UserError(
            f"checkpoint {name} has model_type {settings.get('model_type')!r}; the embedded engine runs qwen3",
            hint="r1 profile use tiny",
        )
    config = _config(settings, name, hint)
    stored_labels = len(tensors["score.weight"]) if "score.weight" in tensors else 0
    decoder = Decoder(config, labels=labels or stored_labels)
    if labels and not stored_labels:
        assert decoder.score is not None
        torch.nn.init.zeros_(decoder.score.weight)
        tensors["score.weight"] = decoder.score.weight.detach()
    tensors.pop("lm_head.weight", None)  # tied
    try:
        decoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(
            f"checkpoint {name} does not fit its config.json ({str(error).splitlines()[-1].strip()})", hint=hint
        ) from error
    return decoder


def _config(settings: Mapping[str, object], name: str, hint: str) -> DecoderConfig:
    """The decoder's part of a config.json; refuses what the decoder would silently compute otherwise."""
    rope = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    rope = rope if isinstance(rope, dict) else {}
    others = {
        "untied embeddings": not settings.get("tie_word_embeddings", False),
        "attention bias": bool(settings.get("attention_bias")),
        "sliding windows": bool(settings.get("use_sliding_window")),
        "scaled rotary positions": rope.get("rope_type", rope.get("type", "default")) != "default",
        "another activation": settings.get("hidden_act", "silu") != "silu",
    }
    if unsupported := [what for what, present in others.items() if present]:
        raise UserError(
            f"checkpoint {name} has {', '.join(unsupported)}, which the embedded engine does not have",
            hint="r1 profile use tiny",
        )
    sizes = {field: settings.get(field) for field in _SIZES}
    wrong = [field for field, size in sizes.items() if type(size) is not int or size < 1]
    epsilon, theta = settings.get("rms_norm_eps"), rope.get("rope_theta", settings.get("rope_theta", 10_000.0))
    wrong += [] if isinstance(epsilon, int | float) else ["rms_norm_eps"]
    wrong += [] if isinstance(theta, int | float) else ["rope_theta"]
    if wrong:
        raise UserError(f"checkpoint {name} is corrupt (config.json lacks a number for {', '.join(wrong)})", hint=hint)
    counts = {field: int(str(size)) for field, size in sizes.items()}
    return DecoderConfig(**counts, rms_norm_eps=float(str(epsilon)), rope_theta=float(str(theta)))


def load(folder: Path) -> tuple[Decoder, Tokenizer]:
    """A checkpoint's model and tokenizer."""
    return load_decoder(folder), load_tokenizer(folder)
