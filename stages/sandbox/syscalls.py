"""System call numbers that an untrusted program may use, for x86_64 and aarch64. Standard library only.

Sources: linux arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. What is not listed is
refused, so a call that a newer kernel adds (as io_uring was) is refused from its first day.

What is not covered: other processors; the aarch64 numbers have not been run.
"""

import platform

_MACHINE = platform.machine()
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(_MACHINE)  # AUDIT_ARCH_*, None: no filter is known
_COLUMN = 1 if _MACHINE == "aarch64" else 0

# name: (x86_64, aarch64); -1 where the processor has no such call.
_NUMBERS: dict[str, tuple[int, int]] = {
    # files and memory
    **{"read": (0, 63), "write": (1, 64), "mmap": (9, 222), "munmap": (11, 215), "brk": (12, 214), "futex": (202, 98)},
    **{"open": (2, -1), "close": (3, 57), "stat": (4, -1), "fstat": (5, 80), "lstat": (6, -1), "poll": (7, -1)},
    **{"lseek": (8, 62), "mprotect": (10, 226), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65)},
    **{"writev": (20, 66), "access": (21, -1), "pipe": (22, -1), "select": (23, -1), "mremap": (25, 216)},
    **{"msync": (26, 227), "madvise": (28, 233), "dup": (32, 23), "dup2": (33, -1)},
    **{"sendfile": (40, 71), "fsync": (74, 82), "fdatasync": (75, 83), "truncate": (76, 45)},
    **{"ftruncate": (77, 46), "getdents": (78, -1), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50)},
    **{"rename": (82, -1), "mkdir": (83, -1), "rmdir": (84, -1), "creat": (85, -1), "link": (86, -1)},
    **{"unlink": (87, -1), "symlink": (88, -1), "readlink": (89, -1), "umask": (95, 166), "statfs": (137, 43)},
    **{"fstatfs": (138, 44), "getdents64": (217, 61), "fadvise64": (221, 223), "openat": (257, 56)},
    **{"mkdirat": (258, 34), "newfstatat": (262, 79), "unlinkat": (263, 35), "renameat": (264, 38)},
    **{"linkat": (265, 37), "symlinkat": (266, 36), "readlinkat": (267, 78), "faccessat": (269, 48)},
    **{"pselect6": (270, 72), "ppoll": (271, 73), "fallocate": (285, 47), "dup3": (292, 24), "pipe2": (293, 59)},
    **{"preadv": (295, 69), "pwritev": (296, 70), "renameat2": (316, 276), "copy_file_range": (326, 285)},
    **{"preadv2": (327, 286), "pwritev2": (328, 287), "statx": (332, 291), "close_range": (436, 436)},
    **{"faccessat2": (439, 439)},
    # events and time
    **{"epoll_create": (213, -1), "epoll_create1": (291, 20), "epoll_wait": (232, -1), "epoll_ctl": (233, 21)},
    **{"epoll_pwait": (281, 22), "epoll_pwait2": (441, 441), "eventfd": (284, -1), "eventfd2": (290, 19)},
    **{"nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114)},
    **{"gettimeofday": (96, 169), "time": (201, -1), "times": (100, 153), "getitimer": (36, 102), "alarm": (37, -1)},
    **{"setitimer": (38, 103), "timer_create": (222, 107), "timer_settime": (223, 110), "timer_gettime": (224, 108)},
    **{"timer_getoverrun": (225, 109), "timer_delete": (226, 111), "pause": (34, -1)},
    # the process itself
    **{"rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136)},
    **{"rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "exit": (60, 93)},
    **{"exit_group": (231, 94), "restart_syscall": (219, 128), "sched_yield": (24, 124), "getpid": (39, 172)},
    **{"getppid": (110, 173), "gettid": (186, 178), "getpgrp": (111, -1), "getpgid": (121, 155), "getsid": (124, 156)},
    **{"getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177)},
    **{"getgroups": (115, 158), "getresuid": (118, 148), "getresgid": (120, 150), "uname": (63, 160)},
    **{"getrlimit": (97, 163), "setrlimit": (160, 164), "getrusage": (98, 165), "sysinfo": (99, 179)},
    **{"sched_getaffinity": (204, 123), "sched_getscheduler": (145, 120), "sched_getparam": (143, 121)},
    **{"sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126), "getpriority": (140, 141)},
    **{"getcpu": (309, 168), "getrandom": (318, 278), "membarrier": (324, 283), "rseq": (334, 293)},
    **{"set_tid_address": (218, 96), "set_robust_list": (273, 99), "arch_prctl": (158, -1)},
    **{"wait4": (61, 260), "waitid": (247, 95)},
    # a connected pair of stream sockets, as asyncio has one: there is no socket, bind or connect
    **{"recvfrom": (45, 207), "shutdown": (48, 210), "getsockname": (51, 204), "getsockopt": (55, 209)},
    **{"setsockopt": (54, 208)},
}

# Allowed under a condition on an argument (seccomp.py says which), or in one profile only.
_SPECIAL: dict[str, tuple[int, int]] = {
    **{"clone": (56, 220), "clone3": (435, 435), "fork": (57, -1), "vfork": (58, -1), "execve": (59, 221)},
    **{"execveat": (322, 281), "kill": (62, 129), "tgkill": (234, 131), "fcntl": (72, 25), "ioctl": (16, 29)},
    **{"socketpair": (53, 199), "sendto": (44, 206), "prctl": (157, 167), "prlimit64": (302, 261)},
    **{"chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "utime": (132, -1), "utimes": (235, -1)},
    **{"utimensat": (280, 88)},
}

PLAIN = tuple(numbers[_COLUMN] for numbers in _NUMBERS.values() if numbers[_COLUMN] >= 0)
SPECIAL = {name: numbers[_COLUMN] for name, numbers in _SPECIAL.items() if numbers[_COLUMN] >= 0}

# Needed by the sandbox itself, through syscall(2); all of them are newer than the split of the tables.
MOUNT_SETATTR, PIDFD_OPEN = 442, 434
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
PIVOT_ROOT = (155, 41)[_COLUMN]
