"""Faults of limits, upstreams, firewall, clock and settings: what a gateway that runs does otherwise than declared."""

from __future__ import annotations

from cloudinit import PATHS
from smoke import traces
from smoke.fault import LOGIN, REBUILD, Fault

SERVICE_FAULTS: tuple[Fault, ...] = (
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
        f"{LOGIN} and give it back its owner and mode, or {REBUILD}",
        traces.seen("errors", r"open\(\) .* failed"),
        r"log|50\d|errors",
    ),
    Fault(
        "nginx answers and does not write its access log",
        f"look at the files in {PATHS.log} and at `access_log` in /etc/nginx: {REBUILD}",
        traces.failed("requests in the access log"),
        "access log",
    ),
    Fault(
        "connections wait and nginx does not take them",
        f"{LOGIN} and look at what nginx's workers do (`ps`, `journalctl -u nginx`)",
        traces.unserved,
        traces.NO_ANSWER,
    ),
    Fault(
        "the firewall's rules are not the declared ones",
        f"{LOGIN} and `nft --file /etc/nftables.conf`; or {REBUILD}",
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
        f"{LOGIN}: `chronyc sources` shows what it hears from its time servers, `chronyc makestep` sets it",
        traces.failed("^clock"),
        r"^clock|not yet valid|expired",
    ),
    Fault(
        "what was put into the guest was changed by hand: {last}",
        REBUILD,
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
        f"{LOGIN}, `systemctl unmask` or `enable` and start it, or `systemctl reset-failed` what has been mended; "
        f"or {REBUILD}",
        traces.failed(r"\.(service|timer) is|failed units"),
        r"\.(service|timer) is|failed units",
    ),
    Fault(
        "cloud-init reported errors at this boot: {last}",
        "mend what it names and restart the guest (`make stop STACK={stack} GATEWAY={gateway}`, then `make start`): "
        f"they count until then; or {REBUILD}",
        traces.failed("^cloud-init is|cloud-init reported errors"),
        "^cloud-init is",
    ),
    Fault(
        "a setting of the running guest was changed: {last}",
        f"restart the guest, which sets it again (`make stop`, `make start`); or {REBUILD}",
        traces.failed(r"^(net|fs|kernel|vm)\.|nf_conntrack|open files|accept queue|: mounted"),
        r"^(net|fs|kernel|vm)\.|nf_conntrack|open files|accept queue|: mounted",
    ),
)
