"""The manager's view: figures worked out by hand, on small walks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from l1walk.actions import escalations, reports, walks
from l1walk.actions.continuing import resume_walk
from l1walk.actions.flows import publish_flow
from l1walk.actions.reports import Bucket, Figures, Period
from l1walk.forms.reports import PeriodForm
from l1walk.models import Flow, L1WalkSession
from l1walk.models.flow import definition_of
from l1walk.tests.make import give, key, make_flow, make_walk, printer_graph, reread
from l1walk.views.charts import stacked_bars
from workflows.core.accounts import Account, User
from workflows.core.charts import round_up

START = datetime(2025, 3, 10, 9, tzinfo=UTC)
MARCH = Period(date(2025, 3, 1), date(2025, 3, 31), UTC)


def after(minutes: float, *, of: datetime = START) -> datetime:
    return of + timedelta(minutes=minutes)


def resolved(
    account: Account, by: User, flow: Flow | None, minutes: float, **over: Any
) -> L1WalkSession:
    """Return a walk that was solved after so many minutes."""
    at, helpful = over.pop("at", START), over.pop("helpful", None)
    walk = make_walk(account, by, flow, now=at, **over)
    return walks.resolve_walk(
        walk, by=by, version=0, helpful=helpful, now=after(minutes, of=at)
    )


def escalated(
    account: Account, by: User, flow: Flow | None, minutes: float, **over: Any
) -> L1WalkSession:
    at, category = over.pop("at", START), over.pop("category", "needs_access")
    walk = make_walk(account, by, flow, now=at, **over)
    return escalations.escalate_walk(
        walk, by=by, version=0, category=category, now=after(minutes, of=at)
    )


def abandoned(account: Account, by: User, flow: Flow | None, **over: Any) -> Any:
    walk = make_walk(account, by, flow, now=over.pop("at", START), **over)
    return walks.abandon_walk(walk, by=by, version=0)


def second_version(flow: Flow, by: User) -> Flow:
    Flow.objects.filter(pk=flow.pk).update(draft=printer_graph("Who prints?").to_dict())
    publish_flow(flow, by=by)
    row: Flow = Flow.objects.select_related("current_version").get(pk=flow.pk)
    return row


@pytest.fixture
def flow(account):
    return make_flow(account)


def figures(user: User, period: Period = MARCH) -> Figures:
    return reports.figures(reports.walks_in(user, period))


# --- a version's figures --------------------------------------------------------------
def test_counts_rates_and_the_median_of_what_ended(account, alice, mona, flow):
    resolved(account, alice, flow, 4, helpful=True)
    resolved(account, alice, flow, 10, helpful=False)
    escalated(account, alice, flow, 7)
    abandoned(account, alice, flow)
    make_walk(account, alice, flow, now=START)
    found = figures(mona)
    assert found == Figures(
        walks=5,
        resolved=2,
        escalated=1,
        abandoned=1,
        active=1,
        helped=1,
        rated=2,
        median=timedelta(minutes=7),
    )
    assert found.resolved_rate == 0.4
    assert found.escalated_rate == found.abandoned_rate == 0.2
    assert found.helpful_rate == 0.5


@pytest.mark.parametrize(
    ("minutes", "median"), [([3], 3), ([8, 2], 5), ([9, 1, 2], 2), ([9, 1, 4, 2], 3)]
)
def test_the_median_of_few_lengths(account, alice, mona, flow, minutes, median):
    for length in minutes:
        resolved(account, alice, flow, length)
    assert figures(mona).median == timedelta(minutes=median)


def test_nothing_is_no_error(mona):
    found = figures(mona)
    assert found == Figures()
    assert found.resolved_rate is found.helpful_rate is found.median is None


def test_walks_that_never_ended_have_no_median(account, alice, mona, flow):
    abandoned(account, alice, flow)
    assert figures(mona).median is None


def test_days_begin_and_end_where_the_account_is(alice, mona, account, flow):
    kyiv = Period(
        date(2025, 3, 10), date(2025, 3, 10), ZoneInfo("Europe/Kyiv")
    )  # UTC+2
    for hour, minute, day in [(21, 59, 9), (22, 0, 9), (21, 59, 10), (22, 0, 10)]:
        at = datetime(2025, 3, day, hour, minute, tzinfo=UTC)
        make_walk(account, alice, flow, now=at)
    assert figures(mona, kyiv).walks == 2
    assert figures(mona, kyiv.before).walks == 1
    days = reports.outcomes_over_time(reports.walks_in(mona, kyiv), kyiv)
    assert [(bucket.day, bucket.walks) for bucket in days] == [(kyiv.first, 2)]


def test_a_day_of_25_hours_is_one_day(alice, mona, account, flow):
    day = date(2025, 10, 26)
    period = Period(day, day, ZoneInfo("Europe/Berlin"))
    assert period.end - period.start == timedelta(days=1)  # on the wall
    for hour in (22, 23):
        at = datetime(2025, 10, 25 + (hour == 23), hour, tzinfo=UTC)
        make_walk(account, alice, flow, now=at - timedelta(seconds=1))
        make_walk(account, alice, flow, now=at)
    # From 25 October 22:00 to 26 October 23:00 in UTC.
    assert figures(mona, period).walks == 2


def test_the_period_before_is_as_long_and_ends_where_this_one_begins():
    before = Period(date(2025, 3, 1), date(2025, 3, 30), UTC).before
    assert (before.first, before.last) == (date(2025, 1, 30), date(2025, 2, 28))
    assert before.days == 30


def test_versions_stand_side_by_side(account, alice, egon, mona, flow):
    resolved(account, alice, flow, 6)
    resolved(account, alice, flow, 2, at=after(0, of=START - timedelta(days=31)))
    escalated(account, alice, second_version(flow, egon), 1)
    abandoned(account, alice, None)
    make_flow(account, title="Aardvark")  # in use, though nobody walked it
    rows = reports.figures_by_version(mona, MARCH)
    assert [
        (str(row.version), row.now.walks, row.before.walks, row.now.median)
        for row in rows
    ] == [
        ("Aardvark v1", 0, 0, None),
        ("Printer v2", 1, 0, timedelta(minutes=1)),
        ("Printer v1", 1, 1, timedelta(minutes=6)),
        ("None", 1, 0, None),
    ]


def test_versions_that_nobody_uses_or_walked_are_left_out(account, egon, mona, flow):
    second_version(flow, egon)
    assert [r.version.number for r in reports.figures_by_version(mona, MARCH)] == [2]


# --- over time ------------------------------------------------------------------------
def test_each_day_has_its_outcomes_and_empty_days_are_there(account, alice, mona, flow):
    resolved(account, alice, flow, 1)
    escalated(account, alice, flow, 1)
    abandoned(account, alice, flow, at=after(24 * 60))
    make_walk(account, alice, flow, now=after(24 * 60))
    period = Period(date(2025, 3, 9), date(2025, 3, 11), UTC)
    found = reports.outcomes_over_time(reports.walks_in(mona, period), period)
    assert found == [
        Bucket(date(2025, 3, 9)),
        Bucket(date(2025, 3, 10), resolved=1, escalated=1),
        Bucket(date(2025, 3, 11), abandoned=1, active=1),
    ]
    assert [bucket.walks for bucket in found] == [0, 2, 2]


def test_weeks_begin_on_monday(account, alice, mona, flow):
    make_walk(account, alice, flow, now=datetime(2025, 3, 1, tzinfo=UTC))  # Saturday
    make_walk(account, alice, flow, now=datetime(2025, 4, 7, tzinfo=UTC))  # Monday
    period = Period(date(2025, 3, 1), date(2025, 4, 7), UTC)
    found = reports.outcomes_over_time(reports.walks_in(mona, period), period)
    assert [bucket.day for bucket in found][:2] == [date(2025, 2, 24), date(2025, 3, 3)]
    assert [bucket.walks for bucket in found] == [1, 0, 0, 0, 0, 0, 1]


def test_long_ranges_are_told_by_month(account, alice, mona, flow):
    make_walk(account, alice, flow, now=datetime(2024, 2, 29, tzinfo=UTC))
    period = Period(date(2024, 1, 31), date(2025, 2, 28), UTC)
    found = reports.outcomes_over_time(reports.walks_in(mona, period), period)
    assert [b.day.isoformat()[:7] for b in found][:3] == [
        "2024-01",
        "2024-02",
        "2024-03",
    ]
    assert [bucket.walks for bucket in found] == [0, 1] + 12 * [0]


def test_bars_are_stacked_without_gaps():
    chart = stacked_bars([Bucket(date(2025, 3, 10), 1, 1, 0, 1)], "month")
    [column] = chart.columns
    assert (chart.top, chart.width, column.label) == (4, 70, "Mar 2025")
    assert [(p.css, p.y, p.height) for p in column.parts] == [
        ("bar-success", 750, 250),
        ("bar-warning", 500, 250),
        ("bar-info", 250, 250),
    ]
    assert [round_up(n) for n in (0, 1, 3, 9, 12, 41, 1000)] == [
        1, 1, 4, 10, 20, 100, 1000,
    ]  # fmt: skip
    assert stacked_bars([], "day").columns == []


# --- node by node ---------------------------------------------------------------------
def nodes(user: User, flow: Flow, period: Period = MARCH) -> dict[str, Any]:
    rows = reports.walks_in(user, period).filter(flow_version=flow.current_version_id)
    found = reports.node_figures(rows, definition_of(flow.current_version_id))
    return {row.node.id: row for row in found}


def test_visits_drop_off_time_and_what_was_taken_back(account, alice, mona, flow):
    # Answers after 2 minutes, takes it back a minute later, answers after 3 more.
    first = make_walk(account, alice, flow, now=START)
    give(first, alice, "a1", now=after(2))
    walks.undo_step(first, by=alice, version=first.version, now=after(3))
    give(first, alice, "a1", now=after(6))  # on "queue" now
    walks.abandon_walk(reread(first), by=alice, version=first.version)
    # Answers after 7 minutes and is handed over where the flow says so.
    second = make_walk(account, alice, flow, now=START)
    give(second, alice, "a2", now=after(7))
    escalations.escalate_walk(
        second, by=alice, version=second.version, category="other", reason="So it is"
    )
    # Is handed over at the first question: the flow does not ask for that.
    escalated(account, alice, flow, 1)
    # Stands at the first question.
    make_walk(account, alice, flow, now=START)

    found = nodes(mona, flow)
    assert [row.number for row in found.values()] == [
        "1", "1.1", "1.1.1", "1.1.1.1", "1.1.1.2",
    ]  # fmt: skip
    scope, queue, hand, ok = (found[name] for name in ("scope", "queue", "hand", "ok"))
    assert (scope.visits, scope.undone) == (3 + 2, 1)
    assert (scope.abandoned, scope.escalated, scope.dropped) == (0, 1, 1)
    assert scope.drop_rate == 0.2
    assert scope.median == timedelta(minutes=3)  # of 2, 3 and 7
    assert (queue.visits, queue.abandoned, queue.dropped) == (1, 1, 1)
    assert queue.median is None
    assert (hand.visits, hand.escalated, hand.dropped) == (1, 1, 0)
    assert hand.foreseen
    assert (ok.visits, ok.drop_rate) == (0, None)


def test_a_walk_solved_on_the_way_did_not_drop_off(account, alice, mona, flow):
    resolved(account, alice, flow, 1)
    scope = nodes(mona, flow)["scope"]
    assert (scope.visits, scope.dropped) == (1, 0)


def test_steps_that_a_resumed_walk_copied_count_once(account, alice, mona, flow):
    old = give(make_walk(account, alice, flow, now=START), alice, "a1", now=after(2))
    walks.abandon_walk(old, by=alice, version=old.version)
    new = resume_walk(old, by=alice, start_key=key(), now=after(60))
    give(new, alice, "a1", now=after(64))
    found = nodes(mona, flow)
    assert found["scope"].visits == 1
    assert found["scope"].median == timedelta(minutes=2)
    assert found["queue"].visits == 2  # left by the old walk, answered in the new one
    assert found["queue"].median == timedelta(minutes=4)
    april = Period(date(2025, 4, 1), date(2025, 4, 30), UTC)
    assert nodes(mona, flow, april)["scope"].visits == 0


# --- what no flow caught --------------------------------------------------------------
def test_reasons_are_counted_the_commonest_first(account, alice, mona, flow):
    for category in ("time_box", "security", "security", "needs_access"):
        escalated(account, alice, flow, 1, category=category)
    found = reports.escalation_categories(reports.walks_in(mona, MARCH))
    assert [(str(category), count) for category, count in found] == [
        ("security", 2),
        ("needs_access", 1),
        ("time_box", 1),
    ]


def test_problems_that_differ_in_spelling_alone_are_one(account, alice, mona, flow):
    said = [
        "SAP says: no licence",
        "sap  says no\nlicence!",
        "Scanner is dead",
        "",
        "?!",
    ]
    for minute, text in enumerate(said):
        last = make_walk(account, alice, None, problem_text=text, now=after(minute))
    assert last.problem_text == "?!"
    make_walk(account, alice, flow, problem_text="Had a flow", now=START)
    licence, scanner = reports.unmatched_problems(reports.walks_in(mona, MARCH))
    assert (licence.text, licence.walks) == ("sap  says no\nlicence!", 2)
    assert licence.last_seen == after(1)
    assert L1WalkSession.objects.get(pk=licence.walk_id).started_at == after(1)
    assert (scanner.text, scanner.walks) == ("Scanner is dead", 1)


def test_twenty_problems_are_shown(account, alice, mona):
    for number in range(22):
        make_walk(account, alice, None, problem_text=f"Thing {number}", now=START)
    make_walk(account, alice, None, problem_text="Thing 0", now=START)
    found = reports.unmatched_problems(reports.walks_in(mona, MARCH))
    assert len(found) == 20
    assert found[0].walks == 2


def test_a_walk_is_idle_after_half_an_hour(account, alice, mona):
    make_walk(account, alice, None, now=START, ticket_id="OLD")
    make_walk(account, alice, None, now=after(1), ticket_id="NEW")
    abandoned(account, alice, None)
    found = reports.stale_walks(mona, after(31))
    assert [walk.ticket_id for walk in found] == ["OLD"]


# --- which days -----------------------------------------------------------------------
TODAY = date(2025, 3, 31)


@pytest.mark.parametrize(
    ("asked", "first", "last", "wrong"),
    [
        ({}, "2025-03-02", "2025-03-31", ""),
        ({"from": "", "to": ""}, "2025-03-02", "2025-03-31", ""),
        ({"from": "2025-01-05", "to": "2025-01-05"}, "2025-01-05", "2025-01-05", ""),
        ({"from": "2025-01-05"}, "2025-01-05", "2025-03-31", ""),
        ({"from": "2025-06-01"}, "2025-06-01", "2025-06-01", ""),
        ({"to": "2024-12-31"}, "2024-12-02", "2024-12-31", ""),
        ({"from": "2025-02-30"}, "2025-03-02", "2025-03-31", "from"),
        ({"from": "1999-12-31"}, "2025-03-02", "2025-03-31", "from"),
        ({"to": "9999-12-31"}, "2025-03-02", "2025-03-31", "to"),
        ({"from": "2025-02-01", "to": "2025-01-01"}, "2025-03-02", "2025-03-31", "to"),
        ({"from": "2012-01-01"}, "2025-03-02", "2025-03-31", "from"),
        ({"to": "\x00'; --"}, "2025-03-02", "2025-03-31", "to"),
    ],
)
def test_days_that_make_no_sense_show_the_default(asked, first, last, wrong):
    form = PeriodForm(asked, today=TODAY)
    period = form.period
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)
    assert list(form.errors) == ([wrong] if wrong else [])
