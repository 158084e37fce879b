"""What one look into a guest gives, check by check, from what the guest's programs print."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import time
from pathlib import Path

import pytest

from cloudinit import PLATFORMS, Check, GatewaySettings, GuestSettings, checks_for
from smoke.guest_proofs import prove
from smoke.plan import GuestPromises
from smoke.reading import Reading
from smoke.reading_script import script
from smoke.verdict import Verdict

UNITS = """Id=nginx.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=chrony.service
LoadState=loaded
ActiveState=active
UnitFileState=disabled

Id=nordgate-boot.service
LoadState=masked
ActiveState=active
UnitFileState=masked
"""
CERTIFICATE = """X509v3 Subject Alternative Name:
    DNS:api.example.net, DNS:*.example.org, IP Address:10.8.0.11
notAfter=Nov 25 08:00:00 2036 GMT
sha256 Fingerprint=AB:CD:EF
Certificate will not expire
"""
READING = Reading(
    {
        "nginx-t": "ok\n",
        "units": UNITS,
        "failed": "",
        "space": "1000 40 500 400 /\n2000 1000 0 0 /srv/nordgate\n",
        "memory": "MemTotal:         768000 kB\nMemFree:  1 kB\nMemAvailable:     384000 kB\n",
        "/proc/sys/net/netfilter/nf_conntrack_count": "999\n",
        "/proc/sys/net/netfilter/nf_conntrack_max": "1000\n",
        "firewall": "as declared\n",
        "certificate": CERTIFICATE,
    }
)
EMERGENCY = 'nginx: [warn] conflicting name\nnginx: [emerg] SSL_CTX_use_PrivateKey("/k") failed\nnginx: test failed\n'


def changed(**sections: str) -> Reading:
    return Reading({**READING.sections, **{name.replace("_", "-"): text for name, text in sections.items()}})


@pytest.mark.parametrize(
    ("check", "reading", "verdict", "found"),
    [
        (Check("config-test", "nginx -t", "==", "ok", ""), READING, "pass", "ok"),
        (Check("config-test", "nginx -t", "==", "ok", ""), changed(nginx_t="nginx: [warn] x\nok\n"), "pass", "ok"),
        (
            Check("config-test", "nginx -t", "==", "ok", ""),
            changed(nginx_t=EMERGENCY),
            "fail",
            '[emerg] SSL_CTX_use_PrivateKey("/k") failed',
        ),
        (Check("unit", "nginx.service", "==", "active", ""), READING, "pass", "active"),
        (Check("unit", "chrony.service", "==", "active, enabled", ""), READING, "fail", "active, disabled"),
        (Check("unit", "nordgate-boot.service", "==", "active", ""), READING, "fail", "masked"),
        (Check("unit", "nordgate-boot.service", "==", "loaded", ""), READING, "fail", "masked"),
        (Check("unit", "none.service", "==", "active", ""), READING, "fail", "(nothing)"),
        (Check("failed-units", "units", "==", "none", ""), READING, "pass", "none"),
        (
            Check("failed-units", "units", "==", "none", ""),
            changed(failed="apt.service loaded failed failed Apt\nb.timer loaded failed failed B\n"),
            "fail",
            "apt.service b.timer",
        ),
        (Check("free-space", "/", ">=", "5", ""), READING, "fail", "4 %"),
        (Check("free-inodes", "/", ">=", "5", ""), READING, "pass", "80 %"),
        (Check("free-space", "/srv/nordgate", ">=", "5", ""), READING, "pass", "50 %"),
        (Check("free-inodes", "/srv/nordgate", ">=", "5", ""), READING, "pass", "100 %"),
        (Check("free-space", "/none", ">=", "5", ""), READING, "fail", "(nothing)"),
        (Check("memory", "memory", ">=", "5", ""), READING, "pass", "50 %"),
        (Check("table-use", "net.netfilter.nf_conntrack", "<=", "90", ""), READING, "fail", "99 %"),
        (Check("firewall", "/etc/nftables.conf", "==", "as declared", ""), READING, "pass", "as declared"),
        (
            Check("certificate-names", "/c", "==", "api.example.net a.example.org", ""),
            READING,
            "pass",
            "all of them",
        ),
        (
            Check("certificate-names", "/c", "==", "api.example.net b.a.example.org example.org", ""),
            READING,
            "fail",
            "not: b.a.example.org, example.org",
        ),
        (Check("certificate-ends", "/c", "==", "later", ""), READING, "pass", "later"),
        (
            Check("certificate-ends", "/c", "==", "later", ""),
            changed(certificate="notAfter=Nov 25 2020 GMT\nCertificate will expire\n"),
            "fail",
            "expired on Nov 25 2020 GMT",
        ),
    ],
)
def test_each_promise_is_read_where_it_stands(check: Check, reading: Reading, verdict: str, found: str) -> None:
    (line,) = prove(reading, GuestPromises(checks=(check,)))
    assert (line.verdict.value, line.found) == (verdict, found)


def test_a_guest_that_says_nothing_keeps_no_promise() -> None:
    guest = GuestSettings.model_validate(
        {"name": "gw1", "address": "10.8.0.11/24", "mac": "52:54:00:00:00:01", "ntpServers": ["10.8.0.1"]}
    )
    settings = {
        "serverNames": ["api.example.net"],
        "upstreams": {"api": {"servers": ["10.8.0.21:80"]}},
        "routes": [{"path": "/", "upstream": "api"}],
    }
    checks = checks_for(GatewaySettings.model_validate(settings), PLATFORMS["debian-13"], "abc", guest)
    lines = prove(Reading({}), GuestPromises(checks=checks))
    assert [line.what for line in lines if line.verdict is not Verdict.FAIL] == []
    assert len({line.what for line in lines}) == len(lines), "a line's name says which promise it is"


def test_the_certificate_is_known_by_its_fingerprint() -> None:
    assert READING.fingerprint == "abcdef"
    assert Reading({}).fingerprint == ""


def test_whatever_stands_in_a_plan_stays_one_word_in_the_guests_shell(tmp_path: Path) -> None:
    owned = tmp_path / "owned"
    strange = f"/srv/$(touch {owned}) 'x\"; touch {owned}; '"
    checks = tuple(
        dataclasses.replace(Check("file", strange, "==", "x", ""), probe=probe)
        for probe in ("file", "table-use", "free-space", "certificate-names", "unit", "config-hash", "firewall")
    )
    text = script(GuestPromises(checks=checks, files={strange: "0" * 64}, synchronised=False))
    without_namespaces = text.replace("unshare --net", "").replace("nft ", "true ")
    subprocess.run(["bash", "-c", without_namespaces], check=False, capture_output=True)
    assert not owned.exists()


def test_an_answer_that_never_comes_is_not_waited_for_and_the_rest_is_read() -> None:
    """Where the connection tracking table is full not even the guest itself gets a connection."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        checks = (
            Check("config-hash", f"http://127.0.0.1:{port}/config-hash", "==", "1", ""),
            Check("sysctl", "kernel.ostype", "==", "Linux", ""),
        )
        begun = time.monotonic()
        text = script(GuestPromises(checks=checks, synchronised=False))
        done = subprocess.run(["bash", "-c", text], capture_output=True, check=False, timeout=20)
    assert time.monotonic() - begun < 10
    parts = done.stdout.decode().split("\x1e")[1:]
    reading = Reading(dict(part.partition("\n")[::2] for part in parts))
    assert [reading.value(check) for check in checks] == ["", "Linux"]


FILLED = Check("device-filled", "/srv/nordgate", "==", "whole device", "")
MEBI = 1 << 20


def device(image: Path, size: int) -> Reading:
    """What the guest's script would print of a device of that size whose superblock is the image's."""
    words = ["od", "--address-radix=n", "--format=u4", "--width=32", "-j", "1028", "-N", "32", str(image)]
    assert " ".join(words[:-1]) in script(GuestPromises(checks=(FILLED,)))
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return changed(device=f"{size // 512}\n{told}")


@pytest.mark.parametrize("size", [64, 136, 192, 500, 512, 1024, 5000])
def test_a_file_system_that_was_made_for_a_device_or_grown_with_it_fills_it(tmp_path: Path, size: int) -> None:
    """Real e2fsprogs: neither always takes all of it, for the last group must have room for its own tables."""
    image = tmp_path / "image"
    for tail in (0, 3):
        with image.open("wb") as file:
            file.truncate((size + tail) * MEBI)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=1", str(image)], check=True)
        assert FILLED.holds(device(image, (size + tail) * MEBI).value(FILLED))
        for larger in (size + tail + 24, 2 * (size + tail)):
            assert not FILLED.holds(device(image, larger * MEBI).value(FILLED)), "it has grown, the file system not"
            with image.open("r+b") as file:
                file.truncate(larger * MEBI)
            subprocess.run(["resize2fs", "-f", str(image)], check=True, capture_output=True)
            assert FILLED.holds(device(image, larger * MEBI).value(FILLED))


@pytest.mark.parametrize(
    ("sectors", "blocks", "found"),
    [
        (393216, 32768, "128 of 192 MiB"),
        (393216, 49152, "whole device"),
        (262144, 49152, "192 of 128 MiB"),
        # 20 TiB: the count of blocks goes on in a field that is not read.
        (42949672960, 5368709120 % (1 << 32), "whole device"),
    ],
)
def test_a_file_system_is_compared_with_its_device(sectors: int, blocks: int, found: str) -> None:
    reading = changed(device=f"{sectors}\n {blocks} 0 0 0 0 2 2 32768\n")
    assert reading.value(FILLED) == found
    assert reading.value(Check("device-bytes", "/srv/nordgate", ">=", "1", "")) == str(sectors * 512)


@pytest.mark.parametrize("said", ["", "393216\n", "393216\nod: /dev/vdb: cannot read\n"])
def test_a_device_that_could_not_be_read_fills_nothing(said: str) -> None:
    assert changed(device=said).value(FILLED) == ""
