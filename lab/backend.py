"""A small real API: what the lab's gateways proxy to. Answers every GET and POST with who it is and what it saw."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    """HTTP/1.1 with kept-alive connections; head and body leave in one write, so Nagle never holds the answer."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    name = ""

    def do_GET(self) -> None:
        """Answer with who this is and what it was asked."""
        length = int(self.headers.get("Content-Length") or 0)
        received = self.rfile.read(length)
        answer = {
            "backend": self.name,
            "method": self.command,
            "path": self.path,
            "received": len(received),
            "headers": {key.lower(): value for key, value in self.headers.items()},
        }
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the gateway has the access log."""


def serve(name: str, port: int) -> None:
    """Answer on `port` of every address until killed."""
    handler = type("NamedApi", (Api,), {"name": name})
    server = ThreadingHTTPServer(("0.0.0.0", port), handler)  # noqa: S104 - inside the lab's own network namespace
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
