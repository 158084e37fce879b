"""The bootstrap: what it finds good enough, what it leaves behind, and what it says when it cannot go on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nordgate.errors import NordgateError
from tests.costs import within
from toolchain import apt, go, packages, pulumi, work
from toolchain.debian import INSTALLED
from toolchain.paths import BIN, CHECKOUT, PULUMI_HOME, VENV, pulumi_environment


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toolchain's folder, made elsewhere."""
    home = tmp_path / "home"
    for name, place in {
        "HOME": home,
        "_STAMPS": home / "stamps",
        "_LOGS": home / "log",
        "_BEGUN": home / "begun",
    }.items():
        monkeypatch.setattr(work, name, place)
    home.mkdir()
    return home


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of fake programs, found before the machine's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def _program(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


# What fails is said in one sentence.


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("linking\nwrite /x: No space left on device\n", "the disk is full"),
        ("dial tcp: lookup proxy: no such host\n", "is there a network?"),
        ("Err:1 Temporary failure resolving 'mirror'\nE: Failed to fetch\n", "is there a network?"),
        (
            "Reading lists\nE: Unable to locate package nosuch\nmore\n",
            "Asking failed: E: Unable to locate package nosuch",
        ),
        ("main.go:3: undefined: x\n", "Asking failed: main.go:3: undefined: x"),
        ("", "Asking failed: it said nothing"),
    ],
)
def test_a_tool_that_fails_is_summed_up_in_one_sentence(home: Path, output: str, sentence: str) -> None:
    message = str(work.failure("Asking", output))
    assert sentence in message
    assert "\n" not in message
    if f"{home}" in message:
        assert (home / "log" / "asking.txt").read_text() == output


def test_a_tool_that_is_missing_is_named() -> None:
    with pytest.raises(NordgateError, match="Asking failed"):
        work.run("Asking", ["/nowhere/tool"])


def test_a_disk_without_room_is_told_before_work_begins(tmp_path: Path) -> None:
    with pytest.raises(NordgateError, match="free disk space"):
        work.needs_space(tmp_path / "not" / "yet", 1 << 30, "this")


def test_a_folder_of_another_user_is_told() -> None:
    with pytest.raises(NordgateError, match=r"/x belongs to another user"), work.told_plainly():
        raise PermissionError(13, "Permission denied", "/x")


# What is begun is either finished or gone.


def test_a_product_counts_only_with_the_stamp_of_what_it_is_made_from(home: Path) -> None:
    assert not work.stamped("cli", work.fingerprint("source"))
    work.stamp("cli", work.fingerprint("source"))
    assert work.stamped("cli", work.fingerprint("source"))
    assert not work.stamped("cli", work.fingerprint("other source"))
    assert [path.name for path in (home / "stamps").iterdir()] == ["cli"]


def test_fingerprints_see_names_apart_and_every_file(tmp_path: Path) -> None:
    assert work.fingerprint("ab", "c") != work.fingerprint("a", "bc")
    (tmp_path / "deep").mkdir()
    before = work.fingerprint(tmp_path)
    (tmp_path / "deep" / "go.sum").write_text("x")
    assert work.fingerprint(tmp_path) != before


def test_what_a_killed_run_began_is_cleared_by_the_next(home: Path) -> None:
    (home / "begun" / "left").mkdir(parents=True)
    with work.alone():
        assert not (home / "begun").exists()


def test_an_early_end_takes_the_tool_along() -> None:
    with work.Job("Sleeping", ["sleep", "60"]) as job:
        pass
    assert job._process.poll() is not None


@pytest.mark.usefixtures("home")
def test_what_must_not_be_cut_off_is_waited_for(tmp_path: Path) -> None:
    with work.alone() as lock, work.Job("Installing", ["sh", "-c", f"sleep 0.2; touch {tmp_path}/done"], lock=lock):
        pass
    assert (tmp_path / "done").exists()


@pytest.mark.usefixtures("home")
def test_a_run_waits_for_work_that_outlives_the_run_which_began_it(tmp_path: Path) -> None:
    with work.alone() as lock:
        subprocess.Popen(["sh", "-c", f"sleep 0.3; touch {tmp_path}/done"], pass_fds=[lock])
    with work.alone():
        assert (tmp_path / "done").exists()


# Packages, so that nothing starts.


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parts of the machine's file system that installing touches."""
    monkeypatch.setattr(apt, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(apt, "_UNITS", tmp_path / "systemd")
    wants = tmp_path / "systemd" / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "cron.service").symlink_to("/lib/systemd/system/cron.service")
    return tmp_path


def test_while_packages_are_installed_no_service_may_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def install(*_: object, **__: object) -> str:
        seen.append(subprocess.run([root / "policy-rc.d"]).returncode)
        (root / "systemd" / "multi-user.target.wants" / "virtlogd.service").symlink_to("/lib/virtlogd.service")
        return ""

    monkeypatch.setattr(apt, "run", install)
    apt.install(["libvirt-daemon"], lock=0)
    assert seen == [101]
    assert not (root / "policy-rc.d").exists()
    assert [link.name for link in (root / "systemd").rglob("*.service")] == ["cron.service"]


def test_a_policy_of_the_machine_is_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "run", lambda *_, **__: "")
    (root / "policy-rc.d").write_text("#!/bin/sh\nexit 104\n")
    apt.install(["libvirt-daemon"], lock=0)
    apt.clean()
    assert "104" in (root / "policy-rc.d").read_text()


def test_the_policy_is_removed_when_installing_fails_or_was_killed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        (root / "as-left").write_text((root / "policy-rc.d").read_text())
        raise NordgateError("no")

    monkeypatch.setattr(apt, "run", fail)
    with pytest.raises(NordgateError, match="no"):
        apt.install(["libvirt-daemon"], lock=0)
    assert not (root / "policy-rc.d").exists()
    (root / "as-left").rename(root / "policy-rc.d")
    apt.clean()
    assert not (root / "policy-rc.d").exists()


@pytest.mark.usefixtures("root")
def test_a_dpkg_that_was_cut_off_is_mended_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(title: str, *_: object, **__: object) -> str:
        ran.append(title)
        if len(ran) == 1:
            raise NordgateError("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'")
        return ""

    monkeypatch.setattr(apt, "run", run)
    apt.install(["libvirt-daemon"], lock=0)
    assert ran == ["apt-get install", "dpkg --configure -a", "apt-get install"]


@pytest.mark.usefixtures("home")
def test_packages_that_this_release_lacks_are_not_missed_again(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = [package.name for package in INSTALLED if package.newer]
    others = "\\n".join(f"installed {package.name}" for package in INSTALLED if not package.newer)
    _program(machine, "dpkg-query", f"printf '{others}\\n'; exit 1")
    assert packages.missing() == newer
    work.stamp(packages._UNKNOWN, " ".join([packages._release(), *newer]))
    assert packages.missing() == []
    monkeypatch.setattr(packages, "_release", lambda: "another release")
    assert packages.missing() == newer


@pytest.mark.usefixtures("home")
def test_a_package_that_is_only_half_installed_is_missing(machine: Path) -> None:
    _program(machine, "dpkg-query", "echo 'half-configured socat'; echo 'installed xsltproc'")
    assert "socat" in packages.missing()
    assert "xsltproc" not in packages.missing()


@pytest.mark.usefixtures("home")
def test_a_user_who_may_not_install_is_told_what_is_missing(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(machine, "dpkg-query", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NordgateError, match=r"only root can install them, so use sudo: .*libvirt-daemon "):
        packages.check()


# Programs of the machine that will do.


@pytest.mark.parametrize(
    ("version", "host", "usable"),
    [
        ("v3.272.0", True, True),
        ("v3.273.0-alpha.1", True, True),
        ("v4.0.0", True, True),
        ("v3.271.9", True, False),
        ("v3.272.0", False, False),
        ("", True, False),
    ],
)
def test_a_pulumi_on_path_is_used_if_it_is_new_and_whole(
    home: Path, machine: Path, version: str, host: bool, usable: bool
) -> None:
    _program(machine, "pulumi", f"echo '{version}'; echo asked >> {home}/asked")
    if host:
        _program(machine, "pulumi-language-python", "")
    assert [pulumi._on_path(), pulumi._on_path()] == [usable, usable]
    assert (home / "asked").read_text() == "asked\n", "the answer is kept"


@pytest.mark.usefixtures("home")
def test_a_pulumi_that_was_updated_is_asked_again(machine: Path) -> None:
    _program(machine, "pulumi-language-python", "")
    _program(machine, "pulumi", "echo v3.100.0")
    assert not pulumi._on_path()
    _program(machine, "pulumi", "echo v3.2720.0")
    assert pulumi._on_path()


@pytest.mark.parametrize(
    ("version", "usable"),
    [("go1.26.6", True), ("go1.27", True), ("go1.26.5", False), ("go1.19.8", False), ("not Go", False)],
)
def test_go_is_used_if_it_is_new_enough(
    machine: Path, monkeypatch: pytest.MonkeyPatch, version: str, usable: bool
) -> None:
    monkeypatch.setattr(go, "_USUAL", str(machine))
    program = _program(machine, "go", f"echo '{version}'")
    assert go.find() == (program if usable else None)


# What others rely on.


def test_pulumi_is_started_apart_from_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLUGINS", raising=False)
    settings = pulumi_environment()
    assert settings["PATH"].startswith(f"{VENV}/bin:{BIN}:")
    assert settings["PULUMI_HOME"] == str(PULUMI_HOME)
    assert settings["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    monkeypatch.setenv("PLUGINS", "official")
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in pulumi_environment()


@pytest.mark.parametrize("name", [*map(str, CHECKOUT.glob("requirements*.txt")), "toolchain/go-requirements.txt"])
def test_requirements_are_pinned_and_hashed_and_name_no_place(name: str) -> None:
    text = re.sub(r"#.*", "", (CHECKOUT / name).read_text()).replace("\\\n", " ")
    for requirement in filter(str.strip, text.splitlines()):
        assert re.fullmatch(r"\S+==\S+( +;[^-]+)?( +--hash=sha256:[0-9a-f]{64})+ *", requirement), requirement


def test_a_second_run_is_silent_and_takes_no_time() -> None:
    run = [sys.executable, "-m", "toolchain"]
    subprocess.run(run, cwd=CHECKOUT, check=True)
    # Usually 0.3 s.
    again = within(1, lambda: subprocess.run(run, cwd=CHECKOUT, capture_output=True, text=True))
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
