"""Jobs through Ray: its Jobs API over HTTP, so that the machine that submits needs no ray.

A job is one shell command that Ray runs on a node with the resources asked for; here that is the keeper
(r1cli/dispatch/keeper.py), as on Slurm, and the project folder must be at the same path on all nodes. Ray starts no job
again: one that was lost with its node is sent again by who follows it, under the next number.
"""

import hashlib
import json
import math
import os
import shlex
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from r1cli.dispatch import keeper
from r1cli.dispatch.job import Handle, JobSpec, State
from r1cli.dispatch.layout import on_each_node
from r1cli.dispatch.lease import TTL_S
from r1cli.dispatch.logs import tail
from stages.contract.errors import UserError

ADDRESS = "RAY_API_SERVER_ADDRESS"  # Ray's own variable for where its dashboard listens
_LOCAL = "http://127.0.0.1:8265"
_SPREAD = "r1cli.dispatch.spread"  # imports ray, which isn't needed here
_TIMEOUT_S = 60.0  # for an answer
_SPARE_S = 5  # for the keeper, after its stage's grace period
_ENDED = ("STOPPED", "SUCCEEDED", "FAILED")
_LOST = ("JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE")


@dataclass(frozen=True, kw_only=True)
class Ray:
    """The table [ray] of r1.toml."""

    address: str = ""  # http://HOST:PORT of the dashboard; default: $RAY_API_SERVER_ADDRESS, or this machine's
    python: str = ""  # on the nodes; default: the Python that runs r1
    setup: tuple[str, ...] = ()  # shell lines before the stage
    resources: tuple[str, ...] = ()  # NAME=AMOUNT: Ray's custom resources, as accelerator_type:H100=0.001
    requeues: int = 10  # after a lost node; 0: none
    poll_s: float = 2.0  # between two questions to Ray
    lease_s: float = TTL_S  # a work folder's holder that is silent for so long is dead

    def __post_init__(self) -> None:
        if self.requeues < 0:
            raise ValueError(f"requeues = {self.requeues}, can't be negative")
        if self.poll_s <= 0 or self.lease_s <= 0:
            raise ValueError("poll_s and lease_s must be above 0")
        for text in self.resources:
            name, _, amount = text.rpartition("=")
            if not name or not amount.replace(".", "", 1).isdecimal():
                raise ValueError(f"resources: {text!r}, expected NAME=AMOUNT")


def request(spec: JobSpec, ray: Ray, *, attempt: int = 0) -> dict[str, object]:
    """The body that submits a job. Pure.

    Raises:
        UserError: what Ray can't do.
    """
    wants = spec.resources
    if wants.time_limit:
        raise UserError(
            f"{spec.name}: r1.toml gives it {wants.time_limit}, and Ray knows no time limits",
            hint="r1.toml: remove time_limit, or keep it below [stages.NAME] for those that run elsewhere",
        )
    alone = wants.nodes == 1
    body: dict[str, object] = {
        "submission_id": f"{_base(spec)}-{attempt}",
        "entrypoint": f"exec bash -c {shlex.quote(_script(spec, ray, attempt))}",
        "runtime_env": {"env_vars": {**spec.env, "RAY_JOB_STOP_WAIT_TIME_S": str(math.ceil(spec.grace_s) + _SPARE_S)}},
        "metadata": {"r1_work": str(spec.work)},  # by which the job is found again
    }
    if alone:  # of several nodes each is given its own, and the one that starts them needs none
        amounts = {
            "entrypoint_num_cpus": wants.cpus_per_node,
            "entrypoint_num_gpus": wants.gpus_per_node,
            "entrypoint_memory": wants.memory_gb * 10**9,
        }
        body |= {name: amount for name, amount in amounts.items() if amount}
        if ray.resources:
            body["entrypoint_resources"] = _custom(ray)
    return body


def _script(spec: JobSpec, ray: Ray, attempt: int) -> str:
    python = ray.python or sys.executable
    keep = [python, "-m", keeper.__name__, "--job", _base(spec), "--attempt", str(attempt)]
    keep += ["--lease-s", f"{ray.lease_s:g}"]
    each = (
        python,
        *on_each_node(spec, rendezvous="HEAD:PORT", run=_base(spec), is_host="IS_HEAD", node="NODE_NUMBER")[1:],
    )
    if spec.resources.nodes > 1:
        wants = spec.resources
        bundle = {"CPU": float(wants.cpus_per_node or 1), "GPU": float(wants.gpus_per_node)}
        bundle |= {"memory": wants.memory_gb * 1e9, **_custom(ray)}
        bundle = {name: amount for name, amount in bundle.items() if amount}
        keep.append("--spread")
        each = (python, "-m", _SPREAD, str(wants.nodes), json.dumps(bundle), "--", *each)
    command = shlex.join([*keep, str(spec.work), "--", *each])
    log = shlex.quote(str(spec.log))
    folder = shlex.quote(str(spec.cwd))
    return "\n".join([f"cd {folder} && exec >> {log} 2>&1 || exit", *ray.setup, f"exec {command}"])


def _custom(ray: Ray) -> dict[str, float]:
    return {text.rpartition("=")[0]: float(text.rpartition("=")[2]) for text in ray.resources}


def _base(spec: JobSpec | Handle) -> str:
    """What all submissions of a work folder are called; two clones of a project may use one cluster."""
    mark = hashlib.sha256(str(spec.work).encode()).hexdigest()[:6]
    return f"r1-{spec.work.parent.name.replace('@', '-')}-{spec.work.name}-{mark}"


class RayExecutor:
    """Sends jobs to a Ray cluster's head."""

    outlives = True

    def __init__(self, ray: Ray) -> None:
        self._ray = ray
        self._address = (ray.address or os.environ.get(ADDRESS) or _LOCAL).rstrip("/")
        self._known: dict[str, tuple[float, State]] = {}  # job -> when it was asked for, the answer
        self._requeued = 0

    def render(self, spec: JobSpec) -> str:
        return json.dumps(request(spec, self._ray), indent=1, ensure_ascii=False) + "\n"

    def submit(self, spec: JobSpec) -> Handle:
        request(spec, self._ray)  # what is wrong with it is said first
        earlier = self._earlier(spec)
        living = [number for number, status in earlier.items() if status not in _ENDED]
        if living:
            return Handle(executor="ray", id=f"{_base(spec)}-{max(living)}", work=spec.work)
        attempt = max(earlier, default=-1) + 1
        keeper.forget_end(spec.work, _base(spec))
        if not self._requeued:
            spec.log.unlink(missing_ok=True)
        code, said = self._ask("jobs/", request(spec, self._ray, attempt=attempt))
        if code != 200:
            raise UserError(f"Ray refuses {spec.name}: {_last_line(said)}", hint="what would be sent: r1 run --dry-run")
        return Handle(executor="ray", id=str(json.loads(said)["submission_id"]), work=spec.work)

    def poll(self, handle: Handle) -> State:
        end = keeper.end_of(handle.work, _base(handle))
        if end is not None and not end.stopped:
            return end.state
        asked, shown = self._known.get(handle.id, (-math.inf, State(phase="pending")))
        if shown.phase != "ended" and time.monotonic() - asked >= self._ray.poll_s:
            shown = self._look(handle, shown)
            self._known[handle.id] = (time.monotonic(), shown)
        # Its last word may have come between the two questions.
        end = keeper.end_of(handle.work, _base(handle)) if shown.phase == "ended" else None
        return end.state if end else shown

    def logs(self, handle: Handle, *, follow: bool) -> Iterator[str]:
        """What the job wrote. Where it could not even begin that, what Ray wrote of it."""
        yield from tail(handle.log, follow=follow, ended=lambda: self.poll(handle).phase == "ended")
        if not handle.log.exists():
            yield from self._rays_log(handle).splitlines()

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        """Ray itself ends a job by force, when its grace period is over; it has no other way."""
        self._ask(f"jobs/{handle.id}/stop", {})

    def _earlier(self, spec: JobSpec) -> dict[int, str]:
        """The submissions for a work folder that Ray remembers: status by number."""
        code, said = self._ask("jobs/")
        if code != 200:
            raise UserError(
                f"Ray does not answer at {self._address} ({_last_line(said)})",
                hint='r1.toml: [ray] address = "http://HOST:8265"; here instead: r1 run STAGE --on local',
            )
        found = {}
        for job in json.loads(said):
            base, _, number = str(job.get("submission_id") or "").rpartition("-")
            if base == _base(spec) and number.isdecimal():
                found[int(number)] = str(job["status"])
        return found

    def _look(self, handle: Handle, before: State) -> State:
        """What Ray says of a job. While it doesn't answer, jobs go on without it."""
        code, said = self._ask(f"jobs/{handle.id}")
        if code == 404:
            return self._lost("Ray has forgotten it")
        if code != 200:
            return State(phase=before.phase, reason="Ray does not answer")
        job = cast(dict[str, object], json.loads(said))
        status, message = str(job["status"]), str(job.get("message") or "")
        if status not in _ENDED:
            waits = "" if status != "PENDING" else "for resources, or a node to start on"
            return State(phase="pending" if waits else "running", reason=waits)
        if job.get("error_type") in _LOST:
            return self._lost(_last_line(message))
        code_of_it = job.get("driver_exit_code")
        # Of what failed before it could write into the folder, Ray's own log tells.
        reason = status
        if not handle.log.exists():
            echo = str(job.get("entrypoint"))
            reason += f": {_last_line(self._rays_log(handle).replace(echo, '') or message)}"
        return State(
            phase="ended", exit_code=int(cast(int, code_of_it or 0)) or int(status != "SUCCEEDED"), reason=reason
        )

    def _lost(self, reason: str) -> State:
        self._requeued += 1
        return State(phase="ended", exit_code=1, reason=reason, lost=self._requeued <= self._ray.requeues)

    def _rays_log(self, handle: Handle) -> str:
        code, said = self._ask(f"jobs/{handle.id}/logs")
        return str(json.loads(said).get("logs") or "") if code == 200 else ""

    def _ask(self, path: str, body: Mapping[str, object] | None = None) -> tuple[int, str]:
        """Ray's answer: its HTTP status (0: there is none) and its text."""
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self._address}/api/{path}", data=data)
        asked.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, ValueError) as error:
            return 0, str(error)


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith("Running entrypoint for job")]
    return lines[-1].strip() if lines else "it says nothing"
