"""The faults that a gateway is known to have: how each shows, what it is called, and what to do. Root causes first."""

from __future__ import annotations

from dataclasses import dataclass

from cloudinit import PATHS
from smoke import traces

_REBUILD = (
    "make the gateway anew as it is declared: `make rebuild STACK={stack} GATEWAY={gateway}` (docs/operations.md)"
)
_LOGIN = "log in (`make ssh STACK={stack} GATEWAY={gateway}`)"
_TLS = r"TLS|certificate"


@dataclass(frozen=True)
class Fault:
    """One row: `evidence` finds the lines that show it, none of them when it is another one.

    `cause` may use {count}, of the lines, and {last}, the newest; `remedy` {stack} and {gateway}. `explains` matches
    what fails by it (the lines and the problem of the check): a fault that explains what failed comes before one that
    does not.
    """

    cause: str
    remedy: str
    evidence: traces.Evidence
    explains: str = ""


FAULTS: tuple[Fault, ...] = (
    Fault(
        "the kernel ended nginx for lack of memory ({count} times in its log)",
        "declare more `memory` for the guest, or fewer `concurrentClients`, and deploy",
        traces.seen("kernel", r"Killed process \d+ \(nginx\)"),
    ),
    Fault(
        "nginx's workers crash, {count} times while the check ran",
        "leave out what was added to nginx (modules), or deploy a newer image (`make image REFRESH=1`)",
        traces.seen("errors", r"worker process \d+ exited on signal (4|6|7|8|11)\b"),
    ),
    Fault(
        "something in the guest ends nginx's workers, {count} times while the check ran",
        f"{_LOGIN} and find who sends the signal: `journalctl -b`, `ps -ef`",
        traces.seen("errors", r"worker process \d+ exited on signal"),
    ),
    Fault(
        "the data volume is full: nginx cannot write its logs",
        f"{_LOGIN} and look with `du -x {PATHS.data}`; declare a larger `dataVolume` or keep fewer logs, and deploy",
        traces.full(PATHS.data, 0),
        f"log|{PATHS.data}",
    ),
    Fault(
        "the data volume has grown, and the guest does not use all of it: {last}",
        "restart the guest, which grows the file system (`make stop`, `make start`), or says on its console why not",
        traces.failed(f"{PATHS.data}: (file system|bytes of its device)"),
        f"{PATHS.data}: (file system|bytes of its device)",
    ),
    Fault(
        "the data volume has no inode left: nginx can make no log",
        f"{_LOGIN} and look for many small files below {PATHS.data}; delete what is not nginx's",
        traces.full(PATHS.data, 2),
        f"log|{PATHS.data}",
    ),
    Fault(
        "the root disk is full: nothing that the system writes can be kept",
        f"{_LOGIN} and look with `du -x /`; delete what does not belong there, or {_REBUILD}",
        traces.full("/", 0),
        r"50\d|/: free|ready|errors",
    ),
    Fault(
        "the root disk has no inode left: nothing that the system writes can be kept",
        f"{_LOGIN} and look for many small files with `du -x --inodes /`; or {_REBUILD}",
        traces.full("/", 2),
        r"50\d|/: free|ready|errors",
    ),
    Fault(
        "the memory for request bodies is full: clients get 503",
        "look for what uploads so much, or raise `nginx.bodyBufferMegabytes` and deploy",
        traces.full(PATHS.bodies, 0),
        r"503|errors",
    ),
    Fault(
        "a file system is read-only",
        "look at the host's disk and at the kernel's messages (`make console`); mend the host, then restart the guest",
        traces.read_only,
        r"log|mounted|50\d",
    ),
    Fault(
        "the guest's disk fails",
        "look at the host's disk and its kernel messages; move the pool or replace the disk",
        traces.seen("kernel", r"I/O error|EXT4-fs error|Remounting filesystem read-only"),
    ),
    Fault(
        "the connection tracking table is full: new connections are dropped",
        "raise `nginx.kernel.sysctl` net.netfilter.nf_conntrack_max for the clients there are, and deploy; "
        f"until then {_LOGIN} and raise it with sysctl",
        traces.first_of(traces.full_table, traces.seen("kernel", r"nf_conntrack: table full")),
        rf"{traces.NO_ANSWER}|tracking|errors",
    ),
    Fault(
        "nginx does not run: {last}",
        f"{_LOGIN}, mend what it names and `systemctl restart nordgate-boot`; or {_REBUILD}",
        traces.not_running,
    ),
    Fault(
        "nginx's processes are stopped and answer nobody",
        f"{_LOGIN} and end what stops them, or `systemctl restart nginx`",
        traces.stopped,
    ),
    Fault(
        "the key on the disk is not that of the certificate beside it: the next start of nginx fails",
        f"put the right pair below {PATHS.tls} (docs/operations.md), then `nginx -t` and `systemctl reload nginx`",
        traces.seen("test", r"key values mismatch"),
        "configuration on disk",
    ),
    Fault(
        "the certificate on the disk is another one than nginx has loaded",
        "`systemctl reload nginx` in the guest makes it serve the pair that lies on the disk",
        traces.failed("certificate in force"),
        _TLS,
    ),
    Fault(
        "nginx refuses the files on the disk: its next start fails",
        f"{_LOGIN} and mend what `nginx -t` names; or {_REBUILD}",
        traces.refused_files,
        "configuration on disk|files on disk",
    ),
    Fault(
        "the certificate has expired",
        f"put a new pair below {PATHS.tls} and `systemctl reload nginx`",
        traces.first_of(traces.failed("certificate on disk: expires"), traces.failed("certificate has expired")),
        _TLS,
    ),
    Fault(
        "the certificate is not for every server name: {last}",
        f"get one for all of `serverNames`; a pair made in the guest is made again at its next start ({_REBUILD})",
        traces.failed("certificate on disk: names|Hostname mismatch|is not valid for"),
        _TLS,
    ),
    Fault(
        "the gateway's own rate limit refuses the check",
        "allow the check's rate in `nginx.rateLimit`, or lower `smoke.rate`, and deploy",
        traces.limited,
        "429",
    ),
    Fault(
        "nginx has no connections left: `worker_connections` are in use",
        "declare more `concurrentClients` and deploy",
        traces.seen("errors", r"worker_connections are not enough"),
    ),
    Fault(
        "nginx has no file handles left",
        "look at `nginx.limitNofile` and who took it away: files on disk, `systemctl show nginx -p LimitNOFILE`",
        traces.seen("errors", r"Too many open files"),
    ),
    Fault(
        "an upstream refuses connections: {last}",
        "start the upstream, or mend its address in `nginx.upstreams`",
        traces.seen("errors", r"connect\(\) failed \(111.* upstream"),
        r"\b50[234]\b|upstream|errors|p\d",
    ),
    Fault(
        "an upstream cannot be reached: {last}",
        "look at the route and the firewall between the gateway and that upstream",
        traces.seen("errors", r"connect\(\) failed \((101|110|113).* upstream|upstream timed out .*while connecting"),
        r"\b50[234]\b|upstream|errors|p\d|does not answer",
    ),
    Fault(
        "an upstream does not answer in time: {last}",
        "look at that upstream, or raise the route's `readTimeoutSeconds`",
        traces.seen("errors", r"upstream timed out"),
        r"\b50[234]\b|upstream|errors|p\d|does not answer",
    ),
    Fault(
        "an upstream's answer is not what nginx takes: {last}",
        "look at what that upstream sends",
        traces.seen(
            "errors", r"upstream (sent|prematurely closed)|upstream SSL certificate|SSL_do_handshake\(\).* upstream"
        ),
        r"\b50[234]\b|upstream|errors|p\d",
    ),
    Fault(
        "no upstream is left in a group: {last}",
        "look at the upstreams of that group",
        traces.seen("errors", r"no live upstreams"),
        r"\b50[234]\b|upstream|errors|p\d",
    ),
    Fault(
        "nginx cannot open a file that it needs: {last}",
        f"{_LOGIN} and give it back its owner and mode, or {_REBUILD}",
        traces.seen("errors", r"open\(\) .* failed"),
        r"log|50\d|errors",
    ),
    Fault(
        "nginx answers and does not write its access log",
        f"look at the files in {PATHS.log} and at `access_log` in /etc/nginx: {_REBUILD}",
        traces.failed("requests in the access log"),
        "access log",
    ),
    Fault(
        "connections wait and nginx does not take them",
        f"{_LOGIN} and look at what nginx's workers do (`ps`, `journalctl -u nginx`)",
        traces.unserved,
        traces.NO_ANSWER,
    ),
    Fault(
        "the firewall's rules are not the declared ones",
        f"{_LOGIN} and `nft --file /etc/nftables.conf`; or {_REBUILD}",
        traces.failed("firewall is"),
        rf"firewall|{traces.NO_ANSWER}",
    ),
    Fault(
        "nginx accepts connections inside the guest, and none come through from here",
        "look at the way: the guest's address and firewall, the host's bridge, routes, the lab's port forward",
        traces.closed_way,
        traces.NO_ANSWER,
    ),
    Fault(
        "the clock of the machine that runs this check is off, and the guest's is not",
        "set this machine's clock (`timedatectl set-ntp true`, or its own time service), and check again",
        traces.failed("^clock .*this machine's is off, by"),
        r"^clock|not yet valid|expired",
    ),
    Fault(
        "the time servers, or this machine and the host, have a clock that is off",
        "compare all of them with another clock; the guest goes by `network.timeServers`",
        traces.failed("^clock .*(they with neither|this machine's or that host's)"),
        r"^clock|not yet valid|expired",
    ),
    Fault(
        "the guest's clock is off: {last}",
        f"{_LOGIN}: `chronyc sources` shows what it hears from its time servers, `chronyc makestep` sets it",
        traces.failed("^clock"),
        r"^clock|not yet valid|expired",
    ),
    Fault(
        "what was put into the guest was changed by hand: {last}",
        _REBUILD,
        traces.failed("files on disk|configuration that nginx serves"),
        "files on disk|configuration that nginx serves",
    ),
    Fault(
        "nginx opens a new connection to its upstream for every request",
        "look at `keepalive` of that upstream group, and whether the upstream closes after each answer",
        traces.failed("upstream connections used again"),
        "upstream connections used again",
    ),
    Fault(
        "the guest lacks a unit that it needs at its next start: {last}",
        f"{_LOGIN}, `systemctl unmask` or `enable` and start it, or `systemctl reset-failed` what has been mended; "
        f"or {_REBUILD}",
        traces.failed(r"\.(service|timer) is|failed units"),
        r"\.(service|timer) is|failed units",
    ),
    Fault(
        "cloud-init reported errors at this boot: {last}",
        "mend what it names and restart the guest (`make stop STACK={stack} GATEWAY={gateway}`, then `make start`): "
        f"they count until then; or {_REBUILD}",
        traces.failed("^cloud-init is|cloud-init reported errors"),
        "^cloud-init is",
    ),
    Fault(
        "a setting of the running guest was changed: {last}",
        f"restart the guest, which sets it again (`make stop`, `make start`); or {_REBUILD}",
        traces.failed(r"^(net|fs|kernel|vm)\.|nf_conntrack|open files|accept queue|: mounted"),
        r"^(net|fs|kernel|vm)\.|nf_conntrack|open files|accept queue|: mounted",
    ),
)
