"""A worker's account given to an intruder: what it gets in a guest, beside what everybody has."""

from __future__ import annotations

import re
from pathlib import Path

from nordgate.hypervisor.agent import GuestAgent

_SCRIPT = Path(__file__).with_name("intruder.sh").read_text()
_ACCOUNT = ["--reuid=www-data", "--regid=www-data", "--clear-groups"]
# What everybody may write in a Debian system: devices without a state, places for own files where nobody touches
# another's (they have the sticky bit), sockets of services that ask who is calling.
_EVERYBODYS = re.compile(
    r"writes (/dev/(null|zero|full|random|urandom|tty|ptmx|pts/ptmx|fuse|shm)"
    r"|/(tmp|tmp/\.(ICE|XIM|font|X11)-unix|var/tmp|run/lock|run/cloud-init/tmp)"
    r"|/run/systemd/(notify|journal/(dev-log|socket|stdout)|(.*/)?io\.systemd\..*)"
    r"|/run/dbus/system_bus_socket)"
)
# And what nginx's workers have for their work.
_WORKERS = re.compile(r"writes (/srv/nordgate/log/(access\.json|error\.log)(\.\d+)?|/run/nordgate/bodies(/.*)?)")


def gains(agent: GuestAgent) -> list[str]:
    """What the workers' account gets that it should not, outside all that confines the workers themselves."""
    done = agent.exec(["/usr/bin/setpriv", *_ACCOUNT, "/bin/bash"], stdin=_SCRIPT.encode(), timeout=120)
    lines = done.stdout.decode(errors="replace").splitlines()
    assert "writes /tmp" in lines, f"the intruder did not look: {lines} {done.stderr!r}"
    return [line for line in lines if not _EVERYBODYS.fullmatch(line) and not _WORKERS.fullmatch(line)]


def as_a_worker(agent: GuestAgent) -> dict[str, str]:
    """What a worker itself may do, and where what runs in its place can make files."""
    done = agent.exec(["/bin/bash", "-c", _WORKER]).stdout.decode()
    return dict(line.split(": ", 1) for line in done.splitlines())


_WORKER = """
read -r master </run/nginx.pid; read -r worker _ <"/proc/$master/task/$master/children"
while read -r key value _; do case $key in
    NoNewPrivs:) [ "$value" = 1 ] && echo "privileges by other programs: none" ;;
    CapEff:) [ "$((16#$value))" = 0 ] && echo "capabilities: none" ;;
esac; done <"/proc/$worker/status"
while read -r a b c soft hard _; do
    [ "$a $b $c $soft $hard" = "Max core file 0 0" ] && echo "core files: none"
done < <(sed 's/ size / /' "/proc/$worker/limits")
exec nsenter --target "$worker" --mount setpriv --reuid=www-data --regid=www-data --clear-groups --no-new-privs \\
    bash -c 'folders=(/tmp /var/tmp /dev/shm /run{,/lock,/nordgate{,/bodies}} /etc /srv/nordgate{,/log} /var/lib/nginx)
    for folder in "${folders[@]}"; do
        { : >"$folder/intruder"; } 2>/dev/null && rm "$folder/intruder" && found+=${found:+ }$folder
    done; echo "makes files in: $found"'
"""
