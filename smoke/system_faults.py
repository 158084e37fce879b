"""Faults of memory, disks, processes and certificates: what keeps nginx from serving at all."""

from __future__ import annotations

from cloudinit import PATHS
from smoke import traces
from smoke.fault import LOGIN, REBUILD, TLS, Fault

SYSTEM_FAULTS: tuple[Fault, ...] = (
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
        f"{LOGIN} and find who sends the signal: `journalctl -b`, `ps -ef`",
        traces.seen("errors", r"worker process \d+ exited on signal"),
    ),
    Fault(
        "the data volume is full: nginx cannot write its logs",
        f"{LOGIN} and look with `du -x {PATHS.data}`; declare a larger `dataVolume` or keep fewer logs, and deploy",
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
        f"{LOGIN} and look for many small files below {PATHS.data}; delete what is not nginx's",
        traces.full(PATHS.data, 2),
        f"log|{PATHS.data}",
    ),
    Fault(
        "the root disk is full: nothing that the system writes can be kept",
        f"{LOGIN} and look with `du -x /`; delete what does not belong there, or {REBUILD}",
        traces.full("/", 0),
        r"50\d|/: free|ready|errors",
    ),
    Fault(
        "the root disk has no inode left: nothing that the system writes can be kept",
        f"{LOGIN} and look for many small files with `du -x --inodes /`; or {REBUILD}",
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
        f"until then {LOGIN} and raise it with sysctl",
        traces.first_of(traces.full_table, traces.seen("kernel", r"nf_conntrack: table full")),
        rf"{traces.NO_ANSWER}|tracking|errors",
    ),
    Fault(
        "nginx does not run: {last}",
        f"{LOGIN}, mend what it names and `systemctl restart nordgate-boot`; or {REBUILD}",
        traces.not_running,
    ),
    Fault(
        "nginx's processes are stopped and answer nobody",
        f"{LOGIN} and end what stops them, or `systemctl restart nginx`",
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
        TLS,
    ),
    Fault(
        "nginx refuses the files on the disk: its next start fails",
        f"{LOGIN} and mend what `nginx -t` names; or {REBUILD}",
        traces.refused_files,
        "configuration on disk|files on disk",
    ),
    Fault(
        "the certificate has expired",
        f"put a new pair below {PATHS.tls} and `systemctl reload nginx`",
        traces.first_of(traces.failed("certificate on disk: expires"), traces.failed("certificate has expired")),
        TLS,
    ),
    Fault(
        "the certificate is not for every server name: {last}",
        f"get one for all of `serverNames`; a pair made in the guest is made again at its next start ({REBUILD})",
        traces.failed("certificate on disk: names|Hostname mismatch|is not valid for"),
        TLS,
    ),
)
