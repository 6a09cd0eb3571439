"""What Ray's answers mean, asked of a server that gives them (tests/ray has a real one)."""

import dataclasses
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from r1cli.dispatch import keeper
from r1cli.dispatch.job import Handle, JobSpec, State
from r1cli.dispatch.ray import Ray, RayExecutor
from stages.contract.errors import UserError

Answers = dict[str, tuple[int, object]]


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Answers by path, to be filled in; under "address" is where they are given."""
    given: Answers = {}

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, value = given.get(f"{self.command} {self.path}", (404, "no such thing"))
            self.send_response(code)
            self.end_headers()
            self.wfile.write((value if isinstance(value, str) else json.dumps(value)).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    given["address"] = (0, f"http://127.0.0.1:{server.server_port}")
    yield given
    server.shutdown()
    thread.join()
    server.server_close()


def executor(answers: Answers, **keys: object) -> RayExecutor:
    return RayExecutor(Ray(address=str(answers["address"][1]), poll_s=0.001, **keys))  # type: ignore[arg-type]


def spec(tmp_path: Path) -> JobSpec:
    work = tmp_path / "sft" / "0123456789abcdef"
    work.mkdir(parents=True)
    return JobSpec(name="sft", argv=("python", "-m", "stages.sft", str(work)), cwd=tmp_path, work=work, env={})


def named(tmp_path: Path) -> tuple[JobSpec, str]:
    job = spec(tmp_path)
    return job, json.loads(RayExecutor(Ray()).render(job))["submission_id"].removesuffix("-0")


def test_a_living_job_of_the_folder_is_taken_and_not_sent_again(tmp_path: Path, answers: Answers) -> None:
    job, base = named(tmp_path)
    jobs = [{"submission_id": f"{base}-0", "status": "FAILED"}, {"submission_id": f"{base}-1", "status": "RUNNING"}]
    answers["GET /api/jobs/"] = (200, [*jobs, {"submission_id": None, "status": "RUNNING"}])
    assert executor(answers).submit(job).id == f"{base}-1"


def test_one_that_has_ended_is_followed_by_the_next_number(tmp_path: Path, answers: Answers) -> None:
    job, base = named(tmp_path)
    answers["GET /api/jobs/"] = (200, [{"submission_id": f"{base}-4", "status": "STOPPED"}])
    answers["POST /api/jobs/"] = (200, {"submission_id": f"{base}-5"})
    (job.work / f"end-{base}.json").write_text("{}")
    assert executor(answers).submit(job).id == f"{base}-5"
    assert keeper.end_of(job.work, base) is None and not (job.work / f"end-{base}.json").exists()


def test_what_ray_refuses_is_told_in_its_words(tmp_path: Path, answers: Answers) -> None:
    answers["GET /api/jobs/"] = (200, [])
    answers["POST /api/jobs/"] = (500, "Traceback\nValueError: no resources\n")
    with pytest.raises(UserError, match="Ray refuses sft: ValueError: no resources"):
        executor(answers).submit(spec(tmp_path))


@pytest.mark.parametrize(
    ("code", "answer", "state"),
    [
        (200, {"status": "PENDING"}, State(phase="pending", reason="for resources, or a node to start on")),
        (200, {"status": "RUNNING"}, State(phase="running")),
        (200, {"status": "SUCCEEDED"}, State(phase="ended", exit_code=0, reason="SUCCEEDED")),
        (200, {"status": "STOPPED"}, State(phase="ended", exit_code=1, reason="STOPPED")),
        (200, {"status": "FAILED", "driver_exit_code": 7}, State(phase="ended", exit_code=7, reason="FAILED")),
        (
            200,
            {"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_DIED", "message": "it died\nits node is gone"},
            State(phase="ended", exit_code=1, reason="its node is gone", lost=True),
        ),
        (404, "unknown", State(phase="ended", exit_code=1, reason="Ray has forgotten it", lost=True)),
        (502, "", State(phase="pending", reason="Ray does not answer")),
    ],
)
def test_how_a_job_stands(tmp_path: Path, answers: Answers, code: int, answer: object, state: State) -> None:
    job, base = named(tmp_path)
    job.log.touch()
    answers[f"GET /api/jobs/{base}-0"] = (code, answer)
    assert executor(answers).poll(Handle(executor="ray", id=f"{base}-0", work=job.work)) == state


def test_of_what_could_not_begin_rays_own_log_tells(tmp_path: Path, answers: Answers) -> None:
    job, base = named(tmp_path)
    entry = "exec bash -c 'cd /p\nexec python'"
    answers[f"GET /api/jobs/{base}-0"] = (200, {"status": "FAILED", "driver_exit_code": 1, "entrypoint": entry})
    log = f"bash: line 1: cd: /p: No such file or directory\nRunning entrypoint for job {base}-0: {entry}\n"
    answers[f"GET /api/jobs/{base}-0/logs"] = (200, {"logs": log})
    handle = Handle(executor="ray", id=f"{base}-0", work=job.work)
    assert executor(answers).poll(handle).reason == "FAILED: bash: line 1: cd: /p: No such file or directory"
    assert list(executor(answers).logs(handle, follow=False)) == log.splitlines()


def test_a_lost_job_is_sent_again_so_often_and_no_more(tmp_path: Path, answers: Answers) -> None:
    job, base = named(tmp_path)
    once = executor(answers, requeues=1)
    handles = [Handle(executor="ray", id=f"{base}-{number}", work=job.work) for number in range(2)]
    assert [once.poll(handle).lost for handle in handles] == [True, False]
    assert once.poll(handles[0]).lost  # an answer stays


def test_several_nodes_are_given_no_resources_twice(tmp_path: Path) -> None:
    job = spec(tmp_path)
    wide = dataclasses.replace(job, resources=dataclasses.replace(job.resources, nodes=2, gpus_per_node=8))
    sent = json.loads(RayExecutor(Ray()).render(wide))
    assert "entrypoint_num_gpus" not in sent and "spread 2" in sent["entrypoint"]
