"""The toolchain's products, file by file: one that somebody has changed is made again and never used."""

from __future__ import annotations

import os
import py_compile
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nordgate.console import run_tool
from nordgate.errors import NordgateError
from toolchain import __main__ as bootstrap
from toolchain import contents, go, linters, packages, plugins, pulumi, python, work


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toolchain's folder, made elsewhere."""
    home = tmp_path / "home"
    home.mkdir()
    for module in (contents, work):
        monkeypatch.setattr(module, "HOME", home)
    monkeypatch.setattr(work, "_STAMPS", home / "stamps")
    return home


@pytest.fixture
def venv(home: Path) -> Path:
    """A product of several files, finished."""
    venv = home / "venvs/one"
    (venv / "bin").mkdir(parents=True)
    (venv / "lib").mkdir()
    (venv / "bin/pytest").write_text("#!/bin/sh\nexit 0\n")
    (venv / "bin/pytest").chmod(0o755)
    (venv / "bin/python").symlink_to("/usr/bin/python3")
    (venv / "lib/module.py").write_text("x = 1\n")
    py_compile.compile(str(venv / "lib/module.py"))
    contents.keep("python", "one", venv)
    return venv


def compiled(venv: Path) -> Path:
    (found,) = (venv / "lib/__pycache__").iterdir()
    return found


def in_place(venv: Path) -> None:
    """As long as it was and as old, in the same inode."""
    file = venv / "bin/pytest"
    before = file.stat()
    file.write_text("#!/bin/sh\nexit 9\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def linked(path: Path, target: str | Path) -> None:
    """Put a link in the place of what is there, which then lies in the folder above."""
    path.rename(path.parents[1] / path.name)
    path.symlink_to(target)


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "a program of the same size and time": (in_place, "bin/pytest"),
    "a longer one": (lambda venv: (venv / "bin/pytest").write_text("#!/bin/sh\nevil\n"), "bin/pytest"),
    "rights": (lambda venv: (venv / "bin/pytest").chmod(0o4755), "bin/pytest"),
    "a link that leads elsewhere": (lambda venv: linked(venv / "bin/python", "/opt/python3"), "bin/python"),
    "a file that became a link": (lambda venv: linked(venv / "bin/pytest", "/bin/true"), "bin/pytest"),
    "what Python runs at every start": (lambda venv: (venv / "lib/evil.pth").write_text("import os"), "lib/evil.pth"),
    "a module without its source": (lambda venv: (venv / "lib/evil.pyc").write_bytes(b""), "lib/evil.pyc"),
    "a program more": (lambda venv: (venv / "bin/ssh").write_text(""), "bin/ssh"),
    "a file less": (lambda venv: (venv / "lib/module.py").unlink(), "lib/module.py"),
    "a folder that became a link": (lambda venv: linked(venv / "lib", venv.parent / "lib"), "lib"),
}


@pytest.mark.parametrize("case", TAMPERING)
def test_a_product_that_was_tampered_with_is_not_used(venv: Path, case: str) -> None:
    assert contents.kept("python", "one", venv)
    tamper, file = TAMPERING[case]
    tamper(venv)
    assert not contents.kept("python", "one", venv)
    assert contents.changed("python", venv) == f"venvs/one/{file}"


def test_a_stamp_that_lies_is_not_believed(home: Path, venv: Path) -> None:
    """It says what a product was made from; what lies there was never made from it."""
    (home / "bin").mkdir()
    (home / "bin/pulumi").write_text("evil")
    work.stamp("pulumi-cli", "one")
    assert not contents.kept("pulumi-cli", "one", home / "bin/pulumi")
    (home / "stamps/pulumi-cli.files").write_text((home / "stamps/python.files").read_text())
    assert not contents.kept("pulumi-cli", "one", home / "bin/pulumi")
    assert not contents.kept("python", "two", venv), "made from something else"


@pytest.mark.parametrize(
    "text", [b"", b'{"a": ["x", [1', b"[]", b"null", b'{"a": 1}', b'{"a": ["x", 1]}', bytes(9), b"\xff"]
)
def test_a_list_that_was_cut_off_is_a_reason_to_make_the_product_again(home: Path, venv: Path, text: bytes) -> None:
    (home / "stamps/python.files").write_bytes(text)
    assert contents.changed("python", venv) is not None


def test_a_stamp_that_was_cut_off_is_none(home: Path) -> None:
    (home / "stamps").mkdir()
    for text in (b"", bytes(32), b"\xff\xfe"):
        (home / "stamps/python").write_bytes(text)
        assert not work.stamped("python", "one")


def test_a_folder_in_the_place_of_a_stamp_is_told_with_what_to_do(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "stamps/linters").mkdir(parents=True)
    with pytest.raises(SystemExit):
        run_tool(lambda: work.stamp("linters", "one"))
    assert "stamps/linters: a folder stands where a file belongs; delete it" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [PermissionError(13, "x", "/a"), OSError(28, "x", "/a"), OSError(5, "x", "/a")])
def test_what_is_wrong_with_the_disk_is_one_line(kind: OSError, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise kind

    with pytest.raises(SystemExit):
        run_tool(main)
    said = capsys.readouterr().err
    assert said.startswith("nordgate: /a: ")
    assert said.count("\n") == 1


def test_what_python_has_compiled_is_deleted_when_it_is_not_from_the_source(venv: Path) -> None:
    good = compiled(venv).read_bytes()
    compiled(venv).write_bytes(good.replace(b"\x01", b"\x02"))
    evil = compiled(venv).with_name("other.cpython-311.pyc")
    evil.write_bytes(good)
    begun = evil.with_name("module.cpython-311.pyc.140012345")
    begun.write_bytes(b"half")
    assert contents.kept("python", "one", venv)
    assert list((venv / "lib/__pycache__").iterdir()) == [begun], "another Python writes it at this moment"
    begun.unlink()
    assert contents.kept("python", "one", venv), "one that is gone is no change: Python makes it again"


@pytest.mark.usefixtures("venv")
def test_a_copy_is_the_same_wherever_it_lies(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout may be copied, or linked file by file: it is read again, once."""
    for copy in (shutil.copy2, os.link):
        elsewhere = home.parent / copy.__name__
        shutil.copytree(home, elsewhere, symlinks=True, copy_function=copy)
        with monkeypatch.context() as context:
            context.setattr(contents, "HOME", elsewhere)
            context.setattr(work, "_STAMPS", elsewhere / "stamps")
            assert contents.kept("python", "one", elsewhere / "venvs/one")
            context.setattr(contents, "_print", None)  # nothing is left to read
            assert contents.kept("python", "one", elsewhere / "venvs/one")


@pytest.mark.usefixtures("venv")
def test_whoever_waits_is_told_why_a_product_is_made_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "venvs/one/lib/module.py").write_text("x = 2\n")
    contents.say_why("python", "one", home / "venvs/one")
    said = capsys.readouterr().err
    assert said == "  venvs/one/lib/module.py is not what was put there: python is made again\n"


def test_a_program_that_would_be_found_first_and_is_not_ours_stops_everything(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "BIN", home / "bin")
    bootstrap._refuse_strangers()
    (home / "bin").mkdir()
    for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "actionlint"):
        (home / "bin" / name).write_text("")
    bootstrap._refuse_strangers()
    (home / "bin/ssh").write_text("")
    with pytest.raises(
        NordgateError, match=r"bin/ssh is none of the toolchain's programs, .* find out who put it there"
    ):
        bootstrap._refuse_strangers()


def test_every_product_of_this_checkout_is_on_a_list() -> None:
    """What `make tools` has made here, each step held to its files by name."""
    names = {
        *(program.module for program in pulumi._PLACES), pulumi._EXECUTOR.name, packages._TREE, python.MAIN.stamp,
        *(f"plugin-{plugin.name}" for plugin in plugins.PLUGINS), linters._ACTIONLINT.module,
        python.DOCUMENTATION.stamp,
    }  # fmt: skip
    recorded = {path.stem for path in work._STAMPS.glob("*.files") if not path.stem.startswith("go-")}
    assert recorded <= names
    for step in (packages, python, pulumi, plugins):
        assert step.ready(), step.__name__


@pytest.mark.parametrize("step", ["python", "go"])
def test_nothing_is_installed_that_no_hash_vouches_for(step: str) -> None:
    """A source distribution would be built with whatever its build needs, and that is in no list."""
    assert {"--require-hashes", "--only-binary=:all:"} <= set(python.INSTALL)
    source = Path({"python": python, "go": go}[step].__file__ or "").read_text()
    assert source.count("INSTALL, ") == 1
    assert '"install"' not in source.replace('INSTALL = ("-m", "pip", "install"', "")
