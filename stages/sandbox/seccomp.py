"""The list of system calls that an untrusted program may make, as a seccomp filter. Standard library only.

Three profiles: `python` may make threads but neither processes nor programs; `native` may in addition run the one
program whose descriptor is EXEC_FD (closed by that, and too high a number to be opened again under NO_FILE);
`compile` may make processes and run programs, as g++ does. None has sockets, signals to others, namespaces, mounts,
tracing, keys, System V or POSIX queues and memory, bpf, io_uring, or whatever the list doesn't name.
"""

import errno
import struct
from collections.abc import Sequence
from functools import cache

from stages.sandbox.syscalls import ARCHITECTURE, PLAIN, SPECIAL

MAX_FILES = 200  # RLIMIT_NOFILE within a sandbox
EXEC_FD = 250  # above MAX_FILES: a program can't open it again

_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06  # linux/bpf_common.h
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000  # linux/seccomp.h
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data
_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020000  # CLONE_NEW*: user, pid, net, ipc, uts, cgroup, mount
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1032)  # dup, flags, locks, pipe size; no F_SETOWN, which sends signals
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_PRCTL = (15, 16)  # the thread's name
_STREAM = 1  # SOCK_STREAM, without SOCK_NONBLOCK and SOCK_CLOEXEC
_SOCKET_FLAGS = 0o2004000

Code = tuple[int, int, int, int]  # operation, jump if true, jump if false, operand
_ALLOWED: Code = (_RETURN, 0, 0, _ALLOW)


@cache
def program(profile: str, *, pid: int, change_modes: bool) -> bytes:
    """The filter of a profile for a process that calls itself `pid`, as an array of struct sock_filter.

    `change_modes`: chmod and utime are allowed, as they may be where other people's files can't be named.

    Raises:
        OSError: the processor's system calls are not known.
    """
    if ARCHITECTURE is None:
        raise OSError(errno.ENOSYS, "no system call table for this processor")
    codes: list[Code] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, ARCHITECTURE),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    for number in PLAIN:
        codes += [(_EQUAL, 0, 1, number), _ALLOWED]
    for name, body in _bodies(profile, pid, change_modes).items():
        if name in SPECIAL:
            codes += [(_EQUAL, 0, len(body), SPECIAL[name]), *body]
    codes.append(_refused(errno.EPERM))
    return b"".join(struct.pack("HBBI", *code) for code in codes)


def _bodies(profile: str, pid: int, change_modes: bool) -> dict[str, list[Code]]:
    """What each conditional call comes to: the codes after its number has matched."""
    itself = _argument_in(0, [pid])
    rules = {
        "fcntl": _argument_in(1, _FCNTL),
        "ioctl": _argument_in(1, _IOCTL),
        "prctl": _argument_in(0, _PRCTL),
        "prlimit64": _argument_in(0, [0, pid]),
        "kill": itself,
        "tgkill": itself,
        "socketpair": _argument_in(1, [_STREAM], mask=~_SOCKET_FLAGS & 0xFFFFFFFF),
        "sendto": [
            _argument(4, high=True),
            (_EQUAL, 1, 0, 0),
            _refused(errno.EPERM),
            *_argument_in(4, [0]),
        ],  # no address: not to a datagram socket of the host
        "clone": _clone(threads_only=profile != "compile"),
        "clone3": [_refused(errno.ENOSYS)],  # its flags can't be read by a filter; the C library falls back to clone
    }
    if change_modes or profile == "compile":
        rules |= {name: [_ALLOWED] for name in ("chmod", "fchmod", "fchmodat", "utime", "utimes", "utimensat")}
    if profile == "native":
        rules["execveat"] = _argument_in(0, [EXEC_FD])
    if profile == "compile":
        rules |= {name: [_ALLOWED] for name in ("fork", "vfork", "execve")}
    return rules


def _refused(number: int) -> Code:
    return (_RETURN, 0, 0, _ERRNO | number)


def _argument(index: int, *, high: bool = False) -> Code:
    return (_LOAD, 0, 0, _ARGS + 8 * index + 4 * high)


def _argument_in(index: int, values: Sequence[int], *, mask: int = 0xFFFFFFFF) -> list[Code]:
    """Allow if the low word of an argument, which is all that the kernel reads of an int, is one of the values."""
    codes: list[Code] = [_argument(index)]
    if mask != 0xFFFFFFFF:
        codes.append((_AND, 0, 0, mask))
    for value in values:
        codes += [(_EQUAL, 0, 1, value), _ALLOWED]
    return [*codes, _refused(errno.EPERM)]


def _clone(*, threads_only: bool) -> list[Code]:
    """Allow clone without new namespaces, and (`threads_only`) with CLONE_THREAD."""
    codes: list[Code] = [
        _argument(0),
        (_AND, 0, 0, _CLONE_NEW),
        (_EQUAL, 1, 0, 0),
        _refused(errno.EPERM),
    ]
    if threads_only:
        codes += [_argument(0), (_AND, 0, 0, _CLONE_THREAD), (_EQUAL, 0, 1, _CLONE_THREAD), _ALLOWED]
        return [*codes, _refused(errno.EPERM)]
    return [*codes, _ALLOWED]
