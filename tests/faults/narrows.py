"""A way to a server on which what is sent gets stuck, or goes slowly."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

PIECE = 64 * 1024  # bytes
BUFFER = 256 * 1024  # bytes that the kernel may keep for us; by itself it takes MiB


class Narrows:
    """A relay: after ``free`` bytes only ``rate`` a second get through, 0 is none."""

    def __init__(self, port: int, *, free: int, rate: int) -> None:
        self.target, self.free, self.rate = port, free, rate
        self.reached = threading.Event()  # so many bytes have passed
        self.wide = threading.Event()
        self.lock = threading.Lock()
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.port: int = self.listener.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self.run(self.accept)

    def run(self, what: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=what, args=arguments)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):  # until it is closed
            while True:
                client, _address = self.listener.accept()
                server = socket.socket()
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
                server.connect(("127.0.0.1", self.target))
                self.sockets += [client, server]
                self.run(self.carry, client, server)
                self.run(self.carry, server, client)

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(PIECE):
                self.let_through(len(block))
                sink.sendall(block)
        # Who has died on one side is gone on the other at once.
        for side in (source, sink):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def let_through(self, count: int) -> None:
        with self.lock:
            self.free -= count
            if self.free > 0:
                return
        self.reached.set()
        self.wide.wait(count / self.rate if self.rate else None)

    def widen(self) -> None:
        self.wide.set()

    def close(self) -> None:
        self.widen()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.threads[0].join()
        for side in self.sockets:
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for side in self.sockets:
            side.close()
