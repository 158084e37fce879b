"""Real nginx on a rendered configuration: each run sees the rendered files in place of the distribution's own."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from cloudinit import PATHS, PLATFORMS, GatewaySettings, GuestFile, GuestSettings, SeedDocuments, seed_documents
from cloudinit.files import Paths
from cloudinit.text import rendered
from tests.render.authority import Pair

CASES = {path.stem: path for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))}
_SHARED = ("etc/nginx", "etc/nordgate", "srv", "run", "usr/local")
# Its own network, mounts and processes: nothing of it is seen outside, and all of it ends with the shell.
_APART = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")


def platforms_of(case: str) -> list[str]:
    """The platforms that the case is for: all, unless it names them."""
    named: list[str] = yaml.safe_load(CASES[case].read_text()).get("platforms", list(PLATFORMS))
    return named


def rendered_case(name: str, platform: str) -> SeedDocuments:
    """The documents of tests/render/cases/<name>.yaml for that platform."""
    case = yaml.safe_load(CASES[name].read_text())
    guest = GuestSettings.model_validate(case["guest"])
    return seed_documents(guest, GatewaySettings.model_validate(case["gateway"]), PLATFORMS[platform])


def log_folder_script(paths: Paths) -> str:
    """What the boot script does to the folder of the logs, at these paths."""
    return 'set -euo pipefail\nfail() { echo "$*" >&2; exit 1; }\n' + rendered("guest/log-folder.sh.j2", paths=paths)


def make_log_folder(paths: Paths) -> str:
    """Do what the boot script does to the folder of the logs, at these paths; what it says."""
    script = log_folder_script(paths)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


@dataclass(frozen=True)
class Site:
    """A folder with the rendered files, and the unpacked system that runs them."""

    root: Path
    folder: Path
    bodies: str = "size=64m,mode=0700,uid=33,gid=33"
    """How the boot script mounts the place for request bodies."""

    @staticmethod
    def make(root: Path, folder: Path, files: Mapping[str, GuestFile], pair: Pair) -> Site:
        shutil.rmtree(folder, ignore_errors=True)
        nginx = folder / "etc/nginx"
        (folder / "usr/local").mkdir(parents=True)
        (nginx / "modules-enabled").mkdir(parents=True)
        shutil.copy(root / "etc/nginx/mime.types", nginx)
        for path, file in files.items():
            if path.startswith(("/etc/nginx/", "/etc/nordgate/", f"{PATHS.library}/")):
                target = folder / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(file.content)
                target.chmod(int(file.mode, 8))
        for path in (PATHS.tls + "/current", PATHS.run):
            (folder / path.lstrip("/")).mkdir(parents=True)
        # As the boot script leaves them.
        (folder / PATHS.upstreams.lstrip("/")).mkdir(parents=True)
        for text in (folder / PATHS.declared_upstreams.lstrip("/")).glob("*.conf"):
            shutil.copy(text, folder / PATHS.upstreams.lstrip("/"))
        make_log_folder(replace(PATHS, data=f"{folder}{PATHS.data}", log=f"{folder}{PATHS.log}"))
        shutil.copy(pair.certificate, folder / PATHS.certificate.lstrip("/"))
        shutil.copy(pair.key, folder / PATHS.key.lstrip("/"))
        mounted = re.search(r"-o \S*?(size=[^\s\"]+)", files[PATHS.boot].content)
        assert mounted
        return Site(root, folder, mounted[1])

    def shell(self, command: str) -> str:
        """A shell command that runs `command` inside the unpacked system, with the rendered files mounted."""
        mounts = "; ".join(f"mount --bind {self.folder}/{path} {self.root}/{path}" for path in _SHARED)
        mounts += f"; mount --mkdir -t tmpfs -o {self.bodies} bodies {self.root}{PATHS.bodies}"
        return f"{mounts}; mount --bind /dev {self.root}/dev; exec chroot {self.root} {command}"

    def test(self) -> str:
        """What `nginx -t` complains about; empty when it finds nothing at all."""
        return self.run("nginx -t -q")

    def run(self, command: str) -> str:
        """What `command` says, and its exit code where it fails."""
        script = f"set -e; ip link set lo up; {self.shell(command)}"
        done = subprocess.run([*_APART, "sh", "-c", script], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr + (f"code {done.returncode}" if done.returncode else "")
