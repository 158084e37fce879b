"""Sentences of other programs are recognised in one place for each, and are asked for in English.

What the libvirt provider says, in nordgate/preflight/refusals.py, comes from Go, which translates nothing.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nordgate.hypervisor.libvirt_messages
import toolchain.tool_messages
from nordgate.hypervisor.host_commands import HostCommands
from nordgate.hypervisor.virsh import Hypervisor
from toolchain import debian_host, work

CHECKOUT = Path(__file__).parents[2]
LAYERS = (
    "components",
    "hosts",
    "image",
    "lab",
    *(f"nordgate/{name}" for name in ("cli", "deployment", "hypervisor", "preflight")),
    "smoke",
    "toolchain",
)
"""The others start no programs."""
METHODS = ("startswith", "endswith", "partition", "rpartition", "find", "index")
ELSEWHERE = {
    "smoke/certificates.py": "OpenSSL's reason for refusing a certificate, which has no translations",
    "smoke/reading.py": "openssl in the guest, asked by a script that sets LC_ALL",
    "nordgate/preflight/host_checks.py": "the kinds of devices that `ip -details` prints, which has no translations",
    "nordgate/cli/render.py": "the head of a traceback of our own program, which Python never translates",
}
"""Modules that read what one script of their own prints, and why its language is known."""


def sentences(module: Path) -> list[str]:
    """Literals of two words or more that the module looks for in another text."""
    found = []
    for node in ast.walk(ast.parse(module.read_text())):
        looked_for: list[ast.expr] = []
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            looked_for = [node.left]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in METHODS:
            looked_for = list(node.args)
        texts = [part for word in looked_for for part in ast.walk(word) if isinstance(part, ast.Constant)]
        found += [text.value for text in texts if isinstance(text.value, str)]
    return [text for text in found if re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", text)]


def test_no_other_module_looks_for_a_sentence() -> None:
    modules = [path for layer in LAYERS for path in sorted((CHECKOUT / layer).rglob("*.py"))]
    named = {str(path.relative_to(CHECKOUT)): sentences(path) for path in modules}
    allowed = {
        "nordgate/hypervisor/libvirt_messages.py",
        "nordgate/preflight/refusals.py",
        "toolchain/tool_messages.py",
        *ELSEWHERE,
    }
    assert {module: texts for module, texts in named.items() if texts and module not in allowed} == {}


def test_a_sentence_is_seen_however_it_is_looked_for(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"no such x" in said\n"no such y" not in said\nsaid.startswith("no such z")\n"word" in said\n')
    assert sentences(module) == ["no such x", "no such y", "no such z"]


@pytest.mark.parametrize("words", [nordgate.hypervisor.libvirt_messages, toolchain.tool_messages])
def test_no_sentence_means_two_things(words: object) -> None:
    said = [text for member in words.Said for text in member.value]  # type: ignore[attr-defined]
    assert [(a, b) for a in said for b in said if a != b and a in b] == []
    assert len(said) == len(set(said))


SHOW = "import json, os; print(json.dumps([os.environ.get(n) for n in ('LC_ALL', 'LANGUAGE')]))"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose programs speak Norwegian."""
    for name in ("LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.setenv(name, "nb_NO.UTF-8")
    monkeypatch.setenv("LANGUAGE", "nb:de")


@pytest.mark.usefixtures("elsewhere")
def test_virsh_and_commands_on_hosts_are_asked_in_english() -> None:
    _, environment = Hypervisor("qemu:///system").command("list")
    assert (environment["LC_ALL"], environment["LANGUAGE"]) == ("C", "")
    assert json.loads(HostCommands("qemu:///system").run([sys.executable, "-c", SHOW])) == ["C", ""]


@pytest.mark.usefixtures("elsewhere")
def test_tools_are_asked_in_english() -> None:
    assert json.loads(work.run("Asking", [sys.executable, "-c", SHOW])) == ["C.UTF-8", ""]
    assert json.loads(debian_host.run([sys.executable, "-c", SHOW])) == ["C.UTF-8", ""]


@pytest.mark.usefixtures("elsewhere")
def test_a_full_disk_is_told_as_one_in_every_language() -> None:
    """`cp` has the sentence from the C library, which translates it."""
    done = subprocess.run(
        ["cp", "/etc/hostname", "/dev/full"],
        env={"PATH": "/usr/bin:/bin", **toolchain.tool_messages.ENGLISH},
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    assert toolchain.tool_messages.Said.DISK_FULL.within(done.stderr)


def test_virsh_really_says_what_is_recognised_of_it() -> None:
    """The client's own sentences, of the virsh that is installed, about an address where no libvirt listens."""
    command, environment = Hypervisor("qemu:///system?socket=/nonexistent/libvirt-sock").command("-q", "domstate", "x")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=20)
    assert nordgate.hypervisor.libvirt_messages.Said.UNREACHED.within(done.stderr)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("domstate", "nobody"), nordgate.hypervisor.libvirt_messages.Said.NO_DOMAIN),
        (("vol-dumpxml", "nothing", "--pool", "default-pool"), nordgate.hypervisor.libvirt_messages.Said.NO_VOLUME),
        (("pool-refresh", "nowhere"), nordgate.hypervisor.libvirt_messages.Said.NO_POOL),
        (("qemu-agent-command", "test", "{}"), None),
    ],
)
def test_virsh_says_of_missing_things_what_is_recognised(
    command: tuple[str, ...], said: nordgate.hypervisor.libvirt_messages.Said | None
) -> None:
    """Asked of libvirt's test driver, which every virsh has inside."""
    words, environment = Hypervisor("test:///default").command("-q", *command)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode != 0
    assert [member for member in nordgate.hypervisor.libvirt_messages.Said if member.within(done.stderr)] == (
        [said] if said else []
    )
