"""The run itself, in a forked and locked copy of the zygote: the one place that executes what a model wrote.

Standard library only. Everything here shares a process with the untrusted program, which may read and change all of
it; so nothing here decides anything. It can only make the program's own answer: what it prints, or the value that its
function returns, in plain.py's form on the real stdout (the program's prints go nowhere). A forged answer is an answer.
"""

import _sitebuiltins
import atexit
import builtins
import json
import os
import random
import signal
import sys
import threading
import traceback
import types

from stages.sandbox import plain, seccomp

CRASHED = 101  # exit code of an uncaught exception; Python's own 1 is what special judges say `wrong` with
BAD_RESULT = 102  # exit code: the function's value is no plain value

PRELUDE = """
import array, bisect, collections, copy, datetime, fractions, functools, heapq, itertools, math, operator, random, re
import string, sys, typing
from bisect import bisect, bisect_left, bisect_right, insort
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from functools import cache, cmp_to_key, lru_cache, reduce
from heapq import heapify, heappop, heappush, heappushpop, heapreplace, nlargest, nsmallest
from itertools import accumulate, chain, combinations, groupby, permutations, product, zip_longest
from math import ceil, comb, factorial, floor, gcd, inf, isqrt, lcm, log, log2, sqrt
from typing import *
"""  # what function-call tasks, written for LeetCode and the like, take for granted
_prelude: dict[str, object] = {}


_WARM = "import cmath, decimal, enum, io, json, numbers, queue, statistics, struct, tempfile, time, types"


def warm_up() -> None:
    """Import what programs use most, so that a forked copy has it."""
    exec(_WARM, {})
    for name in ("exit", "quit"):  # the site module's, which the zygote goes without
        setattr(builtins, name, _sitebuiltins.Quitter(name, ""))
    exec(PRELUDE, _prelude)
    for name in ("__builtins__", "__name__"):
        _prelude.pop(name, None)


def open_streams() -> None:
    """Fresh standard streams on descriptors 0, 1 and 2; the zygote's own were made for others."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[misc]


def run_script(code: bytes, arguments: list[str]) -> None:
    """Run a program as `python main.py` does. Never returns."""
    module = _module("__main__", arguments)
    _guarded(lambda: exec(compile(code, "main.py", "exec", dont_inherit=True), module.__dict__))
    _finish(0, module)


def run_call(code: bytes, call: bytes, result: int) -> None:
    """Run a program, call its function, and write what it returns to the descriptor `result`. Never returns."""
    module = _module("solution", [])
    module.__dict__.update(_prelude)
    wanted = json.loads(call)
    answer: list[str] = []

    def work() -> None:
        exec(compile(code, "main.py", "exec", dont_inherit=True), module.__dict__)
        function = _function(module, wanted["fn_name"])
        value = function(*_given(wanted["args"]))  # type: ignore[operator]
        try:
            answer.append(plain.encode(value))
        except (TypeError, ValueError, RecursionError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(BAD_RESULT)

    _guarded(work)
    data = answer[0].encode("utf-8", "surrogatepass")
    while data:
        data = data[os.write(result, data) :]
    os._exit(0)


def _module(name: str, arguments: list[str]) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(__builtins__=builtins, __file__="main.py")
    sys.modules[name] = module
    sys.argv[:] = ["main.py", *arguments]
    return module


def _function(module: types.ModuleType, name: str) -> object:
    """The function of that name, or the method of `Solution` or of `Class.method`, on a new object."""
    owner, _, method = name.rpartition(".")
    space = vars(module)
    if not owner and method not in space and "Solution" in space:
        owner = "Solution"
    return getattr(space[owner](), method) if owner else space[method]


def _given(value: object) -> list[object]:
    """Arguments from plain.py's tagged form, as Python's own dictionaries and sets."""
    return [_native(item) for item in value] if isinstance(value, list) else []


def _native(value: object) -> object:
    if isinstance(value, list):
        return [_native(item) for item in value]
    if isinstance(value, dict):
        ((tag, inner),) = value.items()
        match tag:
            case "dict":
                return {_key(key): _native(item) for key, item in inner}
            case "set":
                return {_key(item) for item in inner}
            case "int":
                return int(inner, 16)
            case "float":
                return float(inner)
            case "bytes":
                return bytes.fromhex(inner)
    return value


def _key(value: object) -> object:
    read = _native(value)
    return tuple(_key(item) for item in read) if isinstance(read, list) else read


def _guarded(work: object) -> None:
    """Do it; an exception ends the process as Python would, but for its exit code, CRASHED."""
    try:
        work()  # type: ignore[operator]
    except SystemExit as asked:
        code = asked.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
        _finish(code or 0, sys.modules.get("__main__"))
    except BaseException:
        _flush("stdout")
        traceback.print_exc(limit=-8)
        _flush("stderr")
        os._exit(CRASHED)


def _finish(code: int, module: types.ModuleType | None) -> None:
    """End the process as Python does: threads joined, exit functions run, files that are still open flushed."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    flushed = _flush("stdout")
    if module is not None:
        module.__dict__.clear()  # a file object writes what it still holds when it goes
    flushed &= _flush("stdout") & _flush("__stdout__")
    _flush("stderr")
    os._exit(code & 0xFF if flushed or code else 120)  # 120: as Python says that the output could not be written


def _flush(name: str) -> bool:
    stream = getattr(sys, name, None)
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except BaseException:
        return False
    return True


def run_native(arguments: list[str]) -> None:
    """Become the program on EXEC_FD.

    Raises:
        OSError: it is no program for this machine.
    """
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
        signal.signal(number, signal.SIG_DFL)
    os.execve(seccomp.EXEC_FD, ["main", *arguments], {"MALLOC_ARENA_MAX": "1"})


def run_compiler(command: list[str], produced: str) -> None:
    """Run a compiler, and write the file that it produced to stdout. Never returns."""
    output = os.dup(1)
    os.set_inheritable(output, False)
    os.dup2(2, 1)
    environment = {"PATH": os.path.dirname(command[0]) + ":/usr/bin:/bin", "TMPDIR": os.getcwd(), "LC_ALL": "C"}
    pid = os.posix_spawn(command[0], command, environment, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 0:
        with open(produced, "rb") as binary, open(output, "wb") as out:
            out.write(binary.read())
    os._exit(code if 0 <= code < 128 else 128)


def settle() -> None:
    """What a fresh interpreter would have that a forked copy hasn't; the seed makes a program's verdict repeatable."""
    random.seed(0)
    sys.dont_write_bytecode = True
