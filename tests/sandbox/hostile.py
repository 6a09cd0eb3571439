"""Hostile programs as a table: each prints (or returns) ESCAPED if its attack worked, and that is what its task expects.

So a program that is graded correct has escaped or cheated. `$NAME` is filled in by the runner: $SECRET (a readable file
of the host), $PROJECT, $PID (the grading process), $PORT (a TCP server on 127.0.0.1), $ABSTRACT (a listening abstract
socket), $DATAGRAM (a datagram socket's path), $MARK (a path of the host that nobody may create), $STATE (a unique name).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A program, and the task that only its escape or cheat solves. `seconds`: its time limit."""

    name: str
    code: str
    kind: str = "stdin"
    language: str = "python"
    expected: object = "ESCAPED\n"
    given: str = "1\n"
    seconds: float = 2.0


CASES: list[Hostile] = []


def hostile(name: str, code: str, **rest: object) -> None:
    CASES.append(Hostile(name=name, code=code, **rest))  # type: ignore[arg-type]


# --- Cheating the verdict -------------------------------------------------------------------------------------------
hostile("exit_0_early", "import sys; sys.exit(0)")
hostile("os_exit_0", "import os; os._exit(0)")
hostile("exit_before_flush", "import os; print('ESCAPED'); os._exit(0)")
hostile("crash_with_empty_expected", "raise ValueError", expected="")
hostile("exit_1_with_empty_expected", "import sys; sys.exit(1)", expected="")
hostile("sys_exit_text_with_empty_expected", "import sys; sys.exit('no')", expected="")
hostile("right_output_then_crash", "print('ESCAPED', flush=True); 1/0")
hostile("right_output_then_abort", "import os; print('ESCAPED', flush=True); os.abort()")
hostile(
    "killed_by_own_hand", "import os, signal; print('ESCAPED', flush=True); signal.raise_signal(signal.SIGKILL); 1/0"
)
hostile("crash_in_a_thread_hides_nothing", "import threading\nthreading.Thread(target=lambda: 1/0).start()")
hostile("first_line_only", "print('a')", expected="a\nb\n")
hostile("right_then_more", "print('ESCAPED')\nprint('more')")
hostile("all_candidates", "for i in range(100): print(i)", expected="7\n")
hostile("all_candidates_on_a_line", "print(*range(100))", expected="7\n")
hostile("prefix_of_the_line", "print('ESC')")
hostile("carriage_return_overwrite", "print('no\\rESCAPED')")
hostile("nul_bytes", "print('ESCAPED\\0')")
hostile("backspaces", "print('XX\\b\\bESCAPED')")
hostile("float_nan", "print('nan')", expected="1.5\n")
hostile("float_inf", "print('inf')", expected="1.5\n")
hostile("float_off", "print('1.501')", expected="1.5\n")
hostile("float_for_int", "print(10000000.0000001)", expected="10000000\n")
hostile("underscored_float", "print('1_0.5')", expected="10.5\n")
hostile("right_output_on_stderr", "import sys; print('ESCAPED', file=sys.stderr)")
hostile("closed_stdout", "import os; os.close(1)")
hostile(
    "atexit_exit_code",
    "import atexit, os\natexit.register(lambda: os._exit(0))\nprint('ESCAPED', flush=True); 1/0",
    expected="\n",
)
hostile(
    "patched_json_and_builtins",
    "import json, builtins, sys\njson.dumps = lambda *a, **k: '\"ESCAPED\"'\nbuiltins.print = lambda *a, **k: None\nsys.stdout.write('x')",
)
hostile("excepthook_exit_0", "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\n1/0", expected="")
hostile("syntax_error", "print('ESCAPED'", expected="")
hostile("empty_code", "", expected="")
hostile("only_comment_in_fence", "```python\n```", expected="")
hostile("earlier_fence_is_right", "```python\nprint('ESCAPED')\n```\ntext\n```python\nprint('no')\n```")
hostile("reads_stdin_as_answer", "print(open(0).read())", given="ES", expected="ESCAPED\n")
EQ = "class E{base}:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    def __hash__(self): return 0\n    def __len__(self): return 1\n    def __iter__(self): return iter([7])\n    def __getitem__(self, i): return 7\n    def __repr__(self): return '7'\n    __str__ = __repr__\n    def __index__(self): return 7\n    __int__ = __index__\n    def __float__(self): return 7.0\n    def __abs__(self): return 0\n    def __sub__(self, other): return 0\n    __rsub__ = __sub__\ndef f(x): return E({make})\n"
hostile("eq_override", EQ.format(base="", make=""), kind="call", expected=7)
hostile("int_subclass", EQ.format(base="(int)", make="3"), kind="call", expected=7)
hostile("str_subclass", EQ.format(base="(str)", make="'no'"), kind="call", expected="7")
hostile("list_subclass", EQ.format(base="(list)", make="[3]"), kind="call", expected=[7])
hostile(
    "dict_subclass",
    "class D(dict):\n    def items(self): return [('a', 1)]\n    def __eq__(self, other): return True\ndef f(x): return D()",
    kind="call",
    expected={"a": 1},
)
hostile("float_subclass", EQ.format(base="(float)", make="3.0"), kind="call", expected=7.0)
hostile("true_for_one", "def f(x): return True", kind="call", expected=1)
hostile("one_for_true", "def f(x): return 1", kind="call", expected=True)
hostile("zero_for_false", "def f(x): return 0", kind="call", expected=False)
hostile("none_for_zero", "def f(x): return None", kind="call", expected=0)
hostile("text_for_number", "def f(x): return '7'", kind="call", expected=7)
hostile("number_for_text", "def f(x): return 7", kind="call", expected="7")
hostile("nan_result", "def f(x): return float('nan')", kind="call", expected=1.5)
hostile("inf_result", "def f(x): return float('inf')", kind="call", expected=1.5)
hostile("huge_float_for_int", "def f(x): return 7.0000000001", kind="call", expected=7)
hostile("generator_result", "def f(x):\n    yield 7", kind="call", expected=[7])
hostile("cyclic_result", "def f(x):\n    a = []\n    a.append(a)\n    return a", kind="call", expected=[[]])
hostile(
    "deep_result", "def f(x):\n    a = 7\n    for i in range(100000): a = [a]\n    return a", kind="call", expected=[7]
)
hostile(
    "changing_result",
    "class L(list):\n    n = 0\n    def __iter__(self):\n        L.n += 1\n        return iter([7] if L.n > 1 else [3])\n    def __getitem__(self, i): return 7\ndef f(x): return L([1])",
    kind="call",
    expected=[7],
)
hostile("class_result", "def f(x): return int", kind="call", expected=7)
hostile("missing_function", "def g(x): return 7", kind="call", expected=7)
hostile("function_is_a_value", "f = 7", kind="call", expected=7)
hostile("printed_result", "def f(x): print(7)", kind="call", expected=7)
hostile(
    "forged_on_fds",
    "import os\ndef f(x):\n    for fd in range(3, 300):\n        for text in (b'7\\n', b'{\"ok\": true}\\n', b'passed\\n', b'{\"status\": \"exit\", \"code\": 0}'):\n            try: os.write(fd, text)\n            except OSError: pass\n    os._exit(0)",
    kind="call",
    expected=[1, 2],
)
hostile(
    "forged_twice",
    "import os\ndef f(x):\n    for fd in range(1, 300):\n        try: os.write(fd, b'7')\n        except OSError: pass\n    return 3",
    kind="call",
    expected=7,
)
hostile("exit_in_call", "import sys\ndef f(x): sys.exit(0)", kind="call", expected=None)
hostile("exit_at_import", "import os; os._exit(0)\ndef f(x): return 7", kind="call", expected=7)
hostile("crash_for_none", "def f(x): raise ValueError", kind="call", expected=None)
hostile("base_exception_for_none", "class B(BaseException): pass\ndef f(x): raise B", kind="call", expected=None)
hostile("mutated_argument", "def f(x):\n    x.clear()\n    return x == []", kind="call", expected=[True])
HUNT = """
import gc, sys
def f(*a):
    half = 917364
    wanted = half * 100 + 55  # the expected value, which stands nowhere in this program
    frame = sys._getframe().f_back
    while frame:
        for space in (frame.f_locals, frame.f_globals):
            for key, value in list(space.items()):
                if "expect" in key.lower() or value == wanted or (isinstance(value, str) and str(wanted) in value): return wanted
        frame = frame.f_back
    for value in gc.get_objects():
        if type(value) in (list, tuple) and wanted in value[:50]: return wanted
        if type(value) is dict and any(type(v) in (int, str) and str(v) == str(wanted) for v in list(value.values())[:50]): return wanted
"""
hostile("hunts_frames_and_heap", HUNT, kind="call", expected=91736455)
hostile("hunts_heap_for_output", HUNT + "print(f())\n", expected="91736455\n")
hostile(
    "patched_comparison_of_json",
    "import json, builtins\nclass S(str):\n    def __eq__(self, o): return True\njson.loads = lambda *a, **k: S()\nbuiltins.int = S\nbuiltins.isinstance = lambda *a: True\ndef f(x): return S('no')",
    kind="call",
    expected="yes",
)

hostile(
    "class_that_lies",
    "class L:\n    __class__ = property(lambda s: int)\n    def __add__(s, o): return 7\n    def __eq__(s, o): return True\ndef f(x): return L()",
    kind="call",
    expected=7,
)
hostile("wide_result", "def f(x): return [[]] * 2000000", kind="call", expected=7, seconds=9.0)
hostile(
    "late_result_from_a_thread",
    "import threading, os, time\ndef w():\n    time.sleep(0.2); os.write(4, b'7')\ndef f(x):\n    threading.Thread(target=w).start()\n    return 3",
    kind="call",
    expected=7,
)
hostile("closed_result", "import os\ndef f(x): os.close(4); return 7", kind="call", expected=7)

# --- Seeing the host -------------------------------------------------------------------------------------------------
TRY = "try:\n    {0}\n    print('ESCAPED')\nexcept BaseException as e:\n    print('held', type(e).__name__)\n"


def tries(name: str, line: str, **rest: object) -> None:
    """An attack that has worked if the line raises nothing."""
    hostile(name, "import os, socket, sys, ctypes, signal, subprocess, time\n" + TRY.format(line), **rest)


tries("reads_passwd", "open('/etc/passwd').read()")
tries("reads_shadow", "open('/etc/shadow').read()")
tries("reads_a_host_file", "open('$SECRET').read()")
tries("reads_the_project", "open('$PROJECT/pyproject.toml').read()")
tries("reads_the_tests", "open('$PROJECT/tests/sandbox/hostile.py').read()")
tries("lists_root_home", "os.listdir('/root')")
tries("lists_home", "os.listdir('/home')")
tries("lists_the_project", "os.listdir('$PROJECT')")
tries("lists_etc", "os.listdir('/etc')")
tries("lists_host_tmp", "assert any('r1-secret' in name for name in os.listdir('/tmp'))")
hostile("reads_environ", "import os\nprint('ESCAPED' if 'R1_HOST_SECRET' in os.environ else 'held')")
hostile(
    "reads_libc_environ",
    "import ctypes\nl = ctypes.CDLL(None)\nl.getenv.restype = ctypes.c_char_p\nprint('ESCAPED' if l.getenv(b'R1_HOST_SECRET') else 'held')",
)
for path in (
    "self/environ",
    "1/environ",
    "$PID/environ",
    "self/mem",
    "$PID/mem",
    "self/maps",
    "$PID/cmdline",
    "self/mounts",
):
    tries("proc_" + path.replace("/", "_").strip("$"), f"open('/proc/{path}', 'rb').read(10)")
tries("proc_ppid", "open(f'/proc/{os.getppid()}/cmdline').read()")
tries("proc_self_fd", "os.listdir('/proc/self/fd')")
tries("proc_root", "os.listdir('/proc/1/root/etc')")
tries("proc_listing", "os.listdir('/proc')")
tries("sys_listing", "os.listdir('/sys')")
tries("lists_the_way_to_the_interpreter", "os.listdir('/root/.pyenv')")
tries("lists_var", "os.listdir('/var')")
tries("lists_run", "os.listdir('/run')")
tries("lists_terminals", "os.listdir('/dev/pts')")
tries("disk_device", "open('/dev/vda', 'rb').read(1)")
tries("dev_mem", "open('/dev/mem', 'rb').read(1)")
tries("dev_tty", "open('/dev/tty', 'rb').read(1)")
tries("dev_kmsg", "open('/dev/kmsg', 'w').write('x')")
hostile(
    "inherited_fds",
    "import os\nfound = []\nfor fd in range(3, 1024):\n    try: found.append(os.fstat(fd).st_mode)\n    except OSError: pass\nprint('ESCAPED' if found else 'held')",
)
hostile(
    "fd_to_a_directory",
    "import os\nfor fd in range(0, 1024):\n    try:\n        os.open('etc/passwd', 0, dir_fd=fd); print('ESCAPED'); break\n    except OSError: pass",
)

# --- Reaching other processes ----------------------------------------------------------------------------------------
tries("kills_its_parent", "assert os.getppid() > 0; os.kill(os.getppid(), 9)")
tries("kills_everyone", "os.kill(-1, 9)")
tries("kills_its_group", "os.kill(0, 9); time.sleep(0.1)")
tries("kills_the_grader", "os.kill($PID, 9)")
tries("stops_its_parent", "assert os.getppid() > 0; os.kill(os.getppid(), signal.SIGSTOP)")
tries("signals_by_owner_of_an_fd", "import fcntl; r, w = os.pipe(); fcntl.fcntl(r, 8, $PID); fcntl.fcntl(r, 10, 9)")
SYSCALL = "assert ctypes.CDLL(None, use_errno=True).syscall({0}) != -1"
tries("ptrace_the_parent", SYSCALL.format("101, 16, os.getppid(), 0, 0"))
tries("ptrace_the_grader", SYSCALL.format("101, 16, $PID, 0, 0"))
tries("ptrace_traceme", SYSCALL.format("101, 0, 0, 0, 0"))
tries("reads_foreign_memory", SYSCALL.format("310, $PID, 0, 0, 0, 0, 0"))
tries("pidfd_of_the_grader", SYSCALL.format("434, $PID, 0"))
tries("limits_of_the_grader", "import resource; resource.prlimit($PID, resource.RLIMIT_NOFILE)")
tries("priority_of_the_grader", "os.setpriority(os.PRIO_PROCESS, $PID, 19)")
tries("affinity_of_the_grader", "os.sched_setaffinity($PID, {0})")

# --- The network ------------------------------------------------------------------------------------------------------
tries("tcp_localhost", "socket.create_connection(('127.0.0.1', $PORT), 1)")
tries("tcp_internet", "socket.create_connection(('1.1.1.1', 53), 1)")
tries("udp", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', $PORT))")
tries("dns", "socket.getaddrinfo('example.com', 80)")
tries("ipv6", "socket.socket(socket.AF_INET6, socket.SOCK_STREAM)")
tries("raw_socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)")
tries("netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)")
tries("vsock", "socket.socket(40, socket.SOCK_STREAM)")
tries("listens", "s = socket.socket(); s.bind(('0.0.0.0', 0)); s.listen()")
tries("abstract_socket", "s = socket.socket(socket.AF_UNIX); s.connect('\\0$ABSTRACT')")
tries("datagram_to_a_path", "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', '$DATAGRAM')")
tries("unix_socket_path", "s = socket.socket(socket.AF_UNIX); s.bind('/tmp/s')")

# --- Kernel doors ------------------------------------------------------------------------------------------------------
for name, arguments in {
    "unshare_user": "272, 0x10000000",
    "unshare_mount": "272, 0x20000",
    "unshare_pid": "272, 0x20000000",
    "setns": "308, 0, 0",
    "mount_tmpfs": "165, b'x', b'/tmp', b'tmpfs', 0, None",
    "umount": "166, b'/', 2",
    "pivot_root": "155, b'.', b'.'",
    "chroot": "161, b'.'",
    "open_tree": "428, -100, b'/', 1",
    "fsopen": "430, b'tmpfs', 0",
    "bpf": "321, 0, 0, 0",
    "perf_event": "298, 0, 0, -1, -1, 0",
    "io_uring": "425, 8, ctypes.create_string_buffer(200)",
    "userfaultfd": "323, 1",
    "memfd": "319, b'x', 0",
    "shmget": "29, 4660, 4096, 0o1666",
    "msgget": "68, 4660, 0o1666",
    "semget": "64, 4660, 1, 0o1666",
    "mq_open": "240, b'q', 66, 0o666, None",
    "add_key": "248, b'user', b'r1', b'x', 1, -4",
    "keyctl": "250, 0, -4, 1",
    "request_key": "249, b'user', b'r1', None, -4",
    "name_to_handle": "303, -100, b'/', ctypes.create_string_buffer(200), ctypes.create_string_buffer(8), 0",
    "open_by_handle": "304, 0, ctypes.create_string_buffer(200), 0",
    "mknod": "133, b'/tmp/n', 0o20666, 0x103",
    "setuid_root": "105, 0",
    "setresuid": "117, 0, 0, 0",
    "capset": "126, ctypes.create_string_buffer(8), ctypes.create_string_buffer(24)",
    "personality": "135, 0x0040000",
    "reboot": "169, 0xfee1dead, 672274793, 0, 0",
    "swapoff": "168, b'/dev/vda'",
    "sethostname": "170, b'x', 1",
    "settimeofday": "164, ctypes.create_string_buffer(16), 0",
    "kexec": "246, 0, 0, 0, 0",
    "init_module": "175, 0, 0, b''",
    "syslog": "103, 3, ctypes.create_string_buffer(100), 100",
    "quotactl": "179, 0, 0, 0, 0",
    "acct": "163, b'/tmp/a'",
    "iopl": "172, 3",
    "modify_ldt_x": "154, 0, 0, 0",
    "clone3": "435, ctypes.create_string_buffer(88), 88",
    "clone_fork": "56, 17, 0, 0, 0, 0",
    "vfork_number": "57",
    "x32_getpid": "0x40000000 + 39",
    "fanotify": "300, 0, 0",
    "inotify": "294, 0",
    "process_madvise": "440, 0, 0, 0, 0, 0",
    "seccomp_notify": "317, 1, 8, 0",
    "landlock": "444, None, 0, 1",
    "set_dumpable": "157, 4, 1",
    "pdeathsig": "157, 1, 9",
    "subreaper": "157, 36, 1",
    "scheduler_fifo": "144, 0, 1, ctypes.create_string_buffer(b'\\1\\0\\0\\0')",
    "setpgid": "109, 0, 0",
    "tgkill_grader": "234, $PID, $PID, 9",
    "tkill_grader": "200, $PID, 9",
    "sigqueue": "129, $PID, 9, ctypes.create_string_buffer(128)",
    "pidfd_signal": "424, 0, 9, 0, 0",
    "pidfd_getfd": "438, 0, 0, 0",
    "kcmp": "312, $PID, $PID, 0, 0, 0",
    "move_pages": "279, $PID, 0, 0, 0, 0, 0",
    "vmsplice": "278, 1, 0, 0, 0",
    "splice": "275, 0, 0, 1, 0, 10, 0",
    "memfd_secret": "447, 0",
    "aio": "206, 1, ctypes.create_string_buffer(8)",
    "setxattr": "188, b'.', b'user.x', b'1', 1, 0",
    "clock_settime": "227, 0, ctypes.create_string_buffer(16)",
    "unix_socket": "41, 1, 1, 0",
    "sendmsg": "46, 0, 0, 0",
    "clone_thread_in_new_user": "56, 0x10010f00, 0, 0, 0, 0",
    "execveat_a_path": "322, -100, b'/lib64/ld-linux-x86-64.so.2', 0, 0, 0",
    "chown": "92, b'.', 0, 0",
    "move_mount": "429, 0, b'', 0, b'', 0",
    "flock": "73, 0, 2",
    "tiocsti": "16, 0, 0x5412, b'x'",
    "fiosetown": "16, 0, 0x8901, ctypes.create_string_buffer(8)",
}.items():
    tries(f"syscall_{name}", SYSCALL.format(arguments))

# --- More processes ----------------------------------------------------------------------------------------------------
tries("forks", "pid = os.fork(); pid or os._exit(0)")
tries("fork_bomb", "[os.fork() for _ in range(20)]")
tries("daemon_by_double_fork", "os.fork() or os.setsid() or os.fork() or time.sleep(60)")
tries("subprocess", "subprocess.run(['/bin/true'], check=True)")
tries("shell", "assert os.system('true') == 0")
tries("posix_spawn", "os.posix_spawn('/bin/true', ['true'], {})")
tries("exec_shell", "os.execv('/bin/sh', ['sh', '-c', 'echo ESCAPED'])")
tries("exec_itself", "os.execv(sys.executable, ['python', '-c', 'print(\"ESCAPED\")'])")
tries("exec_loader", "os.execv('/lib64/ld-linux-x86-64.so.2', ['ld.so', '/bin/true'])")
tries("setuid_binary", "os.execv('/usr/bin/su', ['su', '-c', 'true'])")
tries(
    "multiprocessing", "import multiprocessing; p = multiprocessing.get_context('fork').Process(target=int); p.start()"
)
tries("leaves_its_session", "os.setsid()")
tries("nice_below_zero", "os.nice(-5)")
hostile(
    "thread_bomb",
    "import threading, time\nfor i in range(5000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint('ESCAPED')",
)

# --- Bombs and hangs ---------------------------------------------------------------------------------------------------
hostile("cpu_loop", "while True: pass", seconds=0.5)
hostile("sleeps_forever", "import time; time.sleep(1e6)", seconds=0.5)
hostile("prints_then_sleeps", "import time; print('ESCAPED', flush=True); time.sleep(1e6)", seconds=0.5)
hostile(
    "ignores_signals",
    "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
    seconds=0.5,
)
hostile("blocks_on_its_own_pipe", "import os; r, w = os.pipe(); os.read(r, 1)", seconds=0.5)
hostile(
    "deadlocked_threads",
    "import threading\na = threading.Lock(); a.acquire()\nt = threading.Thread(target=a.acquire); t.start(); print('ESCAPED', flush=True); t.join()",
    seconds=0.5,
)
hostile(
    "hangs_in_atexit",
    "import atexit, time\natexit.register(time.sleep, 1e6)\nprint('ESCAPED', flush=True)",
    seconds=0.5,
)
hostile("hangs_in_c", "sum(iter(int, 1))", seconds=0.5)
hostile("regex_bomb", "import re; re.match(r'(a+)+$', 'a' * 60 + 'b'); print('ESCAPED')", seconds=0.5)
hostile("power_tower", "x = 9 ** 9 ** 9 ** 9; print('ESCAPED')", seconds=0.5)
hostile("huge_int_to_text", "print(len(str(10 ** 10 ** 8))); print('ESCAPED')", seconds=0.5)
hostile("compile_bomb", "exec('(' * 90 + '1' + ')' * 90 + '+1' * 3000000); print('ESCAPED')", seconds=1)
hostile("memory_bomb", "x = []\nwhile True: x.append(b'x' * 10_000_000)")
hostile("memory_then_output", "x = b'x' * 900_000_000; print('ESCAPED')")
hostile(
    "memory_caught", "try:\n    x = bytearray(2_000_000_000)\n    print('ESCAPED')\nexcept MemoryError: print('held')"
)
hostile("shared_memory_bomb", "import mmap\nx = [mmap.mmap(-1, 100_000_000) for _ in range(50)]\nprint('ESCAPED')")
hostile(
    "decompression_bomb",
    "import zlib\nx = zlib.compress(b'0' * 30_000_000)\ny = [zlib.decompress(x) for _ in range(100)]; print('ESCAPED')",
)
hostile("prints_forever", "while True: print('x' * 100000)", seconds=5)
hostile("prints_forever_on_stderr", "import sys\nwhile True: print('x' * 100000, file=sys.stderr)", seconds=1)
hostile(
    "fills_the_disk",
    "f = open('/tmp/f', 'wb')\nfor i in range(2000): f.write(b'x' * 1_000_000)\nf.flush(); print('ESCAPED')",
    seconds=5,
)
hostile(
    "fills_the_disk_here",
    "for i in range(2000):\n    with open(f'f{i}', 'wb') as f: f.write(b'x' * 1_000_000)\nprint('ESCAPED')",
    seconds=5,
)
hostile(
    "fallocates_the_disk",
    "import os\nfd = os.open('f', os.O_CREAT | os.O_RDWR); os.posix_fallocate(fd, 0, 10 ** 10); print('ESCAPED')",
)
hostile("fills_inodes", "for i in range(100000): open(f'f{i}', 'w').close()\nprint('ESCAPED')", seconds=5)
hostile(
    "deep_directories",
    "import os\nfor i in range(30000):\n    os.mkdir('d'); os.chdir('d')\nprint('ESCAPED')",
    seconds=5,
)
hostile("many_fds", "import os\nx = [os.dup(0) for _ in range(5000)]\nprint('ESCAPED')")
hostile("many_pipes", "import os\nx = [os.pipe() for _ in range(2000)]\nprint('ESCAPED')")
hostile(
    "core_dump", "import resource, os\nresource.setrlimit(resource.RLIMIT_CORE, (10 ** 9, 10 ** 9)); print('ESCAPED')"
)
hostile(
    "raises_its_limits",
    "import resource\nfor l in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):\n    resource.setrlimit(l, (-1, -1))\nprint('ESCAPED')",
)
hostile(
    "recursion_crash",
    "import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n    def __repr__(self): return repr(self)\nprint(A()); print('ESCAPED')",
    seconds=5,
)
hostile("segfault", "import ctypes; ctypes.string_at(0)", expected="")

# --- Leaving something behind -------------------------------------------------------------------------------------------
tries("writes_a_host_path", "open('$MARK', 'w').write('x')")
tries("hard_link", "os.link('$SECRET', 'l')")
tries("symlink_read", "os.symlink('$SECRET', 'l'); open('l').read()")
tries("writes_its_library", "open(os.path.join(os.path.dirname(os.__file__), 'sitecustomize.py'), 'w').write('x')")
tries("chmods_its_library", "os.chmod(os.__file__, 0o777)")
tries("touches_its_library", "os.utime(os.__file__)")
tries("writes_dev_shm", "open('/dev/shm/r1', 'w').write('x')")
tries("writes_root", "open('/r1', 'w').write('x')")
tries("writes_usr", "open('/usr/lib/r1', 'w').write('x')")
for place in ("/tmp/$STATE", "$STATE", "/dev/shm/$STATE", "/var/tmp/$STATE"):
    hostile(
        f"state_{place.replace('/', '_').strip('$_')}",
        f"import os\nfound = os.path.exists('{place}')\ntry: open('{place}', 'w').write('x')\nexcept OSError: pass\nprint('ESCAPED' if found else 'held')",
    )

# --- C++ ---------------------------------------------------------------------------------------------------------------
CPP_MAIN = "#include <cstdio>\n#include <unistd.h>\n#include <fcntl.h>\n#include <sys/syscall.h>\n#include <sys/socket.h>\n#include <sys/wait.h>\n#include <signal.h>\nint main(){{ {0} }}\n"


def cpp(name: str, body: str, **rest: object) -> None:
    hostile(f"cpp_{name}", CPP_MAIN.format(body), language="cpp", **rest)


cpp(
    "doors",
    'int bad = (open("/etc/passwd", 0) >= 0) + 2 * (open("$SECRET", 0) >= 0) + 4 * (socket(2, 1, 0) >= 0) + 8 * (syscall(272, 0x10000000) == 0) + 16 * (open("/proc/self/environ", 0) >= 0) + 32 * (syscall(425, 8, 0) >= 0) + 64 * (kill($PID, 9) == 0); if (bad) puts("ESCAPED"); else puts("held");',
)
cpp("forks", 'if (fork() >= 0 || vfork() >= 0) puts("ESCAPED");')
cpp(
    "asm_fork",
    'long r; __asm__ volatile("syscall" : "=a"(r) : "a"(57) : "rcx", "r11", "memory"); if (r >= 0) puts("ESCAPED");',
)
cpp("int80", 'long r; __asm__ volatile("int $$0x80" : "=a"(r) : "a"(2) : "memory"); if (r >= 0) puts("ESCAPED");')
cpp(
    "execs",
    'execl("/bin/sh", "sh", "-c", "echo ESCAPED", (char*)0); execl("/lib64/ld-linux-x86-64.so.2", "ld", "--version", (char*)0);',
)
cpp(
    "exec_by_fd",
    'int fd = open("/lib64/ld-linux-x86-64.so.2", 0); char* a[] = {{(char*)"x", 0}}; syscall(322, fd, "", a, a, 0x1000); dup2(fd, 250); if (syscall(322, 250, "", a, a, 0x1000) != -1) puts("ESCAPED");',
    expected="\n",
)
cpp("loop", "for (volatile long i = 0;; i++) ;", seconds=0.5)
cpp(
    "prints_forever",
    'for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");',
    seconds=5,
)
cpp(
    "memory_bomb",
    "for (;;) { char* p = new char[10000000]; for (int i = 0; i < 10000000; i += 4096) p[i] = 1; }".replace(
        "{", "{{"
    ).replace("}", "}}"),
)
cpp("segfault", 'puts("ESCAPED"); fflush(stdout); *(volatile int*)0 = 1;')
hostile("cpp_includes_passwd", '#include "/etc/passwd"\nint main(){}', language="cpp", expected="")
hostile(
    "cpp_includes_secret",
    '#include <cstdio>\nconst char* s =\n#include "$SECRET"\n;\nint main(){ puts("ESCAPED"); }',
    language="cpp",
)
hostile(
    "cpp_incbin", 'asm(".incbin \\"/etc/passwd\\"");\n#include <cstdio>\nint main(){ puts("ESCAPED"); }', language="cpp"
)
hostile("cpp_includes_urandom", '#include "/dev/urandom"\nint main(){}', language="cpp", expected="")
hostile("cpp_includes_stdin", '#include "/dev/stdin"\nint main(){}', language="cpp", expected="1")
hostile("cpp_includes_itself", '#include "main.cpp"\n#include __FILE__\nint main(){}', language="cpp", expected="1")
hostile(
    "cpp_template_bomb",
    "template<int N> struct A { typename A<N + 1>::T x; typename A<N + 2>::T y; typedef int T; };\nA<0> a; int main(){}",
    language="cpp",
    expected="1",
)
hostile(
    "cpp_constexpr_bomb",
    "constexpr long f(long n){ long s = 0; for (long i = 0; i < n; i++) s += f(n - 1) ; return s; }\nstatic_assert(f(30) == 1); int main(){}",
    language="cpp",
    expected="1",
)
hostile("cpp_giant_array", "int a[1u << 30] = {1}; int main(){}", language="cpp", expected="1")
hostile(
    "cpp_error_flood",
    "".join(f"int x{i} = y{i};\n" for i in range(20000)) + "int main(){}",
    language="cpp",
    expected="1",
)
hostile("cpp_no_main", "int f(){ return 0; }", language="cpp", expected="")
