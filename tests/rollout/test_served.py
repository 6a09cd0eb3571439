"""The client of vLLM's server, against a stand-in that speaks its protocol (the real one: tests/vllm/test_served.py)."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stages.contract.engine import Ask, Completion
from stages.contract.errors import UserError
from stages.contract.params import VLLM
from stages.rollout import served
from stages.rollout.seeds import request_seed
from stages.rollout.served import ServedEngine, vllm_engine
from stages.rollout.serving import Server, options
from stages.rollout.vllm import VLLMEngine

END = 9
PROMPTS = [[1, 2], [3], [4, 5, 6]]


class Fake:
    """Answers each prompt with its own tokens and the end token, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.weights: list[dict[str, torch.Tensor]] = []
        self.failures: list[int] = []  # statuses of the next answers; 0: the connection breaks
        self.missing: set[str] = set()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({"data": [{"max_model_len": 16}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append((self.path, body))
                if fake.failures:
                    return self._fail(fake.failures.pop(0))
                if self.path in fake.missing:
                    return self._fail(404)
                if self.path == "/collective_rpc":
                    fake.weights.append(load_file(Path(body["kwargs"]["folder"]) / "model.safetensors"))
                if self.path != "/v1/completions":
                    return self._answer(None)
                tokens = [*body["prompt"], END][: body["max_tokens"]]
                choice = {
                    "token_ids": tokens,
                    "logprobs": {"token_logprobs": [-0.5 * t for t in tokens]} if "logprobs" in body else None,
                    "finish_reason": "stop" if tokens[-1] == END else "length",
                }
                self._answer({"choices": [choice]})

            def _fail(self, status: int) -> None:
                if status:
                    self.send_error(status, "planted")
                else:
                    self.connection.close()

            def _answer(self, value: object) -> None:
                said = b"" if value is None else json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        Thread(target=self.http.serve_forever, daemon=True).start()

    def paths(self) -> Counter[str]:
        return Counter(path for path, _ in self.asked)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Fake]]:
    monkeypatch.setattr(served, "WAIT_S", 0.01)
    fakes = [Fake(), Fake()]
    yield fakes
    for fake in fakes:
        fake.http.shutdown()
        fake.http.server_close()


def _engine(fakes: list[Fake], weights: Callable[[], dict[str, torch.Tensor]] | None = None) -> ServedEngine:
    held = weights or (lambda: {"w": torch.ones(2)})
    return ServedEngine(
        Path("unused"),
        settings=VLLM(stop=["so"]),
        end_id=END,
        weights=lambda: held().items(),
        urls=[f.url for f in fakes],
    )


def _sample(engine: ServedEngine, **changed: Any) -> list[list[Completion]]:
    return engine.generate(
        PROMPTS, **{"draws": 2, "max_new_tokens": 3, "temperature": 0.7, "top_p": 0.9, "seed": 5, **changed}
    )


def test_prompts_go_to_all_servers_and_answers_come_back_in_their_order(two: list[Fake]) -> None:
    told: dict[tuple[int, int], Completion] = {}
    groups = _sample(_engine(two), on_finished=lambda place, draw, one: told.update({(place, draw): one}))
    assert [[c.tokens for c in group] for group in groups] == [[[1, 2, END]] * 2, [[3, END]] * 2, [[4, 5, 6]] * 2]
    assert [group[0].finished for group in groups] == [True, True, False] and groups[0][0].logps == [-0.5, -1.0, -4.5]
    assert told == {(p, d): c for p, group in enumerate(groups) for d, c in enumerate(group)}
    assert [fake.paths()["/v1/completions"] for fake in two] == [3, 3]


def test_log_probabilities_are_asked_for_where_they_are_needed(two: list[Fake]) -> None:
    for needed in (True, False):
        _sample(_engine(two), logps=needed)
        assert {"logprobs" in body for fake in two for path, body in fake.asked if path == "/v1/completions"} == {
            needed
        }
        for fake in two:
            fake.asked.clear()


def test_what_is_asked_ahead_is_asked_once_and_early(two: list[Fake]) -> None:
    engine, told = _engine(two), []
    prompts = tuple(map(tuple, PROMPTS))
    ask = Ask(prompts=prompts, draws=2, max_new_tokens=3, temperature=0.7, top_p=0.9, seed=5, logps=True)
    for _ in range(2):
        engine.ahead(ask)
    wanted = _sample(_engine(two))
    assert sum(fake.paths()["/v1/completions"] for fake in two) == 12
    assert _sample(engine, on_finished=lambda place, draw, one: told.append((place, draw))) == wanted
    assert sum(fake.paths()["/v1/completions"] for fake in two) == 12
    assert sorted(told) == [(place, draw) for place in range(3) for draw in range(2)]
    engine.renew()  # from now on a trainer may want the memory
    engine.ahead(ask)
    assert not engine._begun


def test_a_request_says_all_that_decides_an_answer(two: list[Fake]) -> None:
    _sample(_engine(two))
    bodies = [body for fake in two for path, body in fake.asked if path == "/v1/completions"]
    seeds = {(tuple(body["prompt"]), body["seed"]) for body in bodies}
    assert seeds == {(tuple(p), request_seed(5, place, draw)) for place, p in enumerate(PROMPTS) for draw in range(2)}
    body = bodies[0]
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.7, 0.9, 3)
    assert (body["stop_token_ids"], body["stop"], body["include_stop_str_in_output"]) == ([END], ["so"], True)
    assert (body["logprobs"], body["return_token_ids"]) == (0, True)


def test_weights_are_handed_over_before_the_first_request_and_at_each_renewal(two: list[Fake], tmp_path: Path) -> None:
    held = {"w": torch.tensor([1.0])}
    engine = _engine(two, lambda: held)
    engine.exchange = tmp_path
    _sample(engine)
    held = {"w": torch.tensor([2.0])}
    _sample(engine)
    assert [[w["w"].item() for w in fake.weights] for fake in two] == [[1.0], [1.0]]
    engine.renew()
    assert [[w["w"].item() for w in fake.weights] for fake in two] == [[1.0, 2.0], [1.0, 2.0]]
    for fake in two:
        order = [path for path, _ in fake.asked if path != "/v1/completions"]
        assert order == ["/collective_rpc", "/reset_prefix_cache"] * 2
        assert fake.asked[0][1]["method"] == "take_file"
    assert not list(tmp_path.iterdir())  # the file is gone


@pytest.mark.parametrize("failures", [[500], [0], [503, 0]])
def test_what_fails_on_the_way_is_tried_again(two: list[Fake], failures: list[int]) -> None:
    engine = _engine(two)
    engine.renew()
    two[0].failures = list(failures)
    assert [c.tokens for c in _sample(engine)[1]] == [[3, END]] * 2
    assert not two[0].failures


def test_a_server_that_keeps_failing_or_is_gone_ends_the_run_with_its_address(two: list[Fake]) -> None:
    engine = _engine(two)
    engine.renew()
    two[1].failures = [500] * 100
    with pytest.raises(UserError, match=f"{two[1].url} answers /v1/completions with 500"):
        _sample(engine)
    two[0].http.shutdown()
    two[0].http.server_close()
    with pytest.raises(UserError, match=f"{two[0].url} can't be reached") as caught:
        _sample(_engine(two[:1]))
    assert "R1_VLLM_SERVERS" in caught.value.hint


def test_a_server_that_takes_no_weights_is_refused_with_what_it_lacks(two: list[Fake]) -> None:
    two[0].missing = {"/collective_rpc"}
    with pytest.raises(UserError, match="/collective_rpc with 404") as caught:
        _sample(_engine(two))
    assert "VLLM_SERVER_DEV_MODE=1" in caught.value.hint
    assert not two[0].paths()["/v1/completions"]


def test_a_sequence_longer_than_a_server_was_started_for_is_refused(two: list[Fake]) -> None:
    assert _sample(_engine(two), max_new_tokens=13)
    with pytest.raises(UserError, match="may take 17 tokens, but vLLM was started for 16"):
        _sample(_engine(two), max_new_tokens=14)


def _chosen(monkeypatch: pytest.MonkeyPatch, **environment: str) -> object:
    for name in ("R1_VLLM_SERVERS", "R1_VLLM_COPIES", "R1_VLLM_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return vllm_engine(Path("c"), settings=VLLM(), end_id=END, weights=lambda: (), threads=1)


def test_the_environment_says_where_it_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_chosen(monkeypatch), VLLMEngine)
    several = _chosen(monkeypatch, R1_VLLM_COPIES="4")
    assert isinstance(several, ServedEngine) and several.copies == 4
    far = _chosen(monkeypatch, R1_VLLM_SERVERS=" http://a:1/, http://b:2 ", R1_VLLM_WEIGHTS="/shared")
    assert isinstance(far, ServedEngine) and far._urls == ["http://a:1", "http://b:2"]
    assert far.exchange == Path("/shared")
    for wrong in ({"R1_VLLM_COPIES": "two"}, {"R1_VLLM_COPIES": "0"}, {"R1_VLLM_SERVERS": "a:1"}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            _chosen(monkeypatch, **wrong)


def _fake_vllm(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    package = folder / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    (package / "api_server.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{Path(served.__file__).parents[2]}")


SERVES = """
import http.server, pathlib, subprocess, sys
child = subprocess.Popen(["sleep", "600"])
pathlib.Path({pids!r}).write_text(str(child.pid))
port = next(int(a.partition("=")[2]) for a in sys.argv if a.startswith("--port="))
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Healthy).serve_forever()
"""


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


def test_a_server_of_the_stage_ends_with_it_even_if_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    _fake_vllm(tmp_path, monkeypatch, SERVES.format(pids=str(pids)))
    start = (
        "from pathlib import Path\nfrom stages.contract.params import VLLM\nfrom stages.rollout.serving import Server\n"
        "server = Server(Path('c'), VLLM(), copies=2)\nprint(server._process.pid, flush=True)\nimport time\ntime.sleep(600)"
    )
    stage = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True)
    assert stage.stdout
    server, child = int(stage.stdout.readline()), int(pids.read_text())
    assert _runs(server) and _runs(child)
    stage.kill()
    stage.wait()
    deadline = time.monotonic() + 10
    while (_runs(server) or _runs(child)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(server) and not _runs(child)


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_vllm(tmp_path, monkeypatch, "raise SystemExit('no GPU is free')")
    with pytest.raises(UserError, match=r"did not come up(.|\n)*no GPU is free\n*$"):
        Server(tmp_path, VLLM(), copies=1)


def test_a_server_is_started_with_all_that_decides_results() -> None:
    chosen = options(Path("c"), VLLM(dtype="float16", tensor_parallel=2, max_tokens=99), copies=4, port=1)
    for option in (
        "--model=c", "--dtype=float16", "--tensor-parallel-size=2", "--data-parallel-size=4", "--max-model-len=99",
        "--logprobs-mode=processed_logprobs", "--generation-config=vllm", "--enable-prefix-caching",
    ):  # fmt: skip
        assert option in chosen
