"""The code verifier: a program passes if, in a sandbox, it gives the expected output or value in every case.

The expected outputs never enter the program's sandbox: it can only give an answer, and that is compared here. A case
passes if the program ended by itself with exit code 0, within its limits, and its whole answer is the expected one.
A failure of the sandbox is retried once; a second one makes the verdict unknown, as it says nothing of the program.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from stages.contract.verdict import Verdict
from stages.rewards.code_block import last_block
from stages.rewards.code_task import CodeTask, Special, read_task
from stages.rewards.cpp_call import arguments, wrap
from stages.sandbox import payload
from stages.sandbox.compiler import Compiled, NoCompilerError, compile_cpp
from stages.sandbox.limits import Limits
from stages.sandbox.pool import Job, Run, Sandbox, SandboxError
from stages.sandbox.shared import shared

MAX_CODE = 1 << 20  # characters
LANGUAGES = {"python": "python", "python3": "python", "py": "python", "cpp": "cpp", "c++": "cpp"}
_EXCEPTION = re.compile(r"([A-Za-z_][A-Za-z_0-9]{0,60})(?::|$)")


@dataclass(frozen=True, kw_only=True)
class Sandboxes:
    """Where programs run and where they are compiled; None: the strongest that this machine has."""

    run: Sandbox | None = None
    compile: Sandbox | None = None


def grade(
    code: str,
    task: Mapping[str, object],
    language: str = "python",
    *,
    fail_fast: bool = False,
    sandboxes: Sandboxes | None = None,
) -> Verdict:
    """Grade a program, which may stand in the last fenced block of a Markdown text. May be called from any thread.

    `task`: see code_task.py. `fail_fast`: stop at the first case that fails. Cases after one that ran out of time are
    never run; they count as failed. The verdict's parts are `passed` (the fraction of the cases), `num_passed` and
    `num_cases`. Reasons: `passed`; `no_code`, `compile_error`, `wrong_answer`, `bad_result`, `runtime_error`,
    `time_limit`, `memory_limit`, `output_limit`, `disk_limit`, `process_limit`; unknown: `sandbox_failed`,
    `no_compiler`, `checker_failed`.

    Raises:
        ValueError: the task or the language can't be graded.
        UserError: no sandbox works on this machine.
    """
    wanted = read_task(task)
    if language.lower() not in LANGUAGES:
        raise ValueError(f"language {language!r} is none of {', '.join(LANGUAGES)}")
    source = last_block(code)
    if not source.strip() or len(source) > MAX_CODE:
        return _verdict(wanted, [], "wrong", "no_code", source[:MAX_CODE])
    try:
        return _grade(source, wanted, LANGUAGES[language.lower()], fail_fast, sandboxes or Sandboxes())
    except SandboxError as error:
        return _verdict(wanted, [], "unknown", f"sandbox_failed:{error}", source)
    except NoCompilerError:
        return _verdict(wanted, [], "unknown", "no_compiler", source)
    except _CheckerError as error:
        return _verdict(wanted, [], "unknown", f"checker_failed:{error}", source)


class _CheckerError(Exception):
    """A special judge that fails on the expected answer too."""


def _verdict(task: CodeTask, passed: list[bool], status: str, reason: str, source: str) -> Verdict:
    total = len(task.cases)
    parts = {"passed": sum(passed) / total, "num_passed": float(sum(passed)), "num_cases": float(total)}
    return Verdict(status=status, reason=reason, extracted=source, parts=parts)  # type: ignore[arg-type]


def _grade(source: str, task: CodeTask, language: str, fail_fast: bool, sandboxes: Sandboxes) -> Verdict:
    prepared = _prepare(source, task, language, sandboxes)
    if isinstance(prepared, Compiled):
        detail = _first_error(prepared.detail)
        return _verdict(task, [], "wrong", prepared.reason + (f":{detail}" if detail else ""), source)
    passed: list[bool] = []
    why = ""
    sandbox = sandboxes.run or shared()
    for number in range(len(task.cases)):
        run = sandbox.run(prepared(number), task.limits)
        reason = _failure(run) or _compare(run, task, number, sandboxes)
        passed.append(not reason)
        if reason and not why:
            why = reason if ":" in reason else f"{reason}:case {number + 1}"
        if reason and (fail_fast or run.stopped == "time"):
            break
    if why:
        return _verdict(task, passed, "wrong", why, source)
    return _verdict(task, passed, "correct", "passed", source)


def _prepare(source: str, task: CodeTask, language: str, sandboxes: Sandboxes) -> Callable[[int], Job] | Compiled:
    """What makes the job of a case, or (with no program) why there is none."""
    code = source.encode("utf-8", "surrogatepass")
    if language == "python":
        return partial(_python_job, code, task)
    if task.fn_name:
        code = wrap(source, task.fn_name).encode("utf-8", "surrogatepass")
    compiled = compile_cpp(code, sandbox=sandboxes.compile)
    return compiled if compiled.program is None else partial(_native_job, compiled.program, task)


def _python_job(code: bytes, task: CodeTask, number: int) -> Job:
    case = task.cases[number]
    if task.fn_name:
        return Job(mode="call", program=code, call=f'{{"fn_name": "{task.fn_name}", "args": {case.given}}}')
    return Job(mode="script", program=code, given=case.given.encode())


def _native_job(program: bytes, task: CodeTask, number: int) -> Job:
    given = task.cases[number].given
    return Job(mode="native", program=program, given=(arguments(given) if task.fn_name else given).encode())


def _failure(run: Run) -> str:
    """Why a run counts as failed whatever it printed, or nothing."""
    if run.stopped:
        return {"processes": "process_limit"}.get(run.stopped, f"{run.stopped}_limit")
    if run.code == payload.BAD_RESULT:
        return "bad_result"
    if run.code == 0:
        return ""
    lines = run.stderr.strip().splitlines()
    named = _EXCEPTION.match(lines[-1]) if run.code == payload.CRASHED and lines else None
    if (named and named[1] == "MemoryError") or (run.code < 0 and "std::bad_alloc" in run.stderr):
        return "memory_limit"
    if run.code < 0:
        return f"runtime_error:signal {-run.code}"
    return f"runtime_error:{named[1] if named else f'exit {run.code}'}"


def _first_error(messages: str) -> str:
    found = [line.partition("error: ")[2] for line in messages.splitlines() if "error: " in line]
    return found[0][:120] if found else ""


def _compare(run: Run, task: CodeTask, number: int, sandboxes: Sandboxes) -> str:
    """Why an answer is wrong, or nothing."""
    output = run.stdout.decode("utf-8", "surrogateescape")
    if task.special is not None:
        return "" if _judge(task.special, task, number, run.stdout, sandboxes) else "wrong_answer"
    try:
        return "" if task.same(output, task.cases[number].expected) else "wrong_answer"
    except ValueError:
        return "bad_result"


def _judge(special: Special, task: CodeTask, number: int, output: bytes, sandboxes: Sandboxes) -> bool:
    """Ask a special judge, in a sandbox of its own. If it fails, it is asked about the expected answer: a judge that
    accepts that one was brought down by the output, which is then wrong."""
    answer = str(task.cases[number].expected).encode()
    said = _ask(special, task, number, output, sandboxes)
    if said is None and not _ask(special, task, number, answer, sandboxes):
        raise _CheckerError("it fails on the expected answer")
    return bool(said)


def _ask(special: Special, task: CodeTask, number: int, output: bytes, sandboxes: Sandboxes) -> bool | None:
    case = task.cases[number]
    files = {"input": case.given.encode(), "output": output, "answer": str(case.expected).encode()}
    code = special.code.encode("utf-8", "surrogatepass")
    job = Job(mode="script", program=code, arguments=special.order, files=files)
    if LANGUAGES[special.language] == "cpp":
        compiled = compile_cpp(code, sandbox=sandboxes.compile)
        if compiled.program is None:
            raise _CheckerError(compiled.reason)
        job = Job(mode="native", program=compiled.program, arguments=special.order, files=files)
    run = (sandboxes.run or shared()).run(job, Limits())
    return special.accepts(run.stopped, run.code, run.stdout)
