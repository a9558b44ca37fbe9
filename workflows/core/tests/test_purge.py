"""What is older than it is kept is deleted, and nothing else is."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connections
from django.utils import timezone

from workflows.core.purge import (
    CHUNK_SECONDS,
    RULES,
    Pace,
    Rule,
    delete_ranges,
    purge,
    purge_rule,
)

pytestmark = pytest.mark.django_db

LOGINS = (AccessAttempt, AccessFailureLog, AccessLog)


@pytest.fixture(autouse=True)
def only_the_rules_of_the_core(monkeypatch):
    for name in RULES.keys() - {"sessions", "logins"}:
        monkeypatch.delitem(RULES, name)


@pytest.fixture
def rule():
    """Register a function as a rule for this test."""
    names = []

    def register(run):
        names.append(run.__name__)
        return purge_rule(run.__name__, keep=timedelta(days=7))(run)

    yield register
    for name in names:
        del RULES[name]


def make_session(name, *, ends):
    Session.objects.create(
        session_key=name, session_data="", expire_date=timezone.now() + ends
    )


def make_logins(name, *, age):
    for model in LOGINS:
        counted = {"failures_since_start": 1} if model is AccessAttempt else {}
        row = model.objects.create(username=name, ip_address="192.0.2.1", **counted)
        model.objects.filter(pk=row.pk).update(attempt_time=timezone.now() - age)


def run(*arguments, **options):
    """Run the command; return what it printed."""
    out = options.setdefault("stdout", StringIO())
    call_command("purge", *arguments, **options)
    return out.getvalue()


def counts(printed):
    """Read the table: the rules with how much of each."""
    rows = (line.split() for line in printed.splitlines()[1:])
    return {row[0]: int(row[1].replace(",", "")) for row in rows}


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
def test_what_is_too_old_goes_and_the_rest_stays():
    assert counts(run()) == {"sessions": 2, "logins": 3}
    assert sessions() == {"alive"}
    assert logins() == [{"this week"}] * 3
    assert counts(run()) == {"sessions": 0, "logins": 0}


@pytest.mark.usefixtures("_rows")
def test_a_dry_run_counts_and_changes_nothing():
    printed = run("--dry-run")
    assert "to delete" in printed
    assert counts(printed) == {"sessions": 2, "logins": 3}
    assert len(sessions()) == 3
    assert logins() == [{"this week", "last year"}] * 3


@pytest.mark.usefixtures("_rows")
def test_only_the_named_rules_are_run():
    assert counts(run("--only", "logins")) == {"logins": 3}
    assert len(sessions()) == 3
    make_logins("again", age=timedelta(days=31))
    both = counts(run("--only", " sessions , logins,"))
    assert both == {"sessions": 2, "logins": 3}


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(("age", "count"), [("2d", 6), ("71h", 6), ("4d", 3)])
def test_another_age_may_be_asked_for(age, count):
    assert counts(run("--only=logins", f"--older-than={age}")) == {"logins": count}


@pytest.mark.usefixtures("_rows")
def test_a_session_that_is_alive_is_never_purged():
    assert counts(run("--only=sessions", "--older-than=2d")) == {"sessions": 1}
    run("--only=sessions", "--older-than=0d")
    assert sessions() == {"alive"}


def test_an_unknown_rule_is_refused_with_the_names_there_are():
    with pytest.raises(CommandError, match="no rule nothing") as caught:
        run("--only", "nothing,logins")
    assert "Rules: sessions, logins." in str(caught.value)


@pytest.mark.parametrize("age", ["30", "d", "-3d", "3 days", "1.5h", "3d\n"])
def test_what_is_no_age_is_refused_with_an_example(age):
    with pytest.raises(CommandError, match="Write it like 30d or 12h"):
        run(f"--older-than={age}")


def test_a_walk_in_ranges_may_be_left_and_taken_up_again():
    make_session("alive", ends=timedelta(hours=1))
    for number in range(5):
        make_session(f"ended {number}", ends=timedelta(hours=-1))
    make_session("living", ends=timedelta(hours=1))
    old = Session.objects.filter(expire_date__lt=timezone.now())
    chunks = delete_ranges(old, pace=Pace(2, most=2))
    assert [next(chunks), next(chunks)] == [1, 2]
    assert sessions() == {"alive", "ended 3", "ended 4", "living"}
    chunks.close()
    assert sum(delete_ranges(old, pace=Pace(2, most=2))) == 2
    assert sessions() == {"alive", "living"}


def test_a_chunk_grows_and_shrinks_to_take_a_tenth_of_a_second():
    pace = Pace(1_000, most=10_000)
    for _ in range(5):
        pace.took(CHUNK_SECONDS / 10)
    assert pace.rows == 10_000
    pace.took(CHUNK_SECONDS)
    assert pace.rows == 10_000
    for _ in range(20):
        pace.took(CHUNK_SECONDS * 3)
    assert pace.rows == 1_000
    assert Pace(1_000, most=7).rows == 7


def test_a_rule_of_a_workflow_joins_and_its_name_is_taken_once(rule):
    seen = []

    def jars(cutoff, dry_run):
        seen.append((timezone.now() - cutoff, dry_run))
        yield 1
        yield 2

    made = rule(jars)
    assert RULES["jars"] is made
    with pytest.raises(ValueError, match="jars is registered twice"):
        purge_rule("jars", keep=timedelta(days=8))(jars)
    assert counts(run("--only=jars", "--dry-run")) == {"jars": 3}
    [(age, dry_run)] = seen
    assert (age.days, dry_run) == (7, True)


def test_a_rule_that_fails_stops_no_other_and_cron_hears_of_it(rule, caplog):
    def broken(cutoff, dry_run):
        yield 4
        raise DatabaseError("Key (name)=(Jane Roe) is still referenced")

    def jars(cutoff, dry_run):
        yield 3

    rule(broken)
    rule(jars)
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        run("--only=broken,jars", stdout=out)
    assert caught.value.returncode == 1
    assert str(caught.value) == "Failed: broken (DatabaseError). The log says why."
    assert counts(out.getvalue()) == {"broken": 4, "jars": 3}
    [record] = caplog.records
    assert record.getMessage() == "the purge rule broken failed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_chunk_with_what_was_done(rule, number):
    def jars(cutoff, dry_run):
        yield 1
        os.kill(os.getpid(), number)
        yield 2
        pytest.fail("it went on")

    def never(cutoff, dry_run):
        pytest.fail("it went on to the next rule")
        yield 0

    rule(jars)
    rule(never)
    before = signal.getsignal(number)
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as caught:
        run("--only=jars,never", stdout=out, stderr=err)
    assert caught.value.code == 128 + number
    assert counts(out.getvalue()) == {"jars": 3}
    assert "stopped" in out.getvalue()
    assert err.getvalue() == "Stopped before the end of: jars, never.\n"
    assert signal.getsignal(number) is before


def test_a_second_signal_is_obeyed_at_once(rule):
    def jars(cutoff, dry_run):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it went on")
        yield 1

    rule(jars)
    with pytest.raises(KeyboardInterrupt):
        run("--only=jars")


class Terminal(StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_how_far_it_is_and_a_pipe_does_not(rule):
    def jars(cutoff, dry_run):
        if dry_run:
            yield 4
        else:
            yield from (1, 3)

    rule(jars)
    shown = run("--only=jars", stdout=Terminal(), no_color=True)
    assert f"\rjars [{'#' * 7}{'.' * 23}] 1 of 4" in shown
    assert f"\rjars [{'#' * 30}] 4 of 4" in shown
    assert counts(shown.rpartition("\x1b[K")[2]) == {"jars": 4}
    assert "\r" not in run("--only=jars")


def test_the_verb_may_be_called_from_a_thread(rule):
    def jars(cutoff, dry_run):
        yield 2

    rule(jars)

    def call():
        try:
            return run("--only=jars")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        assert counts(pool.submit(call).result()) == {"jars": 2}


def test_whoever_stops_asking_stops_the_purge(rule):
    done = []

    def jars(cutoff, dry_run):
        for number in range(9):
            done.append(number)
            yield 1

    for swept in purge([rule(jars)]):
        if swept.count == 3:
            break
    assert done == [0, 1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_rule_that_fails_outside_of_a_transaction_leaves_a_usable_connection():
    def broken(cutoff, dry_run):
        yield 1
        raise OperationalError("gone")

    rule = Rule("broken", timedelta(0), broken, "broken")
    swept = list(purge([rule]))
    assert [(s.count, bool(s.error)) for s in swept] == [(1, False), (1, True)]
    assert not Session.objects.exists()
