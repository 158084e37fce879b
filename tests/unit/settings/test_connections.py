"""What a libvirt URI may say: in any stack, and in production, where nobody else may stand in for the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import is_test

HOST1 = "qemu+ssh://deploy@host1.oslo.example.net/system?knownhosts=/etc/nordgate/known_hosts"
LAB = "qemu:///system?socket=/var/lib/nordgate/lab/oslo/run/libvirt-sock"
SSH = "qemu+ssh://deploy@host1/system"
TLS = "qemu+tls://host1/system"

REFUSED_IN_PRODUCTION = {
    "qemu+tcp://host1/system": "qemu+tcp: nothing is encrypted",
    f"{SSH}?no_verify=1": "no_verify=1: the host's key or certificate is not looked at",
    f"{SSH}?no_verify=0": "no_verify=0: ",  # the provider takes it for said, whatever it says
    f"{SSH}?no_verify": "no_verify=: ",
    f"{SSH}?knownhosts=/k&no%5Fverify=1": "no_verify=1: ",
    f"{TLS}?no_verify=1": "no_verify=1: ",
    f"{TLS}?no_sanity=1": "no_sanity=1: certificates are not looked at",
    f"{TLS}?tls_priority=NORMAL:-VERS-TLS1.3": "tls_priority=NORMAL:-VERS-TLS1.3: may allow ciphers that are broken",
    f"{SSH}?known_hosts_verify=ignore": "known_hosts_verify=ignore: takes a key that nobody has compared",
    f"{SSH}?known_hosts_verify=auto": "known_hosts_verify=auto: takes a key that nobody has compared",
    f"{SSH}?known_hosts_verify=of": "leave it out, or say normal",
    f"{SSH}?command=/usr/local/bin/ssh": "command=/usr/local/bin/ssh: starts a program of this machine in place of ssh",
    f"{SSH}?netcat=/opt/nc": "netcat=/opt/nc: starts a program of the host",
    f"{SSH}?sshauth=agent,ssh-password": "sshauth=agent,ssh-password: logs in otherwise than by key",
    f"{SSH}?sshauth=keyboard-interactive": "leave it out, or say agent,privkey",
}
REFUSED_EVERYWHERE = {
    "qemu+ext://host1/system?command=/bin/nc": "goes by ext, which the provider cannot: ssh, tcp, tls, unix",
    "qemu+libssh2://host1/system": "goes by libssh2, which the provider cannot",
    "QEMU+SSH://host1/system": "is no QEMU connection",
    "test:///default": "is no QEMU connection",
    f"{SSH}#no_verify=1": "is no QEMU connection",
    f"{SSH}?no_ver\tify=1": "is no QEMU connection",
    "qemu+ssh://deploy:secret@host1/system": "is logged in to with a password, which would stand in plain text",
    "qemu+ssh:///system": "names no host",
    "qemu+tls:///system": "names no host",
    "qemu+ssh://-oProxyCommand=id@host1/system": "has no host that every program reads alike",
    "qemu+ssh://host1,host2/system": "has no host that every program reads alike",
    f"{SSH}?knownhosts=/k;no_verify=1": "has a semicolon, which libvirt takes for the end of a parameter",
    f"{SSH}?knownhosts=/k&knownhosts=/dev/null": "knownhosts is said twice",
    f"{SSH}?knownhost=/k": 'knownhost is no parameter that is read here; did you mean "knownhosts"?',
    f"{SSH}?known_hosts=/k": 'did you mean "knownhosts"?',
    f"{SSH}?name=test:///default": "name is no parameter that is read here",
}
GOOD_IN_PRODUCTION = [
    HOST1, SSH, TLS, "qemu:///system", "qemu://host1/system", "qemu+unix:///system?socket=/run/host1.sock",
    f"{SSH}?known_hosts_verify=normal&keyfile=/k&sshauth=privkey&socket=/run/l&no_tty=1&mode=direct&proxy=native",
    f"{TLS}?pkipath=/etc/pki/oslo", "qemu+ssh://deploy@[2001:db8::7]/system",
]  # fmt: skip


def check(project: Path, stack: str, uri: str) -> list[str]:
    """The lines that `make check` says with the URI in place of that of host1."""
    file = project / f"stacks/Pulumi.{stack}.yaml"
    before = file.read_text()
    old = LAB if is_test(stack) else HOST1
    assert before.count(f"uri: {old}\n") == 1
    escaped = uri.replace("\t", "\\t")
    file.write_text(before.replace(f"uri: {old}\n", f'uri: "{escaped}"\n'))
    try:
        load_file(project, stack)
    except SettingsError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("uri", REFUSED_IN_PRODUCTION)
def test_production_refuses_who_might_be_another_and_says_why(project: Path, uri: str) -> None:
    file, problem, count = check(project, "oslo", uri)
    assert file == "stacks/Pulumi.oslo.yaml"
    assert problem.startswith("  hypervisors.host1.uri   ")
    assert REFUSED_IN_PRODUCTION[uri] in problem
    assert "(oslo is no test stack, NAME-test)" in problem
    assert count == "1 problem; nothing was changed."


@pytest.mark.parametrize("uri", REFUSED_IN_PRODUCTION)
def test_a_test_stack_may_use_it(project: Path, uri: str) -> None:
    assert check(project, "oslo-test", uri) == []


@pytest.mark.parametrize("stack", ["oslo", "oslo-test"])
@pytest.mark.parametrize("uri", REFUSED_EVERYWHERE)
def test_what_is_no_connection_or_is_read_in_two_ways_is_refused_everywhere(
    project: Path, stack: str, uri: str
) -> None:
    _, problem, *_ = check(project, stack, uri)
    assert problem.startswith("  hypervisors.host1.uri   ")
    assert REFUSED_EVERYWHERE[uri] in problem


@pytest.mark.parametrize("uri", GOOD_IN_PRODUCTION)
def test_production_takes_what_is_checked(project: Path, uri: str) -> None:
    assert check(project, "oslo", uri) == []


def test_every_reason_is_told_at_once(project: Path) -> None:
    _, *problems, count = check(project, "oslo", f"{SSH}?no_verify=1&known_hosts_verify=ignore&command=/x")
    assert [problem.split()[1].partition("=")[0] for problem in problems] == [
        "no_verify", "known_hosts_verify", "command",
    ]  # fmt: skip
    assert count.startswith("3 problems")


def test_the_host_of_another_region_that_production_is_measured_from_is_held_to_the_same(project: Path) -> None:
    """Its own stack file is wrong only when that stack is checked; the generator goes there from here."""
    region = project / "stacks/regions/london.yaml"
    vantage = "smoke:\n  vantages: {far: {reach: 'region:oslo', budget: {p50: 45ms, p99: 120ms}}}\n"
    region.write_text(region.read_text().replace("smoke:\n", vantage, 1))
    load_file(project, "london")
    check(project, "oslo", f"{HOST1}&known_hosts_verify=ignore")
    with pytest.raises(SettingsError, match=r"smoke\.vantages\.far\.reach .* is not reached as production is: known_h"):
        load_file(project, "london")


@pytest.mark.parametrize("reach", ["ssh://probe:secret@office", "ssh://-oProxyCommand@office", "ssh://a@b@office"])
def test_a_vantage_point_is_reached_by_a_key_at_a_host(project: Path, reach: str) -> None:
    region = project / "stacks/regions/oslo.yaml"
    region.write_text(
        region.read_text().replace("smoke:\n", f"smoke:\n  vantages: {{office: {{reach: '{reach}'}}}}\n", 1)
    )
    with pytest.raises(SettingsError, match=r"smoke\.vantages\.office\.reach"):
        load_file(project, "oslo")
