"""Shapes of models: how many parameters, and what a token costs in memory and arithmetic."""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from stages.contract.errors import UserError
from stages.contract.params import Base


@dataclass(frozen=True, kw_only=True)
class Model:
    """A decoder's shape. `total` and `active` count parameters: all, and those that one token passes through. Where they
    are 0 they follow from the shape, as in a dense model."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    context: int
    tied: bool = False  # one matrix embeds and predicts
    biases: int = 0  # parameters of a layer beside its matrices and two norms
    total: int = 0
    active: int = 0
    kv_width: int = 0  # values a token and layer keep in the cache; 0: keys and values of all kv_heads

    @property
    def per_layer(self) -> int:
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        return attention + 3 * self.hidden * self.feed_forward + 2 * self.hidden + self.biases

    @property
    def parameters(self) -> int:
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.total or embeddings + self.layers * self.per_layer + self.hidden

    @property
    def used(self) -> int:
        """The parameters that a token passes through."""
        return self.active or self.parameters

    @property
    def kv_values(self) -> int:
        """Values in the cache a token."""
        return self.layers * (self.kv_width or 2 * self.kv_heads * self.head_dim)


def _qwen2(hidden: int, layers: int, heads: int, kv_heads: int, feed_forward: int, **more: int | bool) -> Model:
    head_dim = hidden // heads
    shape = {"vocabulary": 152064, "context": 131072, "tied": False, **more}
    return Model(
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        feed_forward=feed_forward,
        biases=head_dim * (heads + 2 * kv_heads),
        vocabulary=int(shape["vocabulary"]),
        context=int(shape["context"]),
        tied=bool(shape["tied"]),
    )


def _llama(hidden: int, layers: int, heads: int, kv_heads: int, feed_forward: int, **more: int | bool) -> Model:
    return Model(
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=hidden // heads,
        feed_forward=feed_forward,
        vocabulary=int(more.get("vocabulary", 128256)),
        context=int(more.get("context", 131072)),
        tied=bool(more.get("tied", False)),
    )


# Their config.json files.
KNOWN = {
    "Qwen/Qwen2.5-0.5B": _qwen2(896, 24, 14, 2, 4864, vocabulary=151936, context=32768, tied=True),
    "Qwen/Qwen2.5-Math-1.5B": _qwen2(1536, 28, 12, 2, 8960, vocabulary=151936, context=4096, tied=True),
    "Qwen/Qwen2.5-Math-7B": _qwen2(3584, 28, 28, 4, 18944, context=4096),
    "Qwen/Qwen2.5-7B": _qwen2(3584, 28, 28, 4, 18944),
    "Qwen/Qwen2.5-14B": _qwen2(5120, 48, 40, 8, 13824),
    "Qwen/Qwen2.5-32B": _qwen2(5120, 64, 40, 8, 27648),
    "meta-llama/Llama-3.1-8B": _llama(4096, 32, 32, 8, 14336),
    "meta-llama/Llama-3.3-70B-Instruct": _llama(8192, 80, 64, 8, 28672),
    "HuggingFaceTB/SmolLM2-135M": _llama(576, 30, 9, 3, 1536, vocabulary=49152, context=8192, tied=True),
    # DeepSeek-V3 (arXiv 2412.19437, section 4.2): 671B parameters, 37B active; its attention keeps 512 + 64 values.
    "deepseek-ai/DeepSeek-V3-Base": Model(
        hidden=7168,
        layers=61,
        heads=128,
        kv_heads=128,
        head_dim=128,
        feed_forward=18432,
        vocabulary=129280,
        context=163840,
        total=671_000_000_000,
        active=37_000_000_000,
        kv_width=576,
    ),
}


def model_of(base: Base) -> Model:
    """The model that a base section stands for: pre-trained here, a local folder, or a known one of the Hub.

    Raises:
        UserError: an unknown Hub model, or a folder without a readable config.json.
    """
    if base.shape is not None:
        shape = base.shape
        return Model(
            hidden=shape.hidden,
            layers=shape.layers,
            heads=shape.heads,
            kv_heads=shape.heads,
            head_dim=shape.head_dim,
            feed_forward=shape.feed_forward,
            vocabulary=base.vocabulary,
            context=shape.max_positions,
            tied=True,
            biases=2 * shape.head_dim,  # the norms of queries and keys
        )
    if base.path in KNOWN:
        return KNOWN[base.path]
    config = Path(base.path).expanduser() / "config.json"
    if not base.path.startswith(("/", ".", "~")):
        near = difflib.get_close_matches(base.path, KNOWN, n=1)
        raise UserError(
            f"the shape of {base.path} is not known here" + (f" (did you mean {near[0]}?)" if near else ""),
            hint="give a local folder with its config.json as the path, or add it to r1cli/plan/models.py",
        )
    try:
        found = json.loads(config.read_text())
        heads = int(found["num_attention_heads"])
        return Model(
            hidden=int(found["hidden_size"]),
            layers=int(found["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(found.get("num_key_value_heads", heads)),
            head_dim=int(found.get("head_dim") or found["hidden_size"] // heads),
            feed_forward=int(found["intermediate_size"]),
            vocabulary=int(found["vocab_size"]),
            context=int(found["max_position_embeddings"]),
            tied=bool(found.get("tie_word_embeddings", False)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{config} can't be read as a decoder's shape ({error})", hint="r1 profile show") from error
