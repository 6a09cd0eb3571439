"""vLLM behind HTTP: samples on servers, of several GPUs or machines, with token ids in and out.

Every completion is a request with a seed of its own, sent to the servers in turn. New weights go through a file in a folder
that all servers see (`R1_VLLM_WEIGHTS`; shared memory where they are on this machine), and each is told to read it.
Servers get the policy's weights before they are first asked: which checkpoint they were started from doesn't matter.

Only the standard library is used: what a server runs is vLLM's own OpenAI-compatible one, 0.24 to 0.32, with
VLLM_SERVER_DEV_MODE=1 (without it, it takes no weights). Not covered: encryption, passwords, servers that come and go.
"""

import atexit
import json
import os
import time
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TypedDict, cast
from urllib.error import HTTPError

import torch

from stages.contract.engine import Ask, Completion, Engine, OnFinished
from stages.contract.errors import UserError
from stages.contract.params import VLLM
from stages.rollout.seeds import request_seed
from stages.rollout.serving import MODEL, Server
from stages.rollout.vllm import VLLMEngine, Weights, check_reach, weights_file

AT_ONCE = 256  # requests that wait at each server: as many as it computes together
TRIES = 3
WAIT_S = 1.0  # before a request is tried again
_TIMEOUT_S = 3600.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # servers are near: no proxy is between


def vllm_engine(
    folder: Path, *, settings: VLLM, end_id: int, weights: Weights, threads: int, apart: bool = False
) -> Engine:
    """vLLM where the environment says: on servers, with several copies of the model on this machine, or in this process;
    with `apart` never in this process, but with as many copies as this machine's GPUs hold.

    Raises:
        UserError: the environment says something else.
    """
    urls = [url.strip().rstrip("/") for url in os.environ.get("R1_VLLM_SERVERS", "").split(",") if url.strip()]
    room = torch.cuda.device_count() // settings.tensor_parallel if apart else 1
    copies = os.environ.get("R1_VLLM_COPIES", str(max(1, room)))
    if not copies.isdecimal() or int(copies) < 1:
        raise UserError(f"R1_VLLM_COPIES is {copies!r}", hint="the number of copies of the model: 1, 2, ...")
    if wrong := [url for url in urls if not url.startswith(("http://", "https://"))]:
        raise UserError(f"R1_VLLM_SERVERS names {wrong[0]!r}", hint="R1_VLLM_SERVERS=http://HOST:PORT,http://HOST:PORT")
    if not urls and int(copies) == 1 and not apart:
        return VLLMEngine(folder, settings=settings, end_id=end_id, weights=weights, threads=threads)
    exchange = os.environ.get("R1_VLLM_WEIGHTS")
    return ServedEngine(
        folder,
        settings=settings,
        end_id=end_id,
        weights=weights,
        urls=urls,
        copies=int(copies),
        exchange=Path(exchange) if exchange else None,
    )


class _Model(TypedDict):
    max_model_len: int


class _Models(TypedDict):
    data: list[_Model]


class _Logprobs(TypedDict):
    token_logprobs: list[float]


class _Choice(TypedDict):
    token_ids: list[int]
    logprobs: _Logprobs | None
    finish_reason: str


class _Choices(TypedDict):
    choices: list[_Choice]


class ServedEngine:
    """Samples on servers: those at `urls`, or one of its own with `copies` of the model, started by the first call."""

    copies_weights = True

    def __init__(
        self,
        folder: Path,
        *,
        settings: VLLM,
        end_id: int,
        weights: Weights,
        urls: Sequence[str] = (),
        copies: int = 1,
        exchange: Path | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.end_id = end_id
        self.copies = copies
        self.exchange = exchange
        self._weights = weights
        self._urls = list(urls)
        self._server: Server | None = None
        self._current = False  # whether the servers have weights of this policy
        self._trains = False
        self._pool: ThreadPoolExecutor | None = None
        self._begun: dict[Ask, list[Future[Completion]]] = {}  # what nobody waits for yet

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
            UserError: a server can't be reached or refuses, or a sequence is longer than it was started for.
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
        begun = self._begun.pop(ask, None) or self._submitted(ask)
        if on_finished:
            for number, future in enumerate(begun):
                future.add_done_callback(partial(_tell, on_finished, *divmod(number, draws)))
        try:
            found = [future.result() for future in begun]
        except BaseException:
            for future in begun:
                future.cancel()  # nothing is asked for an answer that nobody waits for
            raise
        if self._trains and self._sleeps:
            self._tell("/sleep?level=1")
        return [found[place * draws : (place + 1) * draws] for place in range(len(prompts))]

    def ahead(self, ask: Ask) -> None:
        """See the Protocol. Servers that sleep while a trainer works begin with nothing."""
        if not self._trains and ask not in self._begun:
            self._begun[ask] = self._submitted(ask)

    def _submitted(self, ask: Ask) -> "list[Future[Completion]]":
        """Each answer of a call, in order, as it will come. Requests go out first come, first served."""
        if not self._current:
            self._hand_over()
        self._check_reach(ask.positions)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(AT_ONCE * len(self._urls) * self.copies)
        options: dict[str, object] = {
            "max_tokens": ask.max_new_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
        }
        if ask.logps:
            options["logprobs"] = 0  # of the sampled token alone
        urls = cycle(self._urls)
        return [
            self._pool.submit(
                self._complete, next(urls), list(prompt), {**options, "seed": request_seed(ask.seed, place, draw)}
            )
            for place, prompt in enumerate(ask.prompts)
            for draw in range(ask.draws)
        ]

    def renew(self) -> None:
        """Bring the policy's weights as they are now to every server; what was cached of the old ones is forgotten."""
        self._trains = True
        self._hand_over()

    def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    @property
    def _sleeps(self) -> bool:
        """Only a server that shares its GPUs with the trainer makes room for it."""
        return self._server is not None and torch.cuda.is_available()

    def _hand_over(self) -> None:
        if not self._urls:
            self._server = Server(self.folder, self.settings, copies=self.copies)
            atexit.register(self.close)
            self._urls = [self._server.url]
        elif self._sleeps:
            self._tell("/wake_up")
        with weights_file(self._weights(), self.exchange) as folder:
            self._tell("/collective_rpc", {"method": "take_file", "kwargs": {"folder": str(folder)}})
        self._tell("/reset_prefix_cache")
        self._current = True

    def _tell(self, path: str, body: Mapping[str, object] | None = None) -> None:
        """Ask the same of every server at once."""
        with ThreadPoolExecutor(len(self._urls)) as pool:
            list(pool.map(lambda url: _ask(url, path, body or {}), self._urls))

    def _check_reach(self, positions: int) -> None:
        for url in self._urls:
            served = cast(_Models, _ask(url, "/v1/models", None))
            check_reach(served["data"][0]["max_model_len"], positions)

    def _complete(self, url: str, prompt: list[int], options: Mapping[str, object]) -> Completion:
        body = {
            "model": MODEL,
            "prompt": prompt,
            "stop_token_ids": [self.end_id],
            "stop": self.settings.stop,
            "include_stop_str_in_output": True,
            "return_token_ids": True,
            **options,
        }
        choice = cast(_Choices, _ask(url, "/v1/completions", body))["choices"][0]
        return Completion(
            tokens=choice["token_ids"],
            logps=choice["logprobs"]["token_logprobs"] if choice["logprobs"] else [],
            finished=choice["finish_reason"] == "stop",
        )


def _tell(told: OnFinished, place: int, draw: int, future: "Future[Completion]") -> None:
    if not future.cancelled() and future.exception() is None:
        told(place, draw, future.result())


def _ask(url: str, path: str, body: Mapping[str, object] | None) -> object:
    """A server's answer to a POST, or without a body to a GET. What fails on the way is tried again."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data, {"Content-Type": "application/json"})
    for attempt in range(1, TRIES + 1):
        try:
            with _opener.open(request, timeout=_TIMEOUT_S) as answer:
                said = answer.read()
                return json.loads(said) if said else None
        except HTTPError as error:
            if error.code < 500 or attempt == TRIES:
                raise _refused(url, path, error) from error
        except OSError as error:
            if attempt == TRIES:
                raise UserError(
                    f"the vLLM server {url} can't be reached ({error})",
                    hint="is it running, and are all addresses in R1_VLLM_SERVERS right? see docs/engines.md",
                ) from error
        time.sleep(WAIT_S)
    raise AssertionError


def _refused(url: str, path: str, error: HTTPError) -> UserError:
    said = error.read().decode(errors="replace")[:500]
    hint = "see its log"
    if error.code == 404 and "completions" not in path:
        hint = "start it with VLLM_SERVER_DEV_MODE=1 and the options of docs/engines.md: else it takes no weights"
    return UserError(f"the vLLM server {url} answers {path} with {error.code}: {said}", hint=hint)
