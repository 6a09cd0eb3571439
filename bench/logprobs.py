"""Peak memory and time of log-probabilities, forward and backward, at Qwen2.5-0.5B's output matrix (151,936 x 896).

    python bench/logprobs.py [LENGTH...]    # default 512 2048; plain logits take 15 GB at 8192: `8192:chunked` leaves them out

Each figure is a process of its own: the peak is what the kernel counted (ru_maxrss), less what inputs and gradients take.
"""

import resource
import subprocess
import sys
import time

WIDTH, VOCABULARY = 896, 151_936


def measure(kind: str, length: int, dtype: str) -> None:
    """Print peak memory above the start (MB) and seconds."""
    import torch

    from stages.model.logprobs import chunked_logprobs, plain_logprobs

    kept = getattr(torch, dtype)
    hidden = torch.randn(length, WIDTH).to(kept).requires_grad_()
    weight = (torch.randn(VOCABULARY, WIDTH) / WIDTH**0.5).to(kept).requires_grad_()
    chosen = torch.randint(0, VOCABULARY, (length,))
    compute = chunked_logprobs if kind == "chunked" else plain_logprobs
    compute(hidden[:2], weight, chosen[:2], 1.0)[0].sum().backward()  # gradients and libraries have their memory now
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    compute(hidden, weight, chosen, 1.0)[0].sum().backward()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{(peak - before) / 1024:.0f} {time.perf_counter() - begun:.1f}")


def main(wanted: list[str]) -> None:
    print(f"{'positions':>9} {'dtype':>9} {'kind':>8} {'peak MB':>8} {'seconds':>8}")
    for text in wanted:
        length, _, only = text.partition(":")
        for dtype in ("float32", "bfloat16"):
            for kind in [only] if only else ["plain", "chunked"]:
                command = [sys.executable, __file__, "--one", kind, length, dtype]
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
                print(f"{length:>9} {dtype:>9} {kind:>8} {said[0]:>8} {said[1]:>8}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main(sys.argv[1:] or ["512", "2048"])
