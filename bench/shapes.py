"""Models for benchmarks, made from their shape alone: random weights, nothing downloaded."""

import torch
from torch import nn
from transformers import AutoModelForCausalLM, Qwen2Config

TINY = {
    "vocab_size": 448, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 3,
    "num_key_value_heads": 3, "max_position_embeddings": 2048, "tie_word_embeddings": True,
}  # fmt: skip
HALF_B = {  # Qwen2-0.5B
    "vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
    "num_attention_heads": 14, "num_key_value_heads": 2, "max_position_embeddings": 32_768, "rope_theta": 1e6,
    "tie_word_embeddings": True,
}  # fmt: skip


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def random_model(shape: dict[str, object], dtype: torch.dtype, *, seed: int = 0) -> nn.Module:
    """A causal model of transformers on the device that is here; the same weights for the same seed and device."""
    config = Qwen2Config(**shape, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    torch.manual_seed(seed)
    with torch.device(device()):
        made: nn.Module = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return made


def flops_per_token(shape: dict[str, object], length: int) -> float:
    """Useful floating-point operations of a training step a token: 6 for each weight that is multiplied with (the output
    matrix once), and causal attention over a sequence of so many tokens. What is computed twice counts once."""
    width, layers, inner = (int(str(shape[k])) for k in ("hidden_size", "num_hidden_layers", "intermediate_size"))
    heads = int(str(shape["num_attention_heads"]))
    key_value = width * int(str(shape["num_key_value_heads"])) // heads
    matrices = layers * (2 * width * width + 2 * width * key_value + 3 * width * inner)
    return 6.0 * (matrices + width * int(str(shape["vocab_size"]))) + 6.0 * layers * width * length
