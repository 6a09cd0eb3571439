"""The kernel's isolation calls as functions that raise OSError, through ctypes. Standard library only."""

import ctypes
import os
import struct
from collections.abc import Sequence

from stages.sandbox import syscalls

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000  # linux/sched.h
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32  # linux/mount.h
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 22, 24  # linux/prctl.h
_PR_SET_SECUREBITS, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 28, 36, 38
_SECURE_NO_ROOT = 0b101111  # NOROOT, NO_SETUID_FIXUP and KEEP_CAPS off and locked: linux/securebits.h
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_MOUNT_ATTR_READ_ONLY = 0x1 | 0x2 | 0x4  # RDONLY, NOSUID, NODEV
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_M_ARENA_MAX = -8  # malloc.h

# Landlock rights, by the ABI version that brought them: linux/landlock.h.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_FILES = 0x1FFF
_FILES_BY_ABI = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # REFER, TRUNCATE, IOCTL_DEV
_NETWORK, _SCOPED = 0b11, 0b11  # ABI 4: bind and connect TCP; ABI 6: abstract sockets and signals

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _call(what: str, number: int, *arguments: object) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments), what)


def unshare(flags: int) -> None:
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, flags: int) -> None:
    _checked(_libc.setns(fd, ctypes.c_int(flags)), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _checked(result, f"mount {target}")


def make_read_only(target: str) -> None:
    """Read-only, nosuid and nodev for a mount and all below it; without the last on a kernel before 5.12."""
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", _MOUNT_ATTR_READ_ONLY, 0, 0, 0), 32)
    try:
        _call("mount_setattr", syscalls.MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, attributes, 32)
    except OSError:
        kept = os.statvfs(target).f_flag & 0x40F  # flags that a user namespace may not take away
        mount("none", target, "none", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | kept)


def unmount(target: str) -> None:
    """Take a mount away, from this mount namespace."""
    _checked(_libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def enter_root(folder: str) -> None:
    """Make a mount the root of this mount namespace, and take the old root away."""
    os.chdir(folder)
    _call("pivot_root", syscalls.PIVOT_ROOT, b".", b".")
    unmount(".")
    os.chdir("/")


def die_with_parent() -> None:
    """SIGKILL when the thread that forked this process ends: only for a parent of one thread."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that they can be waited for."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def forget_root() -> None:
    """From now on, user 0 and set-uid files give no capabilities to this process's descendants."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # past the last one that this kernel has, or not ours to drop
    _libc.prctl(_PR_SET_SECUREBITS, _SECURE_NO_ROOT, 0, 0, 0)  # refused without CAP_SETPCAP: then there are none


def drop_capabilities() -> None:
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0), 8)
    _checked(_libc.capset(header, ctypes.create_string_buffer(24)), "capset")


def refuse_privileges() -> None:
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def filter_calls(program: bytes) -> None:
    """Install a seccomp filter for this thread and all that it starts. There is no way back."""
    codes = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(codes)), 16)
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0), "seccomp")


def one_arena() -> None:
    """Keep malloc from reserving 64 MB of address space a thread, which the memory limit would count."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 1)


def pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None before Linux 5.3."""
    try:
        return _call("pidfd_open", syscalls.PIDFD_OPEN, pid, 0)
    except OSError:
        return None


def landlock_abi() -> int:
    """Landlock's version.

    Raises:
        OSError: the kernel has none, or it is switched off.
    """
    return _call("landlock", syscalls.LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)


def landlock_rules(rules: Sequence[tuple[str, int]]) -> int:
    """A ruleset, as a descriptor: nothing but the given rights below the given paths; no TCP, no signals outside."""
    abi = landlock_abi()
    files = _FILES | sum(right for since, right in _FILES_BY_ABI.items() if abi >= since)
    handled = struct.pack("QQQ", files, _NETWORK if abi >= 4 else 0, _SCOPED if abi >= 6 else 0)
    handled = handled[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _call(
        "landlock_create_ruleset",
        syscalls.LANDLOCK_CREATE_RULESET,
        ctypes.create_string_buffer(handled, len(handled)),
        ctypes.c_size_t(len(handled)),
        0,
    )
    for path, rights in rules:
        _allow_below(ruleset, path, (rights if rights >= 0 else files) & files)
    return ruleset


def _allow_below(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= EXECUTE | WRITE_FILE | READ_FILE | 1 << 14
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, fd), 12)
        _call(f"landlock_add_rule {path}", syscalls.LANDLOCK_ADD_RULE, ruleset, 1, rule, 0)
    finally:
        os.close(fd)


def landlock(ruleset: int) -> None:
    """Restrict this thread and all that it starts to a ruleset."""
    _call("landlock_restrict_self", syscalls.LANDLOCK_RESTRICT_SELF, ruleset, 0)
