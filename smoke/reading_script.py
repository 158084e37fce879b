"""The shell script that one look into a guest runs there: a section for each question."""

from __future__ import annotations

from shlex import quote

from smoke.plan import GuestPromises

CLOUD_INIT = "/run/cloud-init/status.json"


CHRONY = r"""
chronyc -c tracking
read -r pid </run/chrony/chronyd.pid && read -ra stat <"/proc/$pid/stat" && read -r up _ </proc/uptime
echo "$((${up%.*} - stat[21] / 100))"
"""
"""What chrony says, and for how many seconds it has run: by the kernel's own time, which no clock can change."""


_MOST = 1 << 18
"""Bytes of one file: of more than a guest is given, something else has been made."""


_TOOLS = r"""
set +e; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin; exec 2>/dev/null
section() { printf '\036%s\n' "$1"; }
# Processes are dear where the CPU is emulated: no cat.
show() { mapfile -t lines <"$1" && printf '%s\n' "${lines[@]}"; }
open_files() {
    while read -r a b c soft _; do [ "$a $b $c" != "Max open files" ] || echo "$soft"; done <"/proc/$1/limits"
}
# An answer of the guest itself. A connection that is dropped on the way (a full connection tracking table) ends too.
fetch() {
    exec 4< <(exec 3<>"/dev/tcp/$1/$2" && printf 'GET /%s HTTP/1.0\r\n\r\n' "$3" >&3 && cat <&3)
    local asker=$!
    while IFS= read -r -t 5 -u 4 line; do printf '%s\n' "$line"; done
    kill "$asker"
    exec 4<&-
}
read -r master </run/nginx.pid
workers=$(<"/proc/$master/task/$master/children")
"""


_FIREWALL = r"""
declared=$(unshare --net bash -c 'nft --file "$1" && exec nft --stateless list ruleset' - {file} 2>&1)
[ "$declared" = "$(nft --stateless list ruleset 2>&1)" ] && echo 'as declared' || echo 'other rules'
"""
"""nft itself says what the file's rules are, in a network of its own, and what rules are in force."""


_DEVICE = r"""
while read -r device folder _; do [ "$folder" != {folder} ] || break; done </proc/mounts
show "/sys/class/block/${device##*/}/size"; od --address-radix=n --format=u4 --width=32 -j 1028 -N 32 "$device"
"""
"""The size of what is mounted there, in sectors, and of the ext4 file system on it, as its superblock has it."""


_BY_PROBE = {
    "listen-backlog": "section sockets; ss -Hlnt",
    "mount-option": "section mounts; show /proc/mounts",
    "mount-source": "section mounts; show /proc/mounts",
    "cpu-flag": 'section flags; while read -r key _ words; do [ "$key" != flags ] || { echo "$words"; break; }; '
    "done </proc/cpuinfo",
    "process-limit": 'section master; open_files "$master"\n'
    'section worker; for worker in $workers; do open_files "$worker"; done',
    "config-test": "section nginx-t; nginx -t -q 2>&1 && echo ok",
    "failed-units": "section failed; systemctl --failed --plain --no-legend --no-pager",
    "memory": "section memory; show /proc/meminfo",
}
"""What is read for a probe, once for all checks of it."""


_VERSIONS = """
section kernel; show /proc/sys/kernel/osrelease
section nginx; nginx -v 2>&1
section openssl; openssl version
"""


def script(promises: GuestPromises, versions: bool = True) -> str:
    """The shell script that reads it all."""
    probes = dict.fromkeys(check.probe for check in promises.checks)
    lines = [
        _TOOLS,
        _VERSIONS if versions else "",
        *dict.fromkeys(_BY_PROBE[probe] for probe in probes if probe in _BY_PROBE),
    ]
    for check in promises.checks:
        match check.probe:
            case "sysctl" | "file":
                lines.append(f"section {quote(check.path)}; show {quote(check.path)}")
            case "table-use":
                files = (quote(check.path + end) for end in ("_count", "_max"))
                lines += [f"section {file}; show {file}" for file in files]
            case "config-hash":
                host, _, path = check.key.removeprefix("http://").partition("/")
                address, _, port = host.partition(":")
                lines.append(f"section {quote(check.key)}; fetch {quote(address)} {quote(port)} {quote(path)}")
            case "device-filled":
                lines.append("section device" + _DEVICE.replace("{folder}", quote(check.key)))
            case "firewall":
                lines.append("section firewall" + _FIREWALL.replace("{file}", quote(check.key)))
    if units := _keys(promises, "unit"):
        properties = "--property=Id,LoadState,ActiveState,UnitFileState"
        lines.append(f"section units; systemctl show {properties} -- {units}")
    if folders := _keys(promises, "free-space", "free-inodes"):
        lines.append(f"section space; stat --file-system --format='%b %a %c %d %n' -- {folders}")
    if certificates := _keys(promises, "certificate-names", "certificate-ends"):
        told = "-ext subjectAltName -enddate -fingerprint -sha256 -checkend 0"
        lines.append(f"section certificate; openssl x509 -noout {told} -in {certificates}")
    lines.append(f"section cloud-init; show {CLOUD_INIT}")
    if promises.synchronised:
        lines.append(f"section chrony{CHRONY}")
    if promises.files:
        lines.append(f"section files; head --verbose --bytes={_MOST} -- {' '.join(map(quote, promises.files))}")
    return "\n".join(lines) + "\n"


def _keys(promises: GuestPromises, *probes: str) -> str:
    return " ".join(quote(key) for key in dict.fromkeys(c.key for c in promises.checks if c.probe in probes))
