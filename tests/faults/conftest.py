"""A ground for each scenario: its database on this run's PostgreSQL, its own Redis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.faults.ground import Broker, Ground
from tests.faults.ledger import LIMIT_SECONDS, figure
from tests.faults.narrows import Narrows
from tests.faults.scene import KEY, Scene
from tests.jira import JiraServer, jira_server
from tests.sshd import Sshd, lent
from workflows.support.tests.conftest import Copy, install, make_copy, small_disk

__all__ = ["install", "make_copy", "small_disk"]

TEMPLATE = "handrail_faults"
LOCK = 20_250_401  # whoever holds it makes the template
SILENCE = "UPDATE jobs_schedule SET enabled = false"


def place(name: str) -> str:
    """Return the address of a database on the server of this run."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@contextmanager
def server() -> Iterator[psycopg.Connection]:
    with psycopg.connect(place("postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated database, made by whichever of the test workers comes first."""
    with server() as postgres:
        postgres.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        found = "SELECT 1 FROM pg_database WHERE datname = %s"
        if not postgres.execute(found, [TEMPLATE]).fetchone():
            draft = f"{TEMPLATE}_draft"
            postgres.execute(f"DROP DATABASE IF EXISTS {draft}")
            postgres.execute(f"CREATE DATABASE {draft}")
            folder = tmp_path_factory.mktemp("template")
            ground = Ground(folder, place(draft), DATABASE_URL=place(draft))
            ground.run("migrate", "--verbosity=0")
            with psycopg.connect(place(draft), autocommit=True) as connection:
                connection.execute(SILENCE)  # no jobs but the scenario's
            postgres.execute(f"ALTER DATABASE {draft} RENAME TO {TEMPLATE}")
    return TEMPLATE


@pytest.fixture
def database(template: str) -> Iterator[str]:
    name = f"{template}_{uuid4().hex[:12]}"
    words = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    with server() as postgres:
        make = sql.SQL("CREATE DATABASE {name} TEMPLATE {template}")
        postgres.execute(make.format(**words))
    yield place(name)
    with server() as postgres:
        drop = sql.SQL("DROP DATABASE {name} WITH (FORCE)")
        postgres.execute(drop.format(**words))


@pytest.fixture
def broker() -> Iterator[Broker]:
    found = Broker()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def ground(database: str, broker: Broker, tmp_path: Path) -> Iterator[Ground]:
    found = Ground(tmp_path, database, DATABASE_URL=database, REDIS_URL=broker.url)
    yield found
    found.close()


@pytest.fixture
def report(
    record_property: Callable[[str, object], None],
) -> Callable[..., None]:
    """Check the figures of a scenario and have them shown at the end of the run."""

    def check(
        ground: Ground, name: str, *faults: float, limit: float = LIMIT_SECONDS
    ) -> None:
        record_property("figure", figure(ground.ledger, name, faults, limit))

    return check


# --- support cases --------------------------------------------------------------------
@pytest.fixture
def scene(ground: Ground, make_copy: Callable[..., Copy]) -> Scene:
    """A case on this machine, whose sos does as the test says."""
    found = Scene(ground, make_copy())
    found.program()
    return found


@pytest.fixture
def ssh() -> Iterator[Sshd]:
    yield from lent()


@pytest.fixture
def narrows() -> Iterator[Callable[..., Narrows]]:
    """Make ways to ports on which things get stuck."""
    made: list[Narrows] = []

    def make(port: int, **how: int) -> Narrows:
        made.append(Narrows(port, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def jira(ground: Ground) -> Iterator[JiraServer]:
    """A Jira with one issue, which the processes of the ground trust."""
    with jira_server() as running:
        running.add_issue(KEY, "The disk is full")
        ground.environment["JIRA_CA_FILE"] = str(running.ca_file)
        yield running
