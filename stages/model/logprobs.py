"""Log-probabilities of given tokens without the [positions, vocabulary] matrix of logits.

For Qwen2.5's 151,936 tokens that matrix takes 5 GB in float32 at 8,192 positions, and its softmax and gradient as much
again each. Here logits exist for a few positions at a time; the backward pass computes them once more.

Shapes: N positions, D hidden, V vocabulary.
Not covered: a bias on the output matrix; gradients of gradients; a gradient through the entropies.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

CHUNK_LOGITS = 1 << 25  # logits that exist at once: 128 MB in float32
CHUNK_LOGITS_GPU = 1 << 28  # fewer, larger chunks: 13% more tokens/s for 3.5 GB on an H100 (docs/log.md)


def plain_logprobs(hidden_ND: Tensor, weight_VD: Tensor, chosen_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probability of each `chosen` token at `temperature`, differentiable, and the entropy there; float32, [N] each.

    The obvious twin: it keeps all logits.
    """
    logps_NV = torch.log_softmax(F.linear(hidden_ND, weight_VD).float() / temperature, -1)
    entropy_N = -(logps_NV.detach().exp() * logps_NV.detach()).sum(-1)
    return logps_NV.gather(-1, chosen_N[:, None])[:, 0], entropy_N


def chunked_logprobs(
    hidden_ND: Tensor, weight_VD: Tensor, chosen_N: Tensor, temperature: float, *, chunk: int = 0
) -> tuple[Tensor, Tensor]:
    """What `plain_logprobs` gives, in `chunk` positions at a time (0: as many as fit the device).

    In bfloat16 the output matrix's gradient is summed over the chunks in float32.
    """
    size = chunk or max(1, (CHUNK_LOGITS_GPU if weight_VD.is_cuda else CHUNK_LOGITS) // len(weight_VD))
    found: tuple[Tensor, Tensor] = _Chunked.apply(hidden_ND, weight_VD, chosen_N, temperature, size)  # type: ignore[no-untyped-call]
    return found


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden_ND: Tensor, weight_VD: Tensor, chosen_N: Tensor, temperature: float, size: int
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(hidden_ND, weight_VD, chosen_N)
        ctx.temperature, ctx.size = temperature, size  # type: ignore[attr-defined]
        logp_N = hidden_ND.new_empty(len(hidden_ND), dtype=torch.float32)
        entropy_N = torch.empty_like(logp_N)
        for start in range(0, len(hidden_ND), size):
            part = slice(start, start + size)
            logps_CV = torch.log_softmax(F.linear(hidden_ND[part], weight_VD).float().div_(temperature), -1)
            logp_N[part] = logps_CV.gather(-1, chosen_N[part, None])[:, 0]
            entropy_N[part] = -logps_CV.exp().mul_(logps_CV).sum(-1)
        ctx.mark_non_differentiable(entropy_N)
        return logp_N, entropy_N

    @staticmethod
    def backward(ctx: FunctionCtx, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        hidden_ND, weight_VD, chosen_N = ctx.saved_tensors  # type: ignore[attr-defined]
        slope_N, size, temperature = slopes[0], ctx.size, ctx.temperature  # type: ignore[attr-defined]
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]  # type: ignore[attr-defined]
        hidden_slope = torch.zeros_like(hidden_ND) if needs_hidden else None
        weight_slope = torch.zeros_like(weight_VD, dtype=torch.float32) if needs_weight else None
        for start in range(0, len(hidden_ND), size):
            part = slice(start, start + size)
            logits_CV = F.linear(hidden_ND[part], weight_VD).float().div_(temperature)
            # d logp / d logits = (one-hot of the chosen - the probabilities) / temperature
            scale_C1 = slope_N[part, None].float() / temperature
            slope_CV = torch.softmax(logits_CV, -1).mul_(-scale_C1)
            slope_CV.scatter_add_(-1, chosen_N[part, None], scale_C1)
            narrow_CV = slope_CV.to(hidden_ND.dtype)
            if hidden_slope is not None:
                hidden_slope[part] = narrow_CV @ weight_VD
            if weight_slope is not None:
                if weight_slope.dtype == narrow_CV.dtype:
                    weight_slope.addmm_(narrow_CV.T, hidden_ND[part])  # without a second matrix of this size
                else:
                    weight_slope += narrow_CV.T @ hidden_ND[part]
        return hidden_slope, None if weight_slope is None else weight_slope.to(weight_VD.dtype), None, None, None
