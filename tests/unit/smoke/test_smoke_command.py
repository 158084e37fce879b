"""`python -m smoke` as a person and as Pulumi see it: exit codes, the standard output, the error output."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args
from unittest.mock import patch

import pytest

from smoke import handshakes, http1
from smoke.cli import main, parser, plan_of
from smoke.readiness import Pace
from tests.tables import first
from tests.unit.smoke.conftest import NOT_NGINX

ROOT = Path(__file__).resolve().parents[3]
CERTIFICATE = "/srv/nordgate/tls/gateway.crt"
LOAD = {"rate": 200, "durationSeconds": 0.5, "warmUpSeconds": 0.1, "connections": 4}


@pytest.fixture
def plan(server: Any, guest: Any, certificate: Path) -> dict[str, Any]:
    guest.set(files={CERTIFICATE: certificate.read_text()})
    return {
        "stack": "oslo-test",
        "gateway": "gw1",
        "serverName": "api.test.localhost",
        "url": f"https://api.test.localhost:{server.port}",
        "connect": f"127.0.0.1:{server.port}",
        "trust": {"guestCertificate": CERTIFICATE},
        "libvirt": {"uri": "test:///fake", "domain": "gw1", "consoleLog": "/nonexistent"},
        "contentHash": "new",
        "skip": NOT_NGINX,
        "load": LOAD,
        "budget": {"p50": 2000},
    }


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def smoke(*words: str, stdin: str = "") -> Done:
    """What `python -m smoke` does, without a process of its own: starting one costs more than most of the checks."""
    out, err = io.StringIO(), io.StringIO()
    with patch("sys.stdin", io.StringIO(stdin)), redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Done(code, out.getvalue(), err.getvalue())


def test_good_gateway_passes_with_a_small_json_and_a_plain_table(plan: dict[str, Any], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "smoke", "--plan", "-", "--report", str(tmp_path / "reports")],
        input=json.dumps(plan), capture_output=True, text=True, cwd=ROOT, env={**os.environ, "FORCE_COLOR": "1"},
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["tls"], found["verified"], found["errors"]) == ("pass", "TLSv1.3", True, 0)
    assert found["count"] == 100
    assert len(done.stdout) < 500
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) < 25
    written = json.loads((tmp_path / "reports" / "oslo-test-gw1.json").read_text())
    assert written["lines"][0]["what"] == "ready"


def test_budget_that_is_not_kept_fails_and_says_which(plan: dict[str, Any], server: Any) -> None:
    server.delay = lambda *_: 0.5
    done = smoke(
        "--plan",
        "-",
        stdin=json.dumps(
            plan | {"budget": {"p50": 20}, "load": LOAD | {"rate": 30, "durationSeconds": 1, "connections": 32}}
        ),
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["failing"][0].startswith("p50 is 5")
    assert done.stderr.splitlines()[-1].startswith("FAIL: p50 is 5")


def test_gateway_without_an_upstream_fails_before_any_load(plan: dict[str, Any], server: Any) -> None:
    server.body = "<html><center>nginx</center></html>"
    done = smoke("--plan", "-", "--json", stdin=json.dumps(plan))
    assert done.returncode == 1
    assert json.loads(done.stdout)["failing"] == ["/ is 200, nginx's own page, wanted 200 from an upstream"]
    assert server.requests == 2


def test_guest_that_is_not_ready_shows_console_and_cloud_init(plan: dict[str, Any], guest: Any, tmp_path: Path) -> None:
    (tmp_path / "console").write_text("Kernel panic\n")
    plan["libvirt"]["consoleLog"] = str(tmp_path / "console")
    status = json.dumps({"v1": {"init": {"errors": ["bad seed"]}}})
    guest.set(boot=None, files={"/run/cloud-init/status.json": status})
    done = smoke("--plan", "-", stdin=json.dumps(plan | {"readiness": {"timeoutSeconds": 0.5}}))
    assert done.returncode == 1
    assert "Kernel panic" in done.stderr
    assert "init: bad seed" in done.stderr
    assert "waited for the guest to write /run/nordgate/boot.json" in done.stderr.splitlines()[-1]
    assert "waited for" in json.loads(done.stdout)["problem"]


def test_a_failed_check_keeps_its_evidence_in_one_folder(
    plan: dict[str, Any], server: Any, guest: Any, tmp_path: Path
) -> None:
    (tmp_path / "console").write_text("booted\n")
    plan["libvirt"]["consoleLog"] = str(tmp_path / "console")
    server.body = "<html><center>nginx</center></html>"
    guest.set(files={CERTIFICATE: guest.get("files")[CERTIFICATE], "/srv/nordgate/log/error.log": "no upstream\n"})
    done = smoke("--plan", "-", "--report", str(tmp_path / "reports"), stdin=json.dumps(plan))
    assert done.returncode == 1
    folder = tmp_path / "reports" / "oslo-test-gw1-evidence"
    assert f"evidence: {folder}" in done.stderr
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found["console.log"] == "booted\n"
    assert found["nginx-error.log"] == "no upstream\n"
    assert found["domain.xml"].startswith("running")
    assert {"boot.json", "cloud-init.log", "cloud-init-output.log"} <= found.keys()


OWN = "/srv/nordgate/tls/self-signed/server.crt"


def test_only_the_certificate_that_a_guest_has_made_itself_is_pinned(
    plan: dict[str, Any], guest: Any, certificate: Path
) -> None:
    guest.set(files=guest.get("files") | {OWN: certificate.read_text()})
    plan |= {
        "names": ["www.example.com"],
        "trust": {"guestCertificate": CERTIFICATE, "selfSigned": OWN},
        "load": None,
        "budget": {},
    }
    assert smoke("--plan", "-", stdin=json.dumps(plan)).returncode == 0
    guest.set(files=guest.get("files") | {OWN: "another"})
    done = smoke("--plan", "-", stdin=json.dumps(plan))
    assert done.returncode == 1
    assert json.loads(done.stdout)["failing"] == [
        "certificate is it is not for www.example.com: only for api.test.localhost; it is signed by itself, and was "
        "not made by this gateway: no client trusts it, wanted accepted by clients"
    ]


def test_a_delivered_certificate_is_judged_by_what_clients_are_declared_to_trust(
    plan: dict[str, Any], certificate: Path
) -> None:
    trust = {"guestCertificate": CERTIFICATE, "selfSigned": OWN, "caCertificate": certificate.read_text()}
    done = smoke("--plan", "-", stdin=json.dumps(plan | {"names": ["api.test.localhost"], "trust": trust}))
    assert done.returncode == 0, done.stderr
    assert "issued by gateway, until" in done.stderr


@pytest.mark.parametrize(
    ("broken", "why", "do"),
    [
        ({"connected_after": 1_000_000}, "the guest agent of gw1 is not connected", "start the agent again"),
        ({"refuse": ["guest-file-open"]}, "the guest agent of gw1 refuses guest-file-open", "allow the guest agent"),
        ({"refuse": ["guest-exec"]}, "the guest agent of gw1 refuses guest-exec", "allow the guest agent"),
        ({"error": "failed to connect to the hypervisor"}, "cannot reach libvirt at test:///fake", "look at libvirt"),
    ],
    ids=["dead", "refuses all", "refuses commands", "libvirt is down"],
)
def test_a_gateway_that_serves_with_a_guest_that_cannot_be_asked_is_proved_from_outside(
    plan: dict[str, Any],
    guest: Any,
    broken: dict[str, Any],
    why: str,
    do: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest.set(**broken)
    spared = Pace().grace
    monkeypatch.setattr("smoke.readiness.Pace", partial(Pace, poll=0.1, grace=0.3))
    begun = time.monotonic()
    whole = plan | {"guest": {}, "onInconclusive": "warn", "readiness": {"timeoutSeconds": 240}}
    done = smoke("--plan", "-", "--report", str(tmp_path), stdin=json.dumps(whole))
    assert time.monotonic() - begun + spared < 30
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"]) == (3, "inconclusive"), "what nobody could tell is no pass"
    assert f"could not tell: {why}" in done.stderr
    assert "INCONCLUSIVE: the gateway serves, and its guest cannot be asked" in done.stderr
    assert f"do:       {do}" in done.stderr
    assert (found["count"], found["errors"]) == (100, 0), "what can be measured from outside is"
    assert found["verified"] is ("guest-exec" in broken.get("refuse", []))


@pytest.mark.parametrize("name", ["other.localhost", "127.0.0.9"])
def test_certificate_of_another_server_is_not_trusted(plan: dict[str, Any], name: str) -> None:
    done = smoke("--plan", "-", stdin=json.dumps(plan | {"serverName": name}))
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert f"the certificate of {name} at 127.0.0.1:" in said
    assert re.search(r"[^.]\.$", said), "one sentence ends with one full stop"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--plan", "/nonexistent"], 2, "cannot read the plan"),
        (["--plan", "-", "--p99", "5"], 2, "--p99: only with --target"),
        (["--target", "http://h"], 2, "must be https://HOST"),
        (
            ["--target", "https://h", "--p99", "5", "--rate", "2"],
            2,
            "p99 is judged from 1,000 requests on, and the run",
        ),
        (["--target", "https://h", "--p99", "5", "--proofs-only"], 2, "--p99: with --proofs-only no budget is judged"),
        (["--target", "https://h", "--p50", "5", "--profile", "sources-wrk"], 2, "no budget is judged"),
        (["--target", "https://h", "--cafile", "/nonexistent"], 2, "cannot read the CA file"),
        (["--target", "https://127.0.0.1:1"], 1, "127.0.0.1:1 refuses the connection"),
        (["--target", "https://[::1]:1"], 1, "[::1]:1 refuses the connection"),
        (["--target", "https://nothing.invalid"], 1, "there is no address for nothing.invalid"),
    ],
)
def test_problem_is_one_sentence_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    assert main(words) == code
    assert sentence in capsys.readouterr().err


def test_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--targt"])
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("trust", [["--cafile"], ["--insecure"]])
def test_network_only_check_needs_no_guest(server: Any, certificate: Path, trust: list[str]) -> None:
    trust = [*trust, str(certificate)] if trust == ["--cafile"] else trust
    url = f"https://api.test.localhost:{server.port}"
    brief = [word for name in NOT_NGINX for word in ("--skip", name)]
    brief += ["--rate", "100", "--duration", "0.3", "--warm-up", "0", "--p50", "5000"]
    done = smoke("--target", url, "--connect", f"127.0.0.1:{server.port}", *trust, *brief)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"] is (trust != ["--insecure"])
    assert ("NOT verified" in done.stderr) is (trust == ["--insecure"])


def test_profile_is_a_load_of_the_gateway_alone(tmp_path: Path) -> None:
    whole = {"stack": "s", "gateway": "g", "url": "https://h", "baseline": "http://up/", "load": LOAD}
    whole |= {"budget": {"p50": 9, "overhead": {"p50": 1}}, "routes": {"/x": {"overhead": {"p50": 2}}}}
    (tmp_path / "plan.json").write_text(json.dumps(whole))
    plan = plan_of(parser().parse_args(["--plan", str(tmp_path / "plan.json"), "--profile", "10k"]))
    assert plan.load is not None
    assert (plan.load.connections, plan.baseline) == (10_000, None)
    # Without a baseline nothing is over it; everything else is held to.
    assert plan.budget_of(plan.vantages[0], "/x").declared == {"p50": 0.009}


@pytest.mark.parametrize(
    ("proof", "ends", "sentence"),
    [
        ("http2", True, "fails the TLS handshake: unexpected eof while reading."),
        *(
            (proof, False, "does not answer within 10 s.")
            for proof in ("tls-floor", "ciphers", "http2", "resumption", "unknown-host", "version")
        ),
    ],
)
def test_gateway_that_stops_answering_between_proofs_is_one_sentence(
    doorkeeper: Any, certificate: Path, proof: str, ends: bool, sentence: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for module in (handshakes, http1):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.5)
    door = doorkeeper(lets_in=3, ends=ends)
    skipped = [word for name in NOT_NGINX if name != proof for word in ("--skip", name)]
    words = ["--target", f"https://api.test.localhost:{door.port}", "--connect", f"127.0.0.1:{door.port}"]
    assert main([*words, "--cafile", str(certificate), "--proofs-only", *skipped]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"FAIL: 127.0.0.1:{door.port} {sentence}"


Phase = Literal["load", "agent", "boot", "proofs over TLS", "proofs in the guest"]


@pytest.mark.parametrize("phase", first(2, get_args(Phase)))
def test_ctrl_c_ends_every_phase_cleanly(
    plan: dict[str, Any], server: Any, guest: Any, doorkeeper: Any, phase: Phase
) -> None:
    """As from a terminal: the whole group of processes gets the signal."""
    door = doorkeeper(lets_in=2 if phase == "proofs over TLS" else 1000)
    plan["connect"], plan["load"]["durationSeconds"] = f"127.0.0.1:{door.port}", 60
    if phase == "agent":
        guest.set(connected_after=1_000_000)
    elif phase == "boot":
        guest.set(boot=None)
    elif phase == "proofs over TLS":
        plan["skip"] = [name for name in NOT_NGINX if name != "http2"]
    elif phase == "proofs in the guest":
        guest.set(endless=True)
        plan["guest"] = {}
    reached: Callable[[], Any] = {
        "agent": lambda: guest.get("looks"),
        "boot": lambda: "guest-file-open" in (guest.get("commands") or []),
        "proofs over TLS": lambda: len(door.kept) == 5,
        "proofs in the guest": lambda: "guest-exec-status" in (guest.get("commands") or []),
        "load": lambda: server.requests > 10,
    }[phase]
    # A shell that was started in the background ignores the signal, and so would all that is started from it.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "smoke", "--plan", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, start_new_session=True
    ) as running:
        assert running.stdin is not None
        running.stdin.write(json.dumps(plan))
        running.stdin.close()
        running.stdin = None
        end = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < end, f"it never came to the phase {phase}"
            time.sleep(0.02)
        stopped = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "smoke: stopped; nothing was changed."
    assert "Traceback" not in err
    assert time.monotonic() - stopped < 5, "a handshake alone would wait for ten seconds"
