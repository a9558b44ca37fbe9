"""What one answer costs: python -m benchmarks.walk_step

(a) our POST of an answer against a bare view, one UPDATE and one INSERT behind the same
middleware; (b) our cycle from answer to the next question on the screen against that
of a django-formtools wizard, which keeps nothing but a session.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from benchmarks.ground import Browser, in_turn, product, signed_in

STEPS = 16  # of the wizard, and of the flow before it loops to its first question
ROUNDS, EACH = 30, 48


def main() -> None:
    with product():
        figures = measure()
    base_a, base_b = figures["bare view"], figures["formtools cycle"]
    print("| per step, CPU ms | application | database | together | ratio |")
    print("|---|---|---|---|---|")
    for name, base in (
        ("bare view", base_a),
        ("our answer", base_a),
        ("formtools cycle", base_b),
        ("our cycle (htmx)", base_b),
    ):
        app, database = figures[name]
        ratio = (app + database) / sum(base)
        print(
            f"| {name} | {app * 1e3:.2f} | {database * 1e3:.2f} "
            f"| {(app + database) * 1e3:.2f} | {ratio:.2f} |"
        )


def measure() -> dict[str, tuple[float, float]]:
    from django.core.wsgi import get_wsgi_application

    from benchmarks import rivals
    from l1walk.tests.make import make_flow
    from tests.conftest import make_account, make_user
    from workflows.core.accounts import User

    rivals.install(STEPS)
    account = make_account("bench")
    alice = make_user(account, "alice", "technician")
    flow = make_flow(account, definition=rivals.long_graph(STEPS))
    user = User.objects.get(pk=alice.pk)
    browser = signed_in(get_wsgi_application(), user)
    bare_walk = new_walk(user, flow)
    return in_turn(
        {
            "bare view": bare_turn(browser, bare_walk.pk),
            "our answer": our_turn(browser, user, flow, htmx=False),
            "formtools cycle": formtools_turn(browser),
            "our cycle (htmx)": our_turn(browser, user, flow, htmx=True),
        },
        rounds=ROUNDS,
        each=EACH,
    )


def new_walk(user: Any, flow: Any) -> Any:
    from l1walk.tests.make import make_walk

    return make_walk(user.account, user, flow)


def our_turn(
    browser: Browser, user: Any, flow: Any, *, htmx: bool
) -> Callable[[], None]:
    """Answer question after question of one walk, round and round."""
    path = f"/walks/{new_walk(user, flow).pk}/answer/"
    number = 0

    def turn() -> None:
        nonlocal number
        node = f"q{number % STEPS}"
        form = {"version": number, "node": node, "key": uuid4(), "answer": "a1"}
        status, _headers, body = browser.request(
            "POST", path, urlencode(form | {"note": ""}), htmx=htmx
        )
        number += 1
        expected = "200" if htmx else "303"
        assert status.startswith(expected), (status, body[:300])
        assert not htmx or f"Question {number % STEPS}?".encode() in body

    return turn


def bare_turn(browser: Browser, pk: UUID) -> Callable[[], None]:
    def turn() -> None:
        form = {"version": 1, "node": "q1", "key": uuid4(), "answer": "a1", "note": ""}
        status, _headers, _body = browser.request(
            "POST", f"/bare/{pk}/", urlencode(form)
        )
        assert status.startswith("303"), status

    return turn


def formtools_turn(browser: Browser) -> Callable[[], None]:
    """Post a step, follow the redirect, read the next page; begin again at the end."""
    number = 0

    def turn() -> None:
        nonlocal number
        if number == 0:
            browser.request("GET", "/wizard/reset/")
            browser.request("GET", "/wizard/s0/")
        form = {
            "bench_wizard-current_step": f"s{number}",
            f"s{number}-answer": "a1",
            f"s{number}-note": "",
        }
        status, headers, _body = browser.request(
            "POST", f"/wizard/s{number}/", urlencode(form)
        )
        assert status.startswith("302"), status
        number = (number + 1) % (STEPS - 1)
        status, _headers, body = browser.request("GET", headers["Location"])
        assert status.startswith("200"), status
        assert re.search(rb"Question \d+\?", body)

    return turn


if __name__ == "__main__":
    main()
