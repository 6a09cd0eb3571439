"""The Qwen3 decoder in plain torch, for tiny models on a CPU.

It holds the same parameters under the same names as transformers' `Qwen3ForCausalLM` (its twin: a test
asserts equal logits), but imports in a third of the time and also decodes step by step over a cache
that finished sequences leave. Larger models go through transformers.

Shapes: B sequences, T positions, D hidden, H heads, K key-value heads, E head size, V vocabulary.
Not covered: sliding windows, rope scaling, dropout, attention bias.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.contract.errors import UserError


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rope_theta: float
    rms_norm_eps: float
    max_position_embeddings: int


class _Attention(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width = config.num_attention_heads * config.head_dim
        narrow = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(width, config.hidden_size, bias=False)
        self.q_norm = nn.RMSNorm(config.head_dim, eps=config.rms_norm_eps)
        self.k_norm = nn.RMSNorm(config.head_dim, eps=config.rms_norm_eps)
        self.sizes = (width, narrow, narrow)
        self.head_dim = config.head_dim

    def queries_keys_values(self, x_BTD: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B,T,D] -> queries [B,H,T,E], keys and values [B,K,T,E], rotated. `cos`, `sin`: [T,E] or [B,1,T,E]."""
        batch, length, _ = x_BTD.shape
        joined = F.linear(x_BTD, torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight]))
        parts = joined.split(self.sizes, -1)  # type: ignore[no-untyped-call]
        q, k, v = (part.view(batch, length, -1, self.head_dim).transpose(1, 2) for part in parts)
        return _rotate(self.q_norm(q), cos, sin), _rotate(self.k_norm(k), cos, sin), v


class _FeedForward(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        down: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return down


class _Layer(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.mlp = _FeedForward(config)
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)


class _Trunk(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def blocks(self) -> Iterator[_Layer]:
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            yield layer


class Decoder(nn.Module):
    """A causal language model with tied embeddings; with `labels` > 0 a sequence classifier instead."""

    _cos: Tensor
    _sin: Tensor

    def __init__(self, config: DecoderConfig, *, labels: int = 0) -> None:
        super().__init__()
        self.config = config
        self.model = _Trunk(config)
        self.score = nn.Linear(config.hidden_size, labels, bias=False) if labels else None
        frequencies = config.rope_theta ** (-torch.arange(0, config.head_dim, 2).float() / config.head_dim)
        angles = torch.arange(config.max_position_embeddings).float()[:, None] * frequencies
        self.register_buffer("_cos", torch.cat([angles.cos(), angles.cos()], -1), persistent=False)
        # The sign of the rotated half is folded into the sine.
        self.register_buffer("_sin", torch.cat([-angles.sin(), angles.sin()], -1), persistent=False)

    def initialise(self, generator: torch.Generator) -> None:
        """Normal(0, 0.02) matrices, output projections scaled down by depth."""
        scale = (2 * self.config.num_hidden_layers) ** -0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                std = 0.02 * (scale if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0)
                nn.init.normal_(parameter, std=std, generator=generator)

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """Final hidden states [B,T,D] of right-padded sequences (padding only ever follows).

        Raises:
            UserError: more positions than the model has.
        """
        length = tokens_BT.shape[1]
        self.check_reach(length)
        cos, sin = self._cos[:length], self._sin[:length]
        x = self.model.embed_tokens(tokens_BT)
        for layer in self.model.blocks():
            q, k, v = layer.self_attn.queries_keys_values(layer.input_layernorm(x), cos, sin)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
            x = x + layer.self_attn.o_proj(mixed.transpose(1, 2).flatten(2))
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        normed: Tensor = self.model.norm(x)
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., D] -> [..., V]."""
        return F.linear(hidden, self.model.embed_tokens.weight)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits [B,T,V]."""
        return self.logits(self.hidden(tokens_BT))

    def scores(self, tokens_BT: Tensor, last_B: Tensor) -> Tensor:
        """A classifier's outputs [B, labels], read at each sequence's last token (position `last_B`)."""
        assert self.score is not None
        scored: Tensor = self.score(self.hidden(tokens_BT)[torch.arange(len(tokens_BT)), last_B])
        return scored

    def rotation(self, positions_N: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines [N,E] for positions; those beyond the model's reach, of padding, get the last one's."""
        known = positions_N.clamp_max(self.config.max_position_embeddings - 1)
        return self._cos[known], self._sin[known]

    def check_reach(self, positions: int) -> None:
        """Raise a UserError if the model has fewer positions."""
        most = self.config.max_position_embeddings
        if positions > most:
            raise UserError(
                f"a sequence may take {positions} tokens, but the model has {most} positions",
                hint="raise base.shape.max_positions, lower max_new_tokens, or leave long prompts out",
            )

    # -- decoding ---------------------------------------------------------------------------------

    def prefill(self, tokens_BT: Tensor, lengths_B: Tensor, capacity: int) -> tuple[Tensor, "Cache"]:
        """Run right-padded prompts; hidden states [B,T,D] and their cache, which may grow to `capacity` positions.

        Raises:
            UserError: more positions than the model has.
        """
        batch, length = tokens_BT.shape
        self.check_reach(capacity)
        cache = Cache.empty(self, batch, length)
        padding = torch.arange(length) >= lengths_B[:, None]
        cache.bias.masked_fill_(padding[:, None, None], float("-inf"))
        cos, sin = self._cos[:length], self._sin[:length]
        x = self.model.embed_tokens(tokens_BT)
        for number, layer in enumerate(self.model.blocks()):
            q, k, v = layer.self_attn.queries_keys_values(layer.input_layernorm(x), cos, sin)
            cache.keys[number][:] = k
            cache.values[number][:] = v
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
            x = x + layer.self_attn.o_proj(mixed.transpose(1, 2).flatten(2))
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return self.model.norm(x), cache

    def step(self, tokens_B: Tensor, position_B: Tensor, cache: "Cache") -> Tensor:
        """One new token a sequence, at its own position; logits [B,V]. The cache grows in place, by one column that all
        sequences share: behind a short prompt stays a gap that nothing attends to."""
        batch, column = len(tokens_B), cache.used
        cache.reserve(column + 1)
        cache.used = column + 1
        bias = cache.bias[..., : column + 1]
        cos, sin = self._cos[position_B][:, None], self._sin[position_B][:, None]
        heads, kv_heads = self.config.num_attention_heads, self.config.num_key_value_heads
        x = self.model.embed_tokens(tokens_B)
        for number, (layer, fused) in enumerate(zip(self.model.blocks(), cache.fused, strict=True)):
            joined = F.linear(layer.input_layernorm(x), fused.qkv).view(batch, -1, self.config.head_dim)
            turned = F.rms_norm(joined[:, : heads + kv_heads], (self.config.head_dim,), eps=self.config.rms_norm_eps)
            turned = _rotate(turned * fused.norms, cos, sin)
            keys, values = cache.keys[number], cache.values[number]
            keys[:, :, column] = turned[:, heads:]
            values[:, :, column] = joined[:, heads + kv_heads :]
            # Plain products: for one query a sequence the fused kernel is half as fast on a CPU.
            grouped = turned[:, :heads].reshape(batch, kv_heads, -1, self.config.head_dim)  # [B,K,H/K,E]
            scores = grouped @ keys[:, :, : column + 1].transpose(-1, -2)
            mixed = scores.add_(bias).softmax(-1) @ values[:, :, : column + 1]
            x = x + layer.self_attn.o_proj(mixed.view(batch, -1))
            gate, up = F.linear(layer.post_attention_layernorm(x), fused.gate_up).chunk(2, -1)
            x = x + layer.mlp.down_proj(F.silu(gate) * up)
        return self.logits(self.model.norm(x))


@dataclass(frozen=True, kw_only=True)
class _Fused:
    """A layer's weights joined for decoding, where an operation costs more to start than to compute."""

    qkv: Tensor  # [(H+2K)E, D]
    norms: Tensor  # [H+K, E]: the queries' and keys' norms, the queries' with the attention's scale
    gate_up: Tensor  # [2F, D]

    @classmethod
    def of(cls, layer: _Layer, config: DecoderConfig) -> "_Fused":
        attention, mlp = layer.self_attn, layer.mlp
        queries = attention.q_norm.weight * config.head_dim**-0.5
        return cls(
            qkv=torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]),
            norms=torch.cat(
                [
                    queries.expand(config.num_attention_heads, -1),
                    attention.k_norm.weight.expand(config.num_key_value_heads, -1),
                ]
            ),
            gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        )


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return x * cos + torch.roll(x, x.shape[-1] // 2, -1) * sin


_GROWTH = 32  # positions by which a full cache grows: little enough that moving sequences stays cheap


@dataclass
class Cache:
    """Keys and values of every layer, [B,K,capacity,E] each, of which `used` columns are filled.

    `bias` [B,1,1,capacity] is minus infinity at the prompts' padding. It holds for the weights it was made with.
    """

    keys: list[Tensor]
    values: list[Tensor]
    bias: Tensor
    used: int
    fused: list[_Fused]

    @classmethod
    def empty(cls, decoder: Decoder, batch: int, length: int) -> "Cache":
        """A cache of so many columns, all of which count as used."""
        config = decoder.config
        shape = (batch, config.num_key_value_heads, length, config.head_dim)
        layers = list(decoder.model.blocks())
        return cls(
            keys=[torch.zeros(shape) for _ in layers],
            values=[torch.zeros(shape) for _ in layers],
            bias=torch.zeros(batch, 1, 1, length),
            used=length,
            fused=[_Fused.of(layer, config) for layer in layers],
        )

    def reserve(self, columns: int) -> None:
        """Grow in place until it holds so many columns."""
        missing = columns - self.keys[0].shape[2]
        if missing > 0:
            extra = -(-missing // _GROWTH) * _GROWTH
            self.keys = [F.pad(k, (0, 0, 0, extra)) for k in self.keys]
            self.values = [F.pad(v, (0, 0, 0, extra)) for v in self.values]
            self.bias = F.pad(self.bias, (0, extra))

    def select(self, rows: Tensor) -> "Cache":
        """The cache of some sequences, in a given order, repeats allowed."""
        return Cache(
            keys=[k.index_select(0, rows) for k in self.keys],
            values=[v.index_select(0, rows) for v in self.values],
            bias=self.bias.index_select(0, rows),
            used=self.used,
            fused=self.fused,
        )
