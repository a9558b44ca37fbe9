"""A team that has used Handrail for a month, so that every page shows something."""

from __future__ import annotations

import json
import random
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from l1walk.actions import escalations, walks
from l1walk.actions.flows import import_flow, publish_flow
from l1walk.actions.tickets import open_ticket
from l1walk.graphs.definition import (
    TERMINALS,
    Definition,
    EscalationCategory,
    NodeType,
)
from l1walk.models import Flow, L1WalkSession
from l1walk.models.preferences import NOTIFY_ENGINEERS
from workflows.core.accounts import (
    BOOKKEEPER,
    ENGINEER,
    MANAGER,
    TECHNICIAN,
    Account,
    User,
)
from workflows.core.ids import uuid7
from workflows.core.jirahosts import JIRA_HOSTS

FOLDER = Path(__file__).resolve().parents[2] / "demo"
PASSWORD = "handrail-demo"  # noqa: S105  (printed by `up`: it guards invented data)
DAYS, WALKS = 30, 150
PEOPLE = (
    ("tina", "Tina", "Tremblay", TECHNICIAN),
    ("tom", "Tom", "Okafor", TECHNICIAN),
    ("egon", "Egon", "Lindqvist", ENGINEER),
    ("erika", "Erika", "Moreau", ENGINEER),
    ("mona", "Mona", "Castillo", MANAGER),
    ("berta", "Berta", "Nowak", BOOKKEEPER),
)
NOTES = (
    "Caller is patient and at the machine.",
    "Tried twice, same result.",
    "Colleague next to them sees the same.",
    "Had worked until the update last night.",
    "Will call back if it returns.",
)
FINDINGS = (
    ("What does the caller see?", "As described; no error message"),
    ("Does it happen elsewhere?", "Not on a colleague's computer"),
    ("Does a restart help?", "No, the same afterwards"),
)
REASONS = (
    "What we may do was tried; the caller has a meeting at the hour.",
    "Needs rights on the server that we do not have.",
    "Third call this week about the same machine.",
)


@dataclass
class Call:
    """One invented call: who takes it, about what, and the clock on the wall."""

    by: User
    ticket: dict[str, Any]
    now: datetime

    def tick(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


class Command(BaseCommand):
    help = "Make the account “demo” with people, flows, tickets and finished walks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--operator",
            action="store_true",
            help="make olga too, who sees every account: for one's own machine alone",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if Account.objects.filter(slug="demo").exists():
            raise CommandError(
                "The account “demo” is there already; nothing was changed."
            )
        with transaction.atomic():
            make_demo(random.Random(7))  # noqa: S311  (the same story every time)
            if options["operator"]:
                User.objects.create_superuser(
                    "olga", "olga@example.com", PASSWORD, first_name="Olga"
                )
        self.stdout.write("The account “demo” is ready.")


def make_demo(dice: random.Random) -> None:
    account = Account.objects.create(
        slug="demo",
        name="Northwind Support",
        time_zone="Europe/Berlin",
        # Nobody gets e-mail about what is invented.
        settings={NOTIFY_ENGINEERS.key: False},
    )
    people = list(make_people(account))
    flows = dict(make_flows(account, people[2]))
    tickets = json.loads((FOLDER / "tickets.json").read_text())
    end = timezone.now()
    for start in sorted(call_time(end, number, dice) for number in range(WALKS)):
        call = Call(dice.choice(people[:3]), dice.choice(tickets), start)
        walk_call(account, call, flows, dice, people[2:4])
    running(account, people[0], tickets[9], flows, end - timedelta(minutes=95))
    for place, ticket in enumerate(tickets[20:26]):
        at = end - timedelta(minutes=7 * (7 - place))
        write_ticket(account, people[0], ticket, at)
    running(account, people[0], tickets[3], flows, end - timedelta(minutes=1))
    # As most teams would have it who try it out.
    chosen = {JIRA_HOSTS.key: ["*.atlassian.net"]}
    Account.objects.filter(pk=account.pk).update(settings=chosen)


def call_time(end: datetime, number: int, dice: random.Random) -> datetime:
    """Return when a call came: evenly over the month, at hours when somebody calls."""
    start = end - timedelta(days=DAYS * (1 - number / WALKS))
    start = start.replace(hour=7 + number % 10, minute=dice.randrange(60))
    recent = start > end - timedelta(minutes=120)
    return start - timedelta(days=1) if recent else start


def make_people(account: Account) -> Iterator[User]:
    for username, first, last, role in PEOPLE:
        user = User.objects.create_user(
            username,
            f"{username}@example.com",
            PASSWORD,
            first_name=first,
            last_name=last,
            account=account,
            is_staff=role == MANAGER,
        )
        user.groups.add(Group.objects.get(name=role))
        yield user


def make_flows(account: Account, author: User) -> Iterator[tuple[str, Flow]]:
    for path in sorted(FOLDER.glob("*.json")):
        if path.stem != "tickets":
            flow, _read = import_flow(
                account, by=author, filename=path.name, data=path.read_bytes()
            )
            publish_flow(flow, by=author)
            published = Flow.objects.select_related("current_version").get(pk=flow.pk)
            yield path.stem, published


def write_ticket(
    account: Account, by: User, ticket: dict[str, Any], now: datetime
) -> str:
    row = open_ticket(
        account,
        by=by,
        title=ticket["title"],
        requester=ticket["requester"],
        contact=ticket["contact"],
        problem=ticket["problem"],
        now=now,
    )
    return str(row.number)


def begin(account: Account, call: Call, flows: dict[str, Flow]) -> L1WalkSession:
    ticket = call.ticket
    intake = walks.Intake(
        ticket_kind=L1WalkSession.TicketKind.INTERNAL,
        ticket_id=write_ticket(account, call.by, ticket, call.now),
        problem_text=ticket["problem"],
        caller_name=ticket["requester"],
        caller_contact=ticket["contact"],
    )
    return walks.begin_walk(
        account,
        by=call.by,
        intake=intake,
        flow=flows.get(ticket["flow"] or ""),
        start_key=uuid7(),
        now=call.now,
    )


def answer(walk: L1WalkSession, call: Call, dice: random.Random) -> None:
    submission = walks.Submission(walk.version, uuid7())
    note = dice.choice(NOTES) if dice.random() < 0.15 else ""
    node = walk.current_node
    at = call.tick(dice.lognormvariate(3.4, 0.6))
    if node is None:
        question, finding = FINDINGS[walk.last_seq % len(FINDINGS)]
        walks.record_finding(
            walk,
            by=call.by,
            question=question,
            finding=finding,
            submission=submission,
            note=note,
            now=at,
        )
        return
    # Most callers can be helped: their answers tend to lead to a solved end.
    far = steps_to_solved(walk.definition) if walk.definition else {}
    weights = [1 / (1 + far.get(answer.to, 9)) ** 1.3 for answer in node.answers]
    walks.answer_node(
        walk,
        by=call.by,
        node_id=node.id,
        answer_key=dice.choices(node.answers, weights)[0].key,
        submission=submission,
        note=note,
        now=at,
    )


def steps_to_solved(graph: Definition) -> dict[str, int]:
    """Return how far each node is from the nearest solved end, in answers."""
    far = {node.id: 0 for node in graph.nodes if node.type == NodeType.RESOLVED}
    for distance in range(1, len(graph.nodes)):
        near = [
            node.id
            for node in graph.nodes
            if node.id not in far and any(answer.to in far for answer in node.answers)
        ]
        far |= dict.fromkeys(near, distance)
    return far


def at_end(walk: L1WalkSession) -> bool:
    node = walk.current_node
    return node is not None and node.type in TERMINALS


def walk_call(
    account: Account,
    call: Call,
    flows: dict[str, Flow],
    dice: random.Random,
    engineers: list[User],
) -> None:
    walk = begin(account, call, flows)
    for _step in range(dice.randint(8, 16) if walk.flow_id else 3):
        if at_end(walk) or dice.random() < 0.03:
            break
        answer(walk, call, dice)
        if dice.random() < 0.05:
            at = call.tick(8)
            walks.undo_step(walk, by=call.by, version=walk.version, now=at)
    finish(walk, call, dice, engineers)


def finish(
    walk: L1WalkSession, call: Call, dice: random.Random, engineers: list[User]
) -> None:
    node = walk.current_node
    version, at = walk.version, call.tick(dice.uniform(10, 60))
    solved = node is not None and node.type == NodeType.RESOLVED
    if solved or (not at_end(walk) and dice.random() < 0.45):
        helpful = solved if dice.random() < 0.7 else None
        walks.resolve_walk(
            walk, by=call.by, version=version, notes="", helpful=helpful, now=at
        )
    elif at_end(walk) or dice.random() < 0.6:
        category = (node.category if node else "") or EscalationCategory.STEPS_EXHAUSTED
        escalations.escalate_walk(
            walk,
            by=call.by,
            version=version,
            category=category,
            reason=dice.choice(REASONS),
            now=at,
        )
        take_over(walk, call, dice, engineers)
    else:
        walks.abandon_walk(walk, by=None, version=version, now=at)


def take_over(
    walk: L1WalkSession, call: Call, dice: random.Random, engineers: list[User]
) -> None:
    """Let engineers work on all but the newest of what was handed over."""
    age = timezone.now() - call.now
    engineer = dice.choice(engineers)
    if age > timedelta(days=2):
        at = call.tick(dice.uniform(300, 3000))
        escalations.claim_walk(walk, by=engineer, now=at)
    if age > timedelta(days=3):
        escalations.close_escalation(
            walk,
            by=engineer,
            outcome=dice.choice(L1WalkSession.Outcome.values),
            notes="Found and mended on the server side.",
            now=call.tick(dice.uniform(600, 9000)),
        )


def running(
    account: Account,
    by: User,
    ticket: dict[str, Any],
    flows: dict[str, Flow],
    start: datetime,
) -> None:
    """Leave a walk open after its first answer."""
    call = Call(by, ticket, start)
    walk = begin(account, call, flows)
    if walk.flow_id:
        answer(walk, call, random.Random(1))  # noqa: S311  (a demo)
