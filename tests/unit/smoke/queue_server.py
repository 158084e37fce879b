"""A server that works on one request at a time, each for as long as it is told: its latencies can be worked out.

python -m tests.unit.smoke.queue_server     prints its port, and serves until its standard input ends

When the first request comes it prints how many seconds after its own start that was: what is true depends on it.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time

SERVICE = 0.02
"""Seconds of work on a request."""
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def until_the_stall_ends(since: float) -> float:
    """Nothing is answered for one second in every ten."""
    return max(0.0, 6.0 - since % 10) if since % 10 >= 5 else 0.0


def serve() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # its delays are to be those that are meant
    ready = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    ready.register(listener, selectors.EVENT_READ)
    ready.register(sys.stdin, selectors.EVENT_READ)
    print(listener.getsockname()[1], flush=True)
    started = time.monotonic()
    first = True
    while True:
        for key, _ in ready.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(connection, selectors.EVENT_READ)
                continue
            client = key.fileobj
            assert isinstance(client, socket.socket)
            try:
                request = client.recv(4096)
            except OSError:
                request = b""
            if not request:
                ready.unregister(client)
                client.close()
                continue
            begun = time.monotonic()
            if first:
                print(begun - started, flush=True)
                first = False
            end = begun + until_the_stall_ends(begun - started) + SERVICE
            time.sleep(max(0.0, end - time.monotonic() - 0.001))
            while time.monotonic() < end:  # a sleep ends late
                pass
            client.sendall(_ANSWER)


if __name__ == "__main__":
    serve()
