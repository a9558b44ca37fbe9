"""All that the product has written, at several moments and at the end of its run."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from redis import Redis

from tests.secrecy.product import Product
from tests.secrecy.searching import opened

LOGGED = {"log_statement": "all", "logging_collector": "on", "log_filename": "all.log"}
OURS = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"

THEIRS = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1"


class Places:
    """What was found where, each place with its content of all moments."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.found: dict[str, list[bytes]] = defaultdict(list)
        self.tables: dict[str, bytes] = {}  # as they are now
        self.figures: dict[str, int] = {}

    def look(self) -> None:
        """Keep all that can be seen now, of what may be gone later."""
        self.found["files"] += contents(self.product.data)

    def all(self) -> dict[str, bytes]:
        """Return the content of every place, once all processes have ended."""
        self.look()
        self.found["logs"] = logs = [self.product.logs()]
        self.found["answers"] = answers = self.product.answers
        self.figures |= {"answers": len(answers), "log lines": logs[0].count(b"\n")}
        return {name: opened(b"\n".join(all_)) for name, all_ in self.found.items()}


class ServerPlaces(Places):
    """With a PostgreSQL that logs every statement, and a Redis that is listened to."""

    def __init__(self, product: Product, redis_url: str, heard: bytearray) -> None:
        super().__init__(product)
        self.redis_url, self.heard = redis_url, heard
        self.place = str(product.place)

    def look(self) -> None:
        super().look()
        self.found["dump"] += [dump := pg_dump(self.place)]
        self.tables = copied(self.place)
        self.found["tables"] += self.tables.values()
        self.found["Redis"] += redis_values(self.redis_url)
        assert all(f"COPY public.{name} ".encode() in dump for name in self.tables)
        self.figures["tables"] = len(self.tables)

    def all(self) -> dict[str, bytes]:
        self.found["Redis commands"] = [bytes(self.heard)]
        with psycopg.connect(self.place, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            [shown] = connection.execute("SHOW data_directory").fetchall()
        folder = Path(shown[0])
        statements = (folder / "log" / "all.log").read_bytes()
        self.found["statements"] = [statements]
        for part in ("base", "pg_wal"):
            self.found["files of PostgreSQL"] += contents(folder / part)
        self.figures |= {
            "Redis commands": self.heard.count(b"\n"),
            "statements": statements.count(b"statement: "),
        }
        return super().all()


class FolderPlaces(Places):
    """With SQLite, whose files are among the others: freed pages and the WAL too."""

    def look(self) -> None:
        super().look()
        assert isinstance(self.product.place, Path)
        with closing(sqlite3.connect(self.product.place, timeout=20)) as file:
            self.found["dump"].append("\n".join(file.iterdump()).encode())
            names = [name for (name,) in file.execute(THEIRS)]
            rows = {name: all_of(file, name) for name in names}
        self.tables = {name: repr(found).encode() for name, found in rows.items()}
        self.found["tables"] += self.tables.values()
        self.figures["tables"] = len(self.tables)


def all_of(file: sqlite3.Connection, table: str) -> list[Any]:
    return file.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608


def contents(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path).encode()
            yield path.read_bytes()


# --- PostgreSQL -----------------------------------------------------------------------
def pg_dump(place: str) -> bytes:
    program = shutil.which("pg_dump")
    assert program
    command = [program, "--data-only", f"--dbname={place}"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def copied(place: str) -> dict[str, bytes]:
    """Return every row of every table, by table."""
    found = {}
    with psycopg.connect(place, autocommit=True) as connection:
        for (name,) in connection.execute(OURS).fetchall():
            table = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))
            with connection.cursor() as cursor, cursor.copy(table) as rows:
                found[name] = b"".join(map(bytes, rows))
    return found


# --- Redis ----------------------------------------------------------------------------
def redis_values(url: str) -> Iterator[bytes]:
    with Redis.from_url(url) as redis:
        for key in list(redis.scan_iter()):
            yield key
            yield b"\n".join(values_of(redis, key))


def values_of(redis: Any, key: bytes) -> Iterator[bytes]:
    match redis.type(key):
        case b"string":
            yield redis.get(key) or b""
        case b"list":
            yield from redis.lrange(key, 0, -1)
        case b"hash":
            yield from chain.from_iterable(redis.hgetall(key).items())
        case b"set":
            yield from redis.smembers(key)
        case b"zset":
            yield from redis.zrange(key, 0, -1)
        case other:
            assert other == b"none", f"{key!r} is a {other!r}"  # it has expired


@contextmanager
def listening(url: str) -> Iterator[bytearray]:
    """Collect every command that anybody sends to Redis, as it comes."""
    heard = bytearray()
    port = urlsplit(url).port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"MONITOR\r\n")
        heard += connection.recv(5)

        def listen() -> None:
            while some := connection.recv(65536):
                heard.extend(some)

        thread = threading.Thread(target=listen)
        thread.start()
        yield heard
        connection.shutdown(socket.SHUT_RDWR)
        thread.join()
