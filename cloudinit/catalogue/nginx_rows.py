"""nginx rows whose value is a fact of the catalogue; the templates take it from here."""

from __future__ import annotations

from cloudinit.catalogue.row import Directive, Disposition

_SET = Disposition.SET

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        item="worker_processes, use epoll, multi_accept",
        directive="worker_processes",
        disposition=_SET,
        value="auto",
        says="auto (A14)",
        sources=("A14",),
        why="one for each virtual CPU",
    ),
    Directive(
        item="worker_processes, use epoll, multi_accept",
        directive="use",
        disposition=_SET,
        value="epoll",
        says="epoll (A14)",
        sources=("A14",),
        why="nginx would pick it by itself; said, so that it can be checked",
    ),
    Directive(
        item="TLS protocols",
        directive="ssl_protocols",
        disposition=_SET,
        value="TLSv1.2 TLSv1.3",
        says="no SSLv3 (A14)",
        sources=("A14",),
        why="1.0 and 1.1 are broken; Debian 12's own configuration still has them on",
    ),
    Directive(
        item="ciphers",
        directive="ssl_ciphers",
        disposition=_SET,
        value=":".join(
            (
                "ECDHE-ECDSA-AES128-GCM-SHA256",
                "ECDHE-RSA-AES128-GCM-SHA256",
                "ECDHE-ECDSA-AES256-GCM-SHA384",
                "ECDHE-RSA-AES256-GCM-SHA384",
                "ECDHE-ECDSA-CHACHA20-POLY1305",
                "ECDHE-RSA-CHACHA20-POLY1305",
            )
        ),
        says="list (A14)",
        sources=("A14",),
        why="Mozilla's intermediate list of 2026: forward secrecy and authenticated encryption only",
    ),
    Directive(
        item="ciphers",
        directive="ssl_prefer_server_ciphers",
        disposition=_SET,
        value="off",
        says="on (A14)",
        sources=("A14",),
        why="every cipher of the list is good, and the client knows which its hardware does fast",
    ),
    Directive(
        item="ssl_buffer_size",
        directive="ssl_buffer_size",
        disposition=_SET,
        value="4k",
        says="4k (A20b)",
        sources=("A20b",),
        why="a client can decrypt the first 4 KiB of a large answer without waiting for 16",
    ),
    Directive(
        item="hidden version, unknown hosts",
        directive="server_tokens",
        disposition=_SET,
        value="off",
        why="who looks for a vulnerable version should have to try",
    ),
    Directive(
        item="hidden version, unknown hosts",
        directive="ssl_reject_handshake",
        disposition=_SET,
        value="on",
        since="1.19.4",
        why="no certificate, and so no name, for whoever asks for a name that is not ours",
    ),
    Directive(
        item="rate limiting",
        directive="limit_req_status",
        disposition=_SET,
        value="429",
        why="503 would look like a broken gateway",
    ),
    Directive(
        item="two or more upstreams, failover",
        directive="proxy_next_upstream",
        disposition=_SET,
        value="error timeout http_502 http_503 http_504",
        says="2 servers (A16)",
        sources=("A16",),
        why="never `non_idempotent`: a POST that was sent is not sent again",
    ),
    Directive(
        item="heads of requests and answers",
        directive="client_header_buffer_size",
        disposition=_SET,
        value="4k",
        why="nginx's 1 KiB is less than a token and a few cookies: each such request would take a large buffer",
    ),
    Directive(
        item="upstream keepalive",
        directive="proxy_http_version",
        disposition=_SET,
        value="1.1",
        says="HTTP/1.1, empty Connection header (all)",
        sources=("A14", "A16", "A18", "A20a", "A20b"),
        why="before nginx 1.29.7 the default is HTTP/1.0 and close; always explicit",
    ),
    Directive(
        item="OCSP stapling",
        directive="resolver_timeout",
        disposition=_SET,
        value="5s",
        says="5s (A18)",
        sources=("A18",),
        why="a slow resolver must not hold a handshake",
    ),
)

FIXED: dict[str, str] = {row.directive: row.value for row in DIRECTIVES}
