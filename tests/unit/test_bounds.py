"""Nothing is waited for without a bound: every call that can wait for somebody else has one, or a reason for none."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.unit.sources import PROJECT, sources

TIMED = {
    "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "urllib.request.urlopen",
    "urlopen", "communicate", "result",
}  # fmt: skip
"""Must be given `timeout`, by name or in its place."""
COUNTED = {"wait": 1, "join": 1, "queue.get": 1, "acquire": 1, "create_connection": 2, "select": 1}
"""How many arguments they need before one of them can be a bound; `select.select` is looked at by itself."""
ALWAYS = {"subprocess.Popen", "socket.socket", "os.wait", "os.waitpid", "asyncio.open_connection", "pty.spawn"}
"""Have no bound of their own: whoever uses them sees to it, and says here how."""

A_PERSONS = "a session of the person who typed it"
A_SERVICE = "serves a lab for as long as it lives, and ends with it"
EXCUSED = {
    (
        "nordgate/preflight/kvm.py",
        "_listen",
        "subprocess.Popen",
    ): "read with select until the probe's deadline, then ended",
    ("nordgate/preflight/provider.py", "_started", "subprocess.Popen"): "read with select until a bound, then ended",
    ("nordgate/preflight/gather_facts.py", "_survey", "result"): "the probe's own bound ends it",
    ("nordgate/cli/access.py", "ssh", "subprocess.run"): A_PERSONS,
    ("nordgate/cli/access.py", "console", "subprocess.run"): A_PERSONS,
    ("nordgate/cli/render.py", "_begin", "subprocess.Popen"): "`_finish` waits for it, with a bound",
    (
        "nordgate/deployment/observe.py",
        "observe_gateways",
        "result",
    ): "what a host and a guest are asked has bounds of its own",
    ("nordgate/deployment/observe.py", "undeclared", "result"): "likewise",
    (
        "nordgate/cli/run_smoke.py",
        "smoke",
        "subprocess.run",
    ): "the check itself: each of its waits has a bound by the plan",
    ("smoke/conversation.py", "__init__", "subprocess.Popen"): "read with a bound for every line, and ended",
    ("smoke/engine/reactor.py", "__init__", "socket.socket"): "never blocks; the side gives up what takes too long",
    ("smoke/grpc_calls.py", "open", "asyncio.open_connection"): "within asyncio.timeout",
    ("toolchain/work.py", "__init__", "subprocess.Popen"): "waited for with a bound in `finish`, or ended",
    ("lab/inside.py", "execute", "subprocess.run"): "whoever wants something in a lab bounds it, and ends it",
    ("lab/dns.py", "main", "socket.socket"): A_SERVICE,
    ("lab/port_forwards.py", "_listen", "socket.socket"): "listens; whoever is given it serves",
    ("lab/forward.py", "_connection", "asyncio.open_connection"): "within asyncio.timeout",
    ("lab/forward.py", "_serve", "socket.socket"): A_SERVICE,
    ("lab/host.py", "keep_running", "subprocess.Popen"): A_SERVICE,
    ("lab/host.py", "_ended", "os.waitpid"): "looks, and does not wait",
    ("lab/link.py", "_keep_open", "socket.socket"): A_SERVICE,
    ("lab/links.py", "_start", "subprocess.Popen"): "its first word is waited for with a bound",
    ("lab/processes.py", "start_child", "subprocess.Popen"): "looked for until its bound",
}
"""File, function, call: why it needs no bound there."""


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call of ours, with its file and the innermost function around it."""
    for path in sources():
        yield from _calls(str(path.relative_to(PROJECT)), "(the module)", ast.parse(path.read_text()))


def _calls(file: str, function: str, node: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if isinstance(child, ast.Call):
            yield file, inner, child
        yield from _calls(file, inner, child)


def unbounded(call: ast.Call) -> str | None:
    """What the call is, when it may wait and nothing in it says for how long."""
    name = ast.unparse(call.func)
    last = "queue.get" if name.endswith("queue.get") else name.rpartition(".")[2]
    words = {keyword.arg for keyword in call.keywords}
    given = len(call.args) + len(words - {None})
    if name in ALWAYS:
        return name
    if name in TIMED or (last in TIMED and "." in name):
        return None if "timeout" in words or (last in ("communicate", "result") and call.args) else _short(name, last)
    if name == "select.select":
        return None if len(call.args) == 4 else name
    if last == "flock":
        return None if "LOCK_NB" in ast.unparse(call) else name
    # A word more than it needs is taken for its bound: it has none other.
    return last if last in COUNTED and "." in name and given < COUNTED[last] else None


def _short(name: str, last: str) -> str:
    return name if name.startswith(("subprocess.", "urllib.")) else last


def test_whatever_waits_has_a_bound_or_a_reason() -> None:
    found = {(file, function, what) for file, function, call in calls() if (what := unbounded(call))}
    assert found - EXCUSED.keys() == set(), "give it a bound, and say in the message what was waited for"
    assert EXCUSED.keys() - found == set(), "is excused and is not there (any more)"


def test_what_it_looks_for_is_found() -> None:
    """Each of these would wait for ever."""
    for text in (
        "subprocess.run(['ssh'])", "subprocess.check_output(words)", "process.wait()", "process.communicate()",
        "thread.join()", "queue.get()", "future.result()", "fcntl.flock(file, fcntl.LOCK_EX)", "os.wait()",
        "urllib.request.urlopen(url)", "socket.create_connection(address)", "select.select([a], [], [])",
        "selector.select()", "subprocess.Popen(words)", "lock.acquire()", "self._process.wait()",
    ):  # fmt: skip
        assert unbounded(ast.parse(text, mode="eval").body), text  # type: ignore[arg-type]
    for text in (
        "subprocess.run(['ssh'], timeout=5)", "process.wait(5)", "process.communicate(timeout=5)", "done.wait(0.2)",
        "', '.join(words)", "mapping.get(key)", "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "socket.create_connection(address, 5)", "select.select([a], [], [], 5)", "urlopen(url, timeout=5)",
    ):  # fmt: skip
        assert not unbounded(ast.parse(text, mode="eval").body), text  # type: ignore[arg-type]
