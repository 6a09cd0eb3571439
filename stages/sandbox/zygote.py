"""The clean process that runs are forked from: started with an empty environment, it never holds what a run may not see.

Standard library only. One zygote serves one run at a time. A request is one message with descriptors: a header here,
and program, input and files in memory files that only the forked run reads. So no program, input or output of one run
is in the memory that the next is a copy of; expected outputs never come here at all.
"""

import errno
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import sysconfig
import tempfile
import threading
import time
import traceback

from stages.sandbox import isolation, kernel, payload, seccomp
from stages.sandbox.isolation import Walls
from stages.sandbox.limits import MAX_INODES, Limits, apply

MAX_MESSAGE = 1 << 16
MAX_DESCRIPTORS = 16
READY = b"ready"
_READY_FD, _RESULT_FD = 3, 4
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the end of the caller's socket is the only sign to go
_NO_PIDFD_S = 0.005  # between looks at a run that can't wake us
_POLL_S = 0.05  # between looks at disk and threads where the kernel has no cap for them


def sources(compiler: str) -> list[str]:
    """The folders of the host that runs see: the interpreter's library, shared libraries, the compiler if there is one."""
    found = ["/usr/lib", "/usr/lib64", "/usr/lib32"]
    found += [path for path in ("/lib", "/lib64", "/lib32") if not os.path.islink(path)]
    stdlib = sysconfig.get_paths()["stdlib"]
    prefix = os.path.realpath(sys.base_prefix)
    found += [stdlib] if prefix == "/usr" else [f"{prefix}/lib"]
    if compiler:
        home = os.path.dirname(os.path.dirname(compiler))
        found += [home] if home != "/usr" else []
        found += ["/usr/bin", "/usr/include", "/usr/libexec"]
    found = [os.path.realpath(path) for path in found if os.path.isdir(path)]
    return [path for path in dict.fromkeys(found) if not any(path.startswith(f"{other}/") for other in found)]


def main() -> None:
    """Serve requests on descriptor 0, a socket. Arguments: tier, and the compiler's path (or nothing)."""
    control = socket.socket(fileno=os.dup(0))
    tier, compiler = sys.argv[1], sys.argv[2]
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nothing, fd)
    _forget_the_caller()
    folder = tempfile.mkdtemp(prefix="r1-sandbox-") if tier != "namespaces" else ""
    tempfile.tempdir = None  # what is a good place here is none in a run
    try:
        _start(control, tier, compiler, folder)
    finally:
        if folder:
            isolation.empty(folder)
            os.rmdir(folder)


def _forget_the_caller() -> None:
    """Undo what a process inherits: environment, path, mask of new files, and how signals are taken."""
    os.environ.clear()
    del sys.path[0]
    os.umask(0o022)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # an ignored SIGCHLD would hide the end of runs
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)


def _start(control: socket.socket, tier: str, compiler: str, folder: str) -> None:
    kernel.one_arena()
    payload.warm_up()
    try:
        virtual = _virtual_bytes()
        visible = sources(compiler)
        # A compiler that includes /dev/zero or /dev/urandom never ends.
        devices = ("null",) if compiler else ("null", "zero", "urandom")
        walls = isolation.build(tier, sources=visible, folder=folder, devices=devices)
        if tier == "namespaces":
            pid = os.fork()
            if pid:
                control.close()
                os.waitpid(pid, 0)
                return
            kernel.die_with_parent()
            walls = isolation.move_in(walls, sources=visible, devices=devices)
        server = Server(control, walls, virtual=virtual)
    except Exception as error:
        control.send(json.dumps({"error": str(error)}).encode())
        if tier == "namespaces" and os.getpid() == 1:
            os._exit(1)
        return
    gc.collect()
    gc.freeze()
    gc.disable()
    server.serve()
    if tier == "namespaces":
        os._exit(0)


class Server:
    """The serving loop."""

    def __init__(self, control: socket.socket, walls: Walls, *, virtual: int) -> None:
        self.control = control
        self.walls = walls
        self.resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.virtual = virtual
        self.counts = self._counts_processes()
        if walls.tier != "none":
            for profile in ("python", "native", "compile"):
                seccomp.program(profile, pid=1, change_modes=True)  # made once, kept for the runs
        user = f"user {walls.user}" if walls.user is not None else "the caller's user"
        control.send(json.dumps({"ready": user}).encode())

    def _counts_processes(self) -> bool:
        """Whether RLIMIT_NPROC counts the sandbox's processes alone: not where others run as this user."""
        pid = isolation.fork_run(self.walls)
        if pid == 0:
            code = 1
            try:
                resource.setrlimit(resource.RLIMIT_NPROC, (8, 8))
                isolation.lock(self.walls, profile="python")
                thread = threading.Thread(target=int)
                thread.start()
                thread.join()
                code = 0
            finally:
                os._exit(code)
        return os.waitpid(pid, 0)[1] == 0

    def serve(self) -> None:
        """Answer requests until the caller hangs up."""
        while True:
            message, fds, _, _ = socket.recv_fds(self.control, MAX_MESSAGE, MAX_DESCRIPTORS)
            if not message:
                return
            if message == b"stop":
                continue  # meant for a run that had just ended
            answer = self.run(json.loads(message), fds)
            if answer is None:
                return
            self.control.send(json.dumps(answer).encode())

    def run(self, header: dict[str, object], fds: list[int]) -> dict[str, object] | None:
        """Fork a run, watch it, clean up after it. None: the caller has gone."""
        limits = Limits(**header["limits"])  # type: ignore[arg-type]
        ready, ready_in = os.pipe()
        began = time.monotonic()
        pid = isolation.fork_run(self.walls)
        if pid == 0:
            try:
                fds = [isolation.high(fd) for fd in fds]
                os.dup2(ready_in, _READY_FD)
                self._child(header, limits, fds)
            except BaseException:
                os.write(_READY_FD, traceback.format_exc(limit=-3).encode()[-2000:])
            finally:
                os._exit(1)
        for fd in (*fds, ready_in):
            os.close(fd)
        stopped = self._watch(pid, limits)
        _, status, used = os.wait4(pid, 0)
        self._clean(pid)
        with open(ready, "rb") as pipe:
            said = pipe.read()
        if stopped == "gone":
            return None
        if said != READY:
            return {"error": f"a run could not be set up: {said.decode(errors='replace') or 'no reason'}"}
        return {
            "stopped": stopped,
            "code": os.waitstatus_to_exitcode(status),
            "cpu_s": used.ru_utime + used.ru_stime,
            "wall_s": time.monotonic() - began,
            "memory": max(0, used.ru_maxrss * 1024 - self.resident),
        }

    def _child(self, header: dict[str, object], limits: Limits, fds: list[int]) -> None:
        """Set the run up, lock it, run it."""
        profile, mode = str(header["profile"]), str(header["mode"])
        code, call = self._arrange(header, limits, mode, fds)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_DFL)
        apply(limits, profile=profile, base=self.virtual, count_processes=self.counts)
        payload.open_streams()
        payload.settle()
        isolation.lock(self.walls, profile=profile)
        os.write(_READY_FD, READY)
        if mode != "native":
            os.close(_READY_FD)
        gc.enable()
        arguments = [str(word) for word in header["arguments"]]  # type: ignore[attr-defined]
        match mode:
            case "script":
                payload.run_script(code, arguments)
            case "call":
                payload.run_call(code, call, _RESULT_FD)
            case "native":
                payload.run_native(arguments)
            case "compile":
                payload.run_compiler(arguments, str(header["produced"]))

    def _arrange(self, header: dict[str, object], limits: Limits, mode: str, fds: list[int]) -> tuple[bytes, bytes]:
        """Folder, files and descriptors of a run. Returns the program's text and the call, where they are wanted."""
        program, given, out, err, *files = fds
        size = os.fstat(given).st_size + sum(os.fstat(fd).st_size for fd in files)
        isolation.enter_run(self.walls, disk=limits.disk + size, inodes=MAX_INODES)
        code = _read(program) if mode != "native" else b""
        call = _read(files.pop()) if mode == "call" else b""
        names = [str(name) for name in header["files"]]  # type: ignore[attr-defined]
        for name, fd in zip(names, files, strict=True):
            _copy(fd, name)
        if mode == "compile":
            _copy(program, str(header["source"]))
        if self.walls.tier == "namespaces":
            _copy(given, isolation.STDIN)
            given = os.open(isolation.STDIN, os.O_RDONLY)
        keep = {_READY_FD} | ({self.walls.ruleset} if self.walls.ruleset is not None else set())
        if mode == "native":
            os.dup2(program, seccomp.EXEC_FD, inheritable=False)
            keep.add(seccomp.EXEC_FD)
        if mode == "call":
            os.dup2(out, _RESULT_FD)
            out = os.open(os.devnull, os.O_WRONLY)
            keep.add(_RESULT_FD)
        for fd, to in ((given, 0), (out, 1), (err, 2)):
            os.dup2(fd, to)
        _close_all_but(keep)
        os.set_inheritable(_READY_FD, False)
        return code, call

    def _watch(self, pid: int, limits: Limits) -> str:
        """Wait for the end of a run, or bring it about. Returns why it was stopped, or nothing."""
        began = time.monotonic()
        polled = self.walls.tier != "namespaces"
        ended = kernel.pidfd(pid)
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        if ended is not None:
            poller.register(ended, select.POLLIN)
        stopped = ""
        while not stopped:
            wait_s = self._patience(pid, limits, time.monotonic() - began)
            if wait_s <= 0:
                stopped = "time"
                break
            wait_s = min(wait_s, _POLL_S) if polled else wait_s
            wait_s = min(wait_s, _NO_PIDFD_S) if ended is None else wait_s
            ready = [fd for fd, _ in poller.poll(1000 * wait_s + 1)]
            if ended in ready or (ended is None and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
                break
            if self.control.fileno() in ready:
                stopped = "asked" if self.control.recv(MAX_MESSAGE) else "gone"
            elif polled:
                stopped = self._over(pid, limits)
        if stopped:
            os.kill(pid, signal.SIGKILL)
        if ended is not None:
            os.close(ended)
        return stopped

    @staticmethod
    def _patience(pid: int, limits: Limits, wall_s: float) -> float:
        """Seconds until the run may be over a time limit; 0 if it is."""
        try:
            cpu_s = time.clock_gettime(~pid << 3 | 2)  # CPUCLOCK_SCHED of that process: linux/posix-timers.h
        except OSError:
            return 0.01  # it has just ended
        if cpu_s > limits.cpu_s or wall_s > limits.wall_s or (wall_s > limits.idle_wall_s and cpu_s < wall_s / 5):
            return 0
        idle = limits.idle_wall_s if wall_s < limits.idle_wall_s else limits.wall_s
        return max(0.002, min(limits.cpu_s - cpu_s, idle - wall_s, max(0.05, limits.cpu_s)))

    def _over(self, pid: int, limits: Limits) -> str:
        """Where the kernel has no cap: whether the run has too much on disk, or too many threads."""
        blocks, names = _usage(f"{self.walls.folder}/work")
        if blocks > limits.disk or names > MAX_INODES:
            return "disk"
        try:
            return "processes" if len(os.listdir(f"/proc/{pid}/task")) > limits.processes else ""
        except OSError:
            return ""

    def _clean(self, pid: int) -> None:
        """Without namespaces: end what is left of the run, and empty its folder."""
        if self.walls.tier == "namespaces":
            return
        for _ in range(1000):
            try:
                os.killpg(pid, signal.SIGKILL)
            except OSError:
                pass
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.001)
            except ChildProcessError:
                break
        isolation.empty(self.walls.folder)


def _virtual_bytes() -> int:
    """This process's address space."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 1 << 28  # more than it is


def _read(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    parts = []
    at = 0
    while at < size:
        parts.append(os.pread(fd, size - at, at))
        at += len(parts[-1])
    return b"".join(parts)


def _copy(fd: int, path: str) -> None:
    size, at = os.fstat(fd).st_size, 0
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    while at < size:
        at += os.sendfile(target, fd, at, size - at)
    os.close(target)


def _close_all_but(keep: set[int]) -> None:
    at = 3
    for fd in sorted(keep):
        os.closerange(at, fd)
        at = fd + 1
    os.closerange(at, 1 << 20)


def _usage(folder: str) -> tuple[int, int]:
    """Bytes and names below a folder, as far as a few milliseconds go."""
    size = names = 0
    waiting = [folder]
    while waiting and names <= MAX_INODES:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    names += 1
                    if names > MAX_INODES:
                        break
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return size, MAX_INODES + 1  # so deep that what is below can't be counted
    return size, names
