"""What a load balancer learns: the process is alive; it can serve, or what it lacks."""

import pytest
from celery import current_app
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from tests.program import run_python


def ready(client):
    response = client.get("/readyz")
    return response.status_code, response.json()


def test_alive_is_said_without_the_database(client):
    """No database mark: a query would fail this test."""
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response.headers["Cache-Control"]
    assert client.head("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_ready_when_everything_answers(client):
    checks = {"database": "ok", "migrations": "ok", "broker": "ok"}
    assert ready(client) == (200, {"status": "ok", "checks": checks})
    assert "no-store" in client.get("/readyz").headers["Cache-Control"]
    assert client.post("/readyz").status_code == 405


@pytest.mark.django_db
def test_not_ready_while_migrations_are_missing(client):
    MigrationRecorder(connection).record_unapplied("kit", "0001_initial")
    status, answer = ready(client)
    assert (status, answer["status"]) == (503, "not ready")
    assert answer["checks"] == {
        "database": "ok",
        "migrations": "migrations are missing",
        "broker": "ok",
    }


@pytest.mark.django_db
def test_not_ready_while_the_broker_is_down(client, monkeypatch):
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://:pw@127.0.0.1:1/0")
    status, answer = ready(client)
    assert status == 503
    checks = {"database": "ok", "migrations": "ok", "broker": "failed"}
    assert answer["checks"] == checks


ASK = """
import django
django.setup()
from django.test import Client
print(Client(headers={"host": "localhost"}).get("/readyz").content.decode())
print(Client(headers={"host": "localhost"}).get("/healthz").content.decode())
"""


def test_with_everything_down_it_still_answers_and_gives_no_secret_away(tmp_path):
    done = run_python(
        "-c",
        ASK,
        DATA_DIR=str(tmp_path),
        DEBUG="1",
        DATABASE_URL="postgres://handrail:hunter2@127.0.0.1:1/handrail",
        REDIS_URL="redis://:hunter3@127.0.0.1:1/0",
        DJANGO_SETTINGS_MODULE="config.settings",
    )
    failed = '{"database": "failed", "migrations": "failed", "broker": "failed"}'
    assert done.stdout.splitlines() == [
        f'{{"status": "not ready", "checks": {failed}}}',
        '{"status": "ok"}',
    ]
    for said in (done.stdout, done.stderr):
        assert "hunter" not in said
    assert "readiness check failed: database" in done.stderr  # why is in the log
