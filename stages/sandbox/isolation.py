"""What keeps an untrusted program in: the walls of each tier, built once a zygote and entered once a run.

Tiers, strongest first:

- `namespaces`: own process, mount, network, IPC and host-name namespaces (and a user namespace for a plain user); the
  root is a small read-only tree with libraries and a few devices, without /proc, /etc, /home or /tmp of the host; each
  run has a fresh process namespace, in which it is process 1, and a fresh tmpfs. As root, it runs as an unused user.
- `landlock`: no namespaces; Landlock opens the libraries for reading and one folder for writing. Weaker: `stat` can
  tell which paths of the host exist, and disk use is polled, not capped.
- `none`: limits only.

`namespaces` and `landlock` have the seccomp filter of seccomp.py besides. All tiers have the limits of limits.py.
Standard library only: this runs in the clean process.

What is not covered: faults of the kernel, which is shared; timing and cache side channels; cgroups.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.sandbox import kernel, seccomp

HOME = "/w"  # the tmpfs of a run: work, tmp, and stdin
WORK, TMP, STDIN = f"{HOME}/work", f"{HOME}/tmp", f"{HOME}/stdin"
_LIBRARIES = ("/lib", "/lib64", "/lib32", "/libx32")
_FIRST_USER, _NUM_USERS = 61184, 4336  # systemd's range for users that live for one run: nobody else's
_NOBODY = 65534
_INNER_USER = 1000  # what a plain user is called in its own user namespace


@dataclass(frozen=True, kw_only=True)
class Walls:
    """A tier, built: what `enter_run` needs for each run."""

    tier: str
    user: int | None  # to become; None: stay
    pid_namespace: int | None  # a descriptor of the zygote's own, to come back to after each fork
    ruleset: int | None  # Landlock's
    folder: str  # where a run's folder is, in the zygote's eyes


def build(tier: str, *, sources: Sequence[str], folder: str, devices: Sequence[str]) -> Walls:
    """Build the walls around this process, which must have one thread. Afterwards, fork once: see zygote.py.

    `sources`: what a program may read. `folder`: an empty folder of this process's own, used without namespaces.

    Raises:
        OSError: the machine doesn't offer the tier.
    """
    if tier == "namespaces":
        return _namespaces(sources)
    user = _unused_user() if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user, user)
        _check_readable(sources, user)
    ruleset = None
    if tier == "landlock":
        reading = kernel.READ_FILE | kernel.READ_DIR | kernel.EXECUTE
        rules = [(path, reading) for path in sources]
        rules += [(f"/dev/{name}", kernel.READ_FILE | kernel.WRITE_FILE) for name in devices]
        ruleset = high(kernel.landlock_rules([*rules, (folder, -1)]))
    kernel.forget_root()
    kernel.adopt_orphans()
    return Walls(tier=tier, user=user, pid_namespace=None, ruleset=ruleset, folder=folder)


def _namespaces(sources: Sequence[str]) -> Walls:
    user = _unused_user() if os.geteuid() == 0 else None
    spaces = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    try:
        if user is None:
            raise PermissionError
        kernel.unshare(spaces | kernel.CLONE_NEWPID)
    except PermissionError:  # a plain user, or root without its rights: a user namespace gives them within it
        user = None
        _new_user_namespace()
        kernel.unshare(spaces | kernel.CLONE_NEWPID)
    return Walls(tier="namespaces", user=user, pid_namespace=None, ruleset=None, folder=HOME)


def _new_user_namespace() -> None:
    outer, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_INNER_USER} {outer} 1")
    _write("/proc/self/gid_map", f"{_INNER_USER} {group} 1")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _unused_user() -> int | None:
    """A user of the zygote's own, so that limits on numbers of processes count no one else's; None if root has none."""
    wanted = _FIRST_USER + os.getpid() % _NUM_USERS
    return next((user for user in (wanted, _NOBODY) if _as_user(user, lambda: True)), None)


def _as_user(user: int, works: Callable[[], bool]) -> bool:
    """Whether this process can become a user, and something works as that user; tried in a child."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _become(user)
            code = 0 if works() else 1
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _check_readable(sources: Sequence[str], user: int) -> None:
    """Where programs run as another user on the host's own paths, as root's interpreter in root's home isn't."""
    for path in sources:
        if not _as_user(user, lambda path=path: os.access(path, os.R_OK | os.X_OK)):  # type: ignore[misc]
            raise OSError(f"{path} can't be read by user {user}, whom programs run as")


def move_in(walls: Walls, *, sources: Sequence[str], devices: Sequence[str]) -> Walls:
    """The second step of `namespaces`, in the process that is 1 of the new process namespace: make and enter the root."""
    if walls.tier != "namespaces":
        return walls
    pid_namespace = high(os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC))  # /proc is the host's, the link ours
    socket.sethostname("sandbox")
    kernel.mount("none", "/", "none", kernel.MS_REC | kernel.MS_PRIVATE)
    root = _free_folder(sources)
    kernel.mount("r1", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,nr_inodes=512,mode=0755")
    for path in sources:
        _bind(path, root)
    for path in _LIBRARIES:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
    for name in devices:
        _bind(f"/dev/{name}", root, read_only=False)
    os.symlink("urandom", f"{root}/dev/random")
    os.symlink(STDIN, f"{root}/dev/stdin")
    os.symlink(TMP, f"{root}/tmp")
    os.mkdir(root + HOME)
    kernel.enter_root(root)
    read_only = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("none", "/", "none", kernel.MS_REMOUNT | kernel.MS_BIND | read_only)
    kernel.forget_root()
    return Walls(tier=walls.tier, user=walls.user, pid_namespace=pid_namespace, ruleset=None, folder=HOME)


def _free_folder(sources: Sequence[str]) -> str:
    """An existing folder that none of the sources is in: the new root is mounted over it, in our own namespace."""
    for folder in ("/tmp", "/var/tmp", "/mnt", "/media", "/srv", "/opt", "/run", "/home"):
        if os.path.isdir(folder) and not any(f"{path}/".startswith(f"{folder}/") for path in sources):
            return folder
    raise OSError("no folder to make a root on")


def _bind(path: str, root: str, *, read_only: bool = True) -> None:
    """Show a file or folder of the host at the same path below the new root."""
    target = root + path
    folder = stat.S_ISDIR(os.stat(path).st_mode)
    _make_folders(target if folder else os.path.dirname(target), root)
    if not folder:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0))
    kernel.mount(path, target, "none", kernel.MS_BIND | kernel.MS_REC)
    if read_only:
        kernel.make_read_only(target)


def _make_folders(path: str, root: str) -> None:
    """Folders that can be gone through and not listed: the way to an interpreter may lead through a home."""
    missing = []
    while path != root and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)
        os.chmod(folder, 0o111)


def high(fd: int) -> int:
    """Move a descriptor to a number that is not given out for something else in a run."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return moved


def fork_run(walls: Walls) -> int:
    """Fork a run, in a process namespace of its own where there are namespaces. Returns as os.fork does."""
    if walls.pid_namespace is None:
        return os.fork()
    kernel.unshare(kernel.CLONE_NEWPID)  # for the next child; a second one needs the way back
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid != 0:
            kernel.setns(walls.pid_namespace, kernel.CLONE_NEWPID)
    return pid


def enter_run(walls: Walls, *, disk: int, inodes: int) -> None:
    """In a forked run: a fresh folder to work in, which becomes the current one. Limits and locks come after."""
    os.setsid()
    owner = walls.user if walls.user is not None else os.geteuid()
    if walls.tier == "namespaces":
        kernel.unshare(kernel.CLONE_NEWNS)
        flags = kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("r1", HOME, "tmpfs", flags, f"size={disk},nr_inodes={inodes},mode=0755,uid={owner},gid={owner}")
        os.mkdir(TMP, 0o700)
    work = f"{walls.folder}/work"
    os.mkdir(work, 0o700)
    if walls.user is not None:
        for path in (work, *((TMP,) if walls.tier == "namespaces" else ())):
            os.chown(path, owner, owner)
    os.chdir(work)


def lock(walls: Walls, *, profile: str) -> None:
    """The last step before untrusted code: another user, no capabilities, Landlock and the filter. No way back."""
    if walls.user is not None:
        _become(walls.user)
    kernel.drop_capabilities()
    kernel.die_with_parent()  # a change of user forgets it, so after that
    kernel.refuse_privileges()
    if walls.ruleset is not None:
        kernel.landlock(walls.ruleset)
        os.close(walls.ruleset)
    if walls.tier != "none":
        kernel.filter_calls(seccomp.program(profile, pid=os.getpid(), change_modes=walls.tier == "namespaces"))


def empty(folder: str) -> None:
    """Remove all that is in a folder, however deep and whatever its modes: folders are moved up before they are emptied."""
    waiting = os.listdir(folder)
    number = 0
    while waiting:
        path = f"{folder}/{waiting.pop()}"
        try:
            os.unlink(path)
            continue
        except OSError:
            os.chmod(path, 0o700)
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    number += 1
                    name = f".r1-{os.getpid()}-{number}"
                    os.rename(entry.path, f"{folder}/{name}")
                    waiting.append(name)
                else:
                    os.unlink(entry.path)
        os.rmdir(path)
