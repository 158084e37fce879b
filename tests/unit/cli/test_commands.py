"""`operations render` and `operations diff`, run as they are typed, in a checkout of their own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nordgate.cli.review.change_summary import MARK
from nordgate.settings.stack_files import stack_names
from tests.costs import within
from toolchain.paths import VENV

PROJECT = Path(__file__).parents[3]
PACKAGES = ("cloudinit", "hosts", "nordgate", "smoke", "stacks")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's code in a repository of one commit, without a toolchain, an image or a state."""
    folder = tmp_path_factory.mktemp("repository")
    for name in PACKAGES:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "go"))
    (folder / ".gitignore").write_text("/.nordgate/\n__pycache__/\n")
    git(folder, "init", "-q", "--initial-branch=main")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=x", "-c", "user.email=x@example.net", "commit", "-qm", "one")
    return folder


@pytest.fixture
def checkout(repository: Path) -> Path:
    git(repository, "reset", "-q", "--hard")
    return repository


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True)


def operations(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # No home, no login, no passphrase, and, in a namespace of its own, no network either.
    return subprocess.run(
        ["unshare", "--net", VENV / "bin/python", "-m", "nordgate.cli", *words],
        cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_render_needs_no_network_no_image_and_no_secret(checkout: Path) -> None:
    done = operations(checkout, "render", "london")
    assert done.returncode == 0, done.stderr
    tree = checkout / ".nordgate/rendered/london"
    assert done.stdout == ".nordgate/rendered/london\n"
    assert "proxy_read_timeout" in (tree / "gateways/gw2/files/etc/nginx/nordgate/servers.conf").read_text()
    assert not (checkout / ".nordgate/rendered/oslo").exists()
    (tree / "left-over").touch()
    operations(checkout, "render", "london")
    assert not (tree / "left-over").exists()


def test_a_diff_of_an_unchanged_tree_says_so_within_five_seconds(checkout: Path) -> None:
    assert len(stack_names(checkout)) >= 4
    done = within(5, lambda: operations(checkout, "diff", "main"))
    assert done.stdout == "No changes: every stack puts on its machines what it did at main.\n", done.stderr
    assert "No changes" in (checkout / ".nordgate/diff.md").read_text()


@pytest.mark.slow
def test_a_diff_shows_a_changed_template_too(checkout: Path) -> None:
    template = checkout / "cloudinit/templates/nginx/proxy.conf.j2"
    template.write_text(template.read_text() + "proxy_socket_keepalive on;\n")
    done = operations(checkout, "diff", "main")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n+proxy_socket_keepalive on;\n") == len(stack_names(checkout))


def test_a_comment_is_written_even_when_a_file_is_broken(checkout: Path) -> None:
    path = checkout / "stacks/regions/london.yaml"
    path.write_text(path.read_text().replace("resolvers:", "resolver:"))
    done = operations(checkout, "diff", "main")
    assert done.returncode == 2
    comment = (checkout / ".nordgate/diff.md").read_text()
    assert comment.startswith(f"{MARK}\n")
    assert 'network.resolver   unknown setting; did you mean "resolvers"?' in comment
    assert "Traceback" not in done.stderr + comment


@pytest.mark.slow
def test_an_unknown_base_is_told_in_one_sentence(checkout: Path) -> None:
    done = operations(checkout, "diff", "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("nordgate: git merge-base nowhere: ")
    assert "nowhere" in (checkout / ".nordgate/diff.md").read_text()


@pytest.mark.slow
def test_a_base_that_is_broken_is_told_with_its_mistakes(checkout: Path) -> None:
    path = checkout / "stacks/regions/london.yaml"
    right = path.read_text()
    path.write_text(right.replace("resolvers:", "resolver:"))
    git(checkout, "-c", "user.name=x", "-c", "user.email=x@example.net", "commit", "-qam", "broken")
    path.write_text(right)
    done = operations(checkout, "diff", "HEAD")
    git(checkout, "reset", "-q", "--hard", "HEAD~")
    assert done.returncode == 1
    for said in (done.stderr, (checkout / ".nordgate/diff.md").read_text()):
        assert " cannot be rendered, so nothing can be compared with it:\nstacks/regions/london.yaml\n" in said
        assert 'network.resolver   unknown setting; did you mean "resolvers"?' in said
