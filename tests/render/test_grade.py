"""The grade that testssl.sh gives the served gateway, by the rules of SSL Labs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.render.backends import started
from tests.render.conftest import Serve
from tests.render.served import NAME, network_of_its_own
from tests.render.sites import rendered_case

# A certificate of these tests has no responder that could be asked, and today's OpenSSL can neither do RC4 nor GOST.
NOT_OURS = {"cert_revocation", "RC4", "engine_problem"}
# Its client leaves right after the handshake, on a busy machine before the session's ticket has come.
DISTURBED = "check failed because of connect problem"
TRIES = 5


def findings(root: Path, authority: Path, folder: Path, checks: str) -> list[dict[str, str]]:
    """What testssl.sh, unpacked in `root`, finds at 127.0.0.1:443. All of it takes a minute."""
    shutil.copy(authority, folder / "authority.pem")
    (folder / "found.json").unlink(missing_ok=True)
    words = (checks, "--add-ca", "/srv/authority.pem", "--jsonfile", "/srv/found.json", "--warnings", "batch")
    target = ("--ip", "127.0.0.1", "--nodns", "none", f"https://{NAME}:443")
    mounts = (
        f"mount --bind /dev {root}/dev; mount -t proc proc {root}/proc; "
        f"mount -t tmpfs tmpfs {root / 'tmp'}; mount --bind {folder} {root}/srv"
    )
    command = f"{mounts}; exec chroot {root} env TERM=dumb testssl {' '.join((*words, *target))}"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert (folder / "found.json").exists(), done.stdout + done.stderr
    found: list[dict[str, str]] = json.loads((folder / "found.json").read_text())
    return found


@pytest.mark.long
@pytest.mark.parametrize("platform", ["debian-12", "debian-13"])
def test_testssl_gives_the_best_grade_and_finds_nothing_weak(
    platform: str, serve: Serve, roots: dict[str, Path], tmp_path: Path
) -> None:
    with (
        network_of_its_own(),
        started() as backends,
        serve(rendered_case("served", platform), platform, backends) as gateway,
    ):
        found = findings(roots["trixie"], gateway.authority, tmp_path, "--fast")
        for _ in range(TRIES):
            if all(row["finding"] != DISTURBED for row in found):
                break
            again = {row["id"]: row for row in findings(roots["trixie"], gateway.authority, tmp_path, "-S")}
            found = [again[row["id"]] if row["finding"] == DISTURBED else row for row in found]
    assert [row["finding"] for row in found if row["id"] == "overall_grade"] == ["A+"]
    assert [row for row in found if row["severity"] not in ("OK", "INFO") and row["id"] not in NOT_OURS] == []
