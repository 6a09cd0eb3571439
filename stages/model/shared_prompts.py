"""Completions of a group follow the same prompt: here a prompt is computed once for all that follow it.

Its twin is `Decoder.hidden` of prompt and completion one behind the other (a test asserts equal values and gradients).
Shapes: P prompts of up to L tokens, B completions of up to T; N = P*L + B*T positions; D, H, K, E as in decoder.py.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.model.decoder import Decoder


def hidden(
    decoder: Decoder, prompts_PL: Tensor, lengths_P: Tensor, prompt_of_B: Tensor, completions_BT: Tensor
) -> tuple[Tensor, Tensor]:
    """Final hidden states of right-padded prompts [P,L,D] and of the completions behind them [B,T,D].

    `prompt_of_B` says which prompt a completion follows.
    """
    (prompts, longest), (count, width) = prompts_PL.shape, completions_BT.shape
    split = prompts * longest
    starts_B = lengths_P[prompt_of_B]
    places_BT = starts_B[:, None] + torch.arange(width)
    cos, sin = decoder.rotation(torch.cat([torch.arange(longest).repeat(prompts), places_BT.flatten()]))
    bias = _bias(starts_B, longest, width)
    x = decoder.model.embed_tokens(torch.cat([prompts_PL.flatten(), completions_BT.flatten()]))
    for layer in decoder.model.blocks():
        attention = layer.self_attn
        turned = attention.queries_keys_values(layer.input_layernorm(x)[None], cos, sin)
        pq, pk, pv = (
            part[0, :, :split].view(part.shape[1], prompts, longest, part.shape[-1]).transpose(0, 1) for part in turned
        )
        q, k, v = (
            part[0, :, split:].view(part.shape[1], count, width, part.shape[-1]).transpose(0, 1) for part in turned
        )
        grouped = q.shape[1] != k.shape[1]
        before = F.scaled_dot_product_attention(pq, pk, pv, is_causal=True, enable_gqa=grouped)
        k = torch.cat([pk.index_select(0, prompt_of_B), k], 2)
        v = torch.cat([pv.index_select(0, prompt_of_B), v], 2)
        after = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, enable_gqa=grouped)
        mixed = torch.cat([part.transpose(1, 2).flatten(2).flatten(0, 1) for part in (before, after)])
        x = x + attention.o_proj(mixed)
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    x = decoder.model.norm(x)
    return x[:split].view(prompts, longest, -1), x[split:].view(count, width, x.shape[-1])


def _bias(starts_B: Tensor, longest: int, width: int) -> Tensor:
    """[B,1,T,L+T]: 0 where a completion's position may look, minus infinity where it may not."""
    padding_BL = torch.arange(longest) >= starts_B[:, None]
    later_TT = torch.ones(width, width, dtype=torch.bool).triu(1)
    hidden_BTA = torch.cat([padding_BL[:, None].expand(-1, width, -1), later_TT.expand(len(starts_B), -1, -1)], 2)
    return torch.zeros(hidden_BTA.shape).masked_fill_(hidden_BTA, float("-inf"))[:, None]
