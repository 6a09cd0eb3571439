"""Benign programs as a table: what contest solutions do, each with the output it must be graded correct for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Benign:
    """A right program, its input, and the output expected of it (a value for a call)."""

    name: str
    code: str
    given: object = "3 4\n"
    expected: object = "7\n"
    kind: str = "stdin"
    language: str = "python"
    fn_name: str = "f"
    seconds: float = 3.0


CASES: list[Benign] = []


def benign(name: str, code: str, **rest: object) -> None:
    CASES.append(Benign(name=name, code=code, **rest))  # type: ignore[arg-type]


ADD = "print(sum(map(int, {0}.split())))"
benign("input", ADD.format("input()"))
benign("stdin_read", "import sys\n" + ADD.format("sys.stdin.read()"))
benign("stdin_lines", "import sys\nfor line in sys.stdin: " + ADD.format("line"))
benign("stdin_readline", "import sys\ninput = sys.stdin.readline\n" + ADD.format("input()"))
benign("stdin_buffer", "import sys\n" + ADD.format("sys.stdin.buffer.read()"))
benign("stdin_buffer_raw", "import os\n" + ADD.format("os.read(0, 100)"))
benign("open_0", ADD.format("open(0).read()"))
benign("dev_stdin", ADD.format("open('/dev/stdin').read()"))
benign("fileinput", "import fileinput\nfor line in fileinput.input(): " + ADD.format("line"))
benign("until_eof", "t = 0\ntry:\n    while True: t += sum(map(int, input().split()))\nexcept EOFError: print(t)")
benign("no_input_read", "print(7)")
benign("empty_input", "import sys; print(len(sys.stdin.read()) + 7)", given="")
benign(
    "big_input",
    "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
    given="1 " * 2_000_000,
    expected="2000000",
)
benign("large_output", "print('\\n'.join(map(str, range(600000))))", expected="\n".join(map(str, range(600000))))
benign("one_huge_line", "print('x' * 4_000_000)", expected="x" * 4_000_000)
benign("unicode", "print(input()[::-1])", given="åß漢字🙂\n", expected="🙂字漢ßå\n")
benign(
    "deep_recursion",
    "import sys\nsys.setrecursionlimit(10 ** 6)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(100000))",
    expected="100000",
)
benign(
    "deep_recursion_cached",
    "import sys, functools\nsys.setrecursionlimit(10 ** 6)\n@functools.lru_cache(None)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(20000))",
    expected="20000",
)
benign(
    "recursion_in_a_thread",
    "import sys, threading\nsys.setrecursionlimit(10 ** 6)\nthreading.stack_size(1 << 26)\ndef f(n): return n and 1 + f(n - 1)\nt = threading.Thread(target=lambda: print(f(50000)))\nt.start(); t.join()",
    expected="50000",
)
benign(
    "threads",
    "import threading\nout = []\nts = [threading.Thread(target=out.append, args=(i,)) for i in range(16)]\n[t.start() for t in ts]; [t.join() for t in ts]; print(sum(out))",
    expected="120",
)
benign(
    "thread_not_joined", "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print(7))).start()"
)
benign(
    "thread_pool",
    "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as p: print(sum(p.map(lambda x: x * x, range(5))))",
    expected="30",
)
benign(
    "library",
    "import heapq, collections, itertools, re, math, decimal, fractions, bisect, functools, operator, string, datetime, statistics, random, copy, array, json, typing, enum, dataclasses\nh = [3, 1]; heapq.heapify(h)\nprint(heapq.heappop(h), collections.Counter('aab')['a'], len(list(itertools.permutations(range(3)))), re.sub('a', 'b', 'aa'), math.gcd(4, 6), decimal.Decimal('0.1') + decimal.Decimal('0.2'), fractions.Fraction(1, 3) + 1)",
    expected="1 2 6 bb 2 0.3 4/3",
)
benign(
    "late_imports",
    "import difflib, csv, sqlite3, hashlib, base64, textwrap, uuid, zoneinfo, ctypes, asyncio, calendar, pprint, unicodedata, lzma, bz2, zlib, secrets, numbers, cmath, graphlib, queue, shlex, tempfile, pathlib, contextlib, traceback, logging, unittest, timeit\nprint(7)",
)
benign(
    "asyncio",
    "import asyncio\nasync def main():\n    await asyncio.sleep(0.01)\n    return 7\nprint(asyncio.run(main()))",
)
benign("float_tolerance", "print(1 / 3)", expected="0.333333\n")
benign("float_formats", "print('%.10f %e %g' % (2.5, 2.5, 2.5))", expected="2.5 2.50 2.5000001")
benign("trailing_whitespace", "print('7  \\n\\n')")
benign("no_final_newline", "print(7, end='')")
benign("windows_newlines", "import sys; sys.stdout.write('1\\r\\n2\\r\\n')", expected="1\n2\n")
benign(
    "slow_within_limit",
    "t = 0\nfor i in range(6_000_000): t += i\nprint(t)",
    expected=str(6_000_000 * 5_999_999 // 2),
    seconds=5,
)
benign(
    "memory_within_limit",
    "x = bytearray(b'x') * 150_000_000; y = list(range(1_000_000)); print(len(x) + len(y))",
    expected="151000000",
)
benign("sys_exit_0", "import sys; print(7); sys.exit(0)")
benign("sys_exit_none", "import sys; print(7); sys.exit()")
benign("exit_builtin", "print(7); exit()")
benign("quit_builtin", "print(7); quit(0)")
benign("os_exit_flushed", "import os; print(7, flush=True); os._exit(0)")
benign(
    "atexit_output",
    "import atexit, io, sys\nout = io.StringIO(); atexit.register(lambda: sys.__stdout__.write(out.getvalue())); out.write('7')",
)
benign(
    "fast_output",
    "import sys, os\nfrom io import BytesIO, IOBase\nclass F(IOBase):\n    def __init__(self): self.b = BytesIO()\n    def flush(self): os.write(1, self.b.getvalue()); self.b = BytesIO()\nf = F(); f.b.write(b'7\\n'); f.flush()",
)
benign(
    "stdout_replaced", "import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint(7)"
)
benign("stderr", "import sys; print('debug' * 1000, file=sys.stderr); print(7)")
benign("warning", "import warnings; warnings.warn('x'); print(7)")
benign(
    "tempfile",
    "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('7'); f.seek(0); print(f.read())",
)
benign(
    "own_files",
    "import os\nos.makedirs('a/b'); open('a/b/c', 'w').write('7'); print(open('a/b/c').read()); os.remove('a/b/c'); os.removedirs('a/b')",
)
benign("sleep", "import time; time.sleep(0.5); print(7)")
benign("main_guard", "def main(): " + ADD.format("input()") + "\nif __name__ == '__main__':\n    main()")
benign("dataclass", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(7).x)")
benign("pickle_of_main", "import pickle\nclass A: x = 7\nprint(pickle.loads(pickle.dumps(A())).x)")
benign(
    "randomness",
    "import random, secrets, os, uuid\nassert len(os.urandom(8)) == 8 and uuid.uuid4()\nprint(7 + random.randint(0, 0))",
)
benign(
    "clock",
    "import time, datetime\nt = time.perf_counter(); time.time(); datetime.datetime.now(); time.process_time(); print(7)",
)
benign("alarm", "import signal\nsignal.signal(signal.SIGALRM, lambda *a: print(7)); signal.alarm(1); signal.pause()")
benign("gc", "import gc\ngc.disable(); gc.collect(); gc.enable(); print(7)")
benign("big_numbers", "print(len(str(2 ** 10000)))", expected="3011")
benign("bigger_numbers", "import sys\nsys.set_int_max_str_digits(0)\nprint(len(str(2 ** 30000)))", expected="9031")
benign(
    "set_rlimit",
    "import resource\nresource.setrlimit(resource.RLIMIT_STACK, resource.getrlimit(resource.RLIMIT_STACK)); print(7)",
)
benign("fenced", "Here:\n```python\nprint(7)\n```\nIt adds.")
benign("fenced_twice", "```\nprint(1)\n```\nno:\n```py\nprint(7)\n```")
benign("exec_in_code", "exec('print(7)')")
benign("crlf_source", "print(3)\r\nprint(4)\r\n", expected="3\n4")
benign("future_import", "from __future__ import annotations\nprint(7)")
benign("byte_order_mark", "\ufeffprint(7)")
benign("file_name", "print(7 if __file__ else 0)")
benign("call", "def f(a, b): return a + b", kind="call", given=[3, 4], expected=7)
benign(
    "call_method",
    "class Solution:\n    def add(self, a: List[int], b: Optional[int] = None) -> int: return sum(a) + b",
    kind="call",
    fn_name="add",
    given=[[3], 4],
    expected=7,
)
benign(
    "call_dotted",
    "class Solution:\n    def add(self, a, b): return a + b",
    kind="call",
    fn_name="Solution.add",
    given=[3, 4],
    expected=7,
)
benign(
    "call_prelude",
    "def f(a):\n    h = []\n    heappush(h, a)\n    return deque(h)[0] + len(defaultdict(int)) + bisect_left([1], 0) + math.floor(0.5)",
    kind="call",
    given=[7],
    expected=7,
)
benign("call_prints", "def f(a): print('debug'); return a", kind="call", given=[7], expected=7)
benign(
    "call_tuple",
    "def f(a): return (a, [1.0, None, True, 'x'])",
    kind="call",
    given=[7],
    expected=[7, [1, None, True, "x"]],
)
benign("call_float", "def f(a): return 1 / 3", kind="call", given=[7], expected=0.3333333)
benign("call_int_for_float", "def f(a): return 2", kind="call", given=[7], expected=2.0)
benign(
    "call_dict",
    "from collections import Counter\ndef f(a): return Counter(a)",
    kind="call",
    given=["aab"],
    expected={"a": 2, "b": 1},
)
benign(
    "call_text",
    "def f(a): return a[::-1]",
    kind="call",
    given=["a\u2028\ud83d\ude42".encode("utf-16", "surrogatepass").decode("utf-16")],
    expected="🙂\u2028a",
)
benign("call_big_int", "def f(a): return 10 ** a", kind="call", given=[6000], expected=10**6000)
benign("call_none", "def f(a): pass", kind="call", given=[1], expected=None)
benign(
    "call_with_main",
    "def f(a): return a\nif __name__ == '__main__':\n    print(f(int(input())))",
    kind="call",
    given=[7],
    expected=7,
)
benign(
    "call_recursion",
    "import sys\nsys.setrecursionlimit(10 ** 6)\ndef f(n): return n and 1 + f(n - 1)",
    kind="call",
    given=[50000],
    expected=50000,
)
CPP_ADD = "int main(){ long long a, b; std::cin >> a >> b; std::cout << a + b << std::endl; }"
benign("cpp", "#include <iostream>\n" + CPP_ADD, language="cpp")
benign(
    "cpp_everything",
    '#include <bits/stdc++.h>\nusing namespace std;\nint main(){ ios::sync_with_stdio(false); cin.tie(nullptr); vector<int> v; int x; while (cin >> x) v.push_back(x); sort(v.begin(), v.end()); map<string, int> m; m["a"] = accumulate(v.begin(), v.end(), 0); random_device rd; mt19937 g(rd()); auto t = chrono::steady_clock::now(); cerr << "debug"; printf("%d\\n", m["a"]); return 0; }',
    language="cpp",
)
benign("cpp_fenced", "```cpp\n#include <iostream>\n" + CPP_ADD + "\n```", language="cpp")
benign(
    "cpp_recursion",
    '#include <cstdio>\nint f(int n){ volatile char pad[64]; pad[0] = 1; return n ? pad[0] + f(n - 1) : 0; }\nint main(){ printf("%d\\n", f(500000)); }',
    language="cpp",
    expected="500000",
)
benign(
    "cpp_arrays",
    '#include <cstdio>\nstatic int a[30000000];\nint main(){ for (int i = 0; i < 30000000; i++) a[i] = 1; long s = 0; for (int x : a) s += x; printf("%ld\\n", s); }',
    language="cpp",
    expected="30000000",
)
benign(
    "cpp_threads",
    '#include <thread>\n#include <cstdio>\n#include <vector>\nint main(){ std::vector<std::thread> t; int s[4]; for (int i = 0; i < 4; i++) t.emplace_back([&s, i]{ s[i] = i; }); for (auto& x : t) x.join(); printf("%d\\n", s[0] + s[1] + s[2] + s[3]); }',
    language="cpp",
    expected="6",
)
benign(
    "cpp_20",
    "#include <ranges>\n#include <iostream>\n#include <vector>\nint main(){ std::vector<int> v{3, 4}; int s = 0; for (int x : v | std::views::reverse) s += x; std::cout << s; }",
    language="cpp",
)
benign(
    "cpp_call",
    "class Solution { public: int add(vector<int>& a, int b) { return accumulate(a.begin(), a.end(), b); } };",
    kind="call",
    language="cpp",
    fn_name="add",
    given=[[3], 4],
    expected=7,
)
benign(
    "cpp_call_strings",
    "vector<string> f(string s, vector<vector<double>> v, bool b) { if (!b) return {}; sort(s.begin(), s.end()); return {s, to_string((int)v[1][0])}; }",
    kind="call",
    language="cpp",
    given=['cab"\n\\', [[], [7.5]], True],
    expected=['\n"\\abc', "7"],
)
