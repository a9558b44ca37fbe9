"""What is older than it is kept is deleted, and nothing else is."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone

from workflows.core import retention
from workflows.core.purge import RULES, purge_rule

pytestmark = pytest.mark.django_db

LOGINS = (AccessAttempt, AccessFailureLog, AccessLog)


@pytest.fixture(autouse=True)
def only_the_rules_of_the_core(monkeypatch):
    for name in RULES.keys() - {"sessions", "logins"}:
        monkeypatch.delitem(RULES, name)


def make_session(name, *, ends):
    Session.objects.create(
        session_key=name, session_data="", expire_date=timezone.now() + ends
    )


def make_logins(name, *, age):
    for model in LOGINS:
        counted = {"failures_since_start": 1} if model is AccessAttempt else {}
        row = model.objects.create(username=name, ip_address="192.0.2.1", **counted)
        model.objects.filter(pk=row.pk).update(attempt_time=timezone.now() - age)


def purge(capsys, *arguments):
    call_command("purge", *arguments)
    return capsys.readouterr().out.splitlines()


def sessions():
    return set(Session.objects.values_list("session_key", flat=True))


def logins():
    return [set(model.objects.values_list("username", flat=True)) for model in LOGINS]


@pytest.fixture
def _rows(db):
    make_session("ended", ends=timedelta(hours=-1))
    make_session("ended long ago", ends=timedelta(days=-3))
    make_session("alive", ends=timedelta(hours=1))
    make_logins("last year", age=timedelta(days=365))
    make_logins("this week", age=timedelta(days=3))


@pytest.mark.usefixtures("_rows")
def test_what_is_too_old_goes_and_the_rest_stays(capsys):
    assert purge(capsys) == ["sessions: 2 deleted", "logins: 3 deleted"]
    assert sessions() == {"alive"}
    assert logins() == [{"this week"}] * 3
    assert purge(capsys) == ["sessions: 0 deleted", "logins: 0 deleted"]


@pytest.mark.usefixtures("_rows")
def test_a_dry_run_counts_and_changes_nothing(capsys):
    assert purge(capsys, "--dry-run") == [
        "sessions: 2 would be deleted",
        "logins: 3 would be deleted",
    ]
    assert len(sessions()) == 3
    assert logins() == [{"this week", "last year"}] * 3


@pytest.mark.usefixtures("_rows")
def test_only_the_named_rules_are_run(capsys):
    assert purge(capsys, "--only", "logins") == ["logins: 3 deleted"]
    assert len(sessions()) == 3
    make_logins("again", age=timedelta(days=31))
    both = purge(capsys, "--only", " sessions , logins,")
    assert both == ["sessions: 2 deleted", "logins: 3 deleted"]


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(("age", "count"), [("2d", 6), ("71h", 6), ("4d", 3)])
def test_another_age_may_be_asked_for(capsys, age, count):
    found = purge(capsys, "--only=logins", f"--older-than={age}")
    assert found == [f"logins: {count} deleted"]


@pytest.mark.usefixtures("_rows")
def test_a_session_that_is_alive_is_never_purged(capsys):
    assert purge(capsys, "--only=sessions", "--older-than=2d") == [
        "sessions: 1 deleted"
    ]
    purge(capsys, "--only=sessions", "--older-than=0d")
    assert sessions() == {"alive"}


def test_an_unknown_rule_is_refused_with_the_names_there_are():
    with pytest.raises(CommandError, match="no rule nothing") as caught:
        call_command("purge", "--only", "nothing,logins")
    assert "Rules: sessions, logins." in str(caught.value)


@pytest.mark.parametrize("age", ["30", "d", "-3d", "3 days", "1.5h", "3d\n"])
def test_what_is_no_age_is_refused_with_an_example(age):
    with pytest.raises(CommandError, match="Write it like 30d or 12h"):
        call_command("purge", f"--older-than={age}")


def test_rows_go_in_chunks_so_that_a_purge_can_be_stopped(monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    for number in range(5):
        make_session(f"ended {number}", ends=timedelta(hours=-1))
    chunks = RULES["sessions"].run(timezone.now(), False)
    assert next(chunks) == 2
    assert len(sessions()) == 3
    assert list(chunks) == [2, 1]
    assert sessions() == set()


def test_a_rule_of_a_workflow_joins_and_its_name_is_taken_once(monkeypatch, capsys):
    seen = []

    def jars(cutoff, dry_run):
        seen.append((timezone.now() - cutoff, dry_run))
        yield 1
        yield 2

    rule = purge_rule("jars", keep=timedelta(days=7))(jars)
    assert RULES["jars"] is rule
    with pytest.raises(ValueError, match="jars is registered twice"):
        purge_rule("jars", keep=timedelta(days=8))(jars)
    assert purge(capsys, "--only=jars", "--dry-run") == ["jars: 3 would be deleted"]
    [(age, dry_run)] = seen
    assert (age.days, dry_run) == (7, True)
    monkeypatch.delitem(RULES, "jars")
