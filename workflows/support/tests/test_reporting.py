"""What pages ask about a case."""

from __future__ import annotations

import pytest

from jobs.actions.kinds import KINDS
from jobs.actions.stopping import cancel_job
from workflows.core.errors import Category
from workflows.support.actions import reporting
from workflows.support.actions.reporting import (
    prerequisites,
    running_job,
)
from workflows.support.tests.make import ask, make_case, make_host

pytestmark = pytest.mark.django_db


def test_each_kind_hears_how_its_jobs_end():
    kinds = [KINDS[kind] for kind in reporting.KINDS]
    assert len(kinds) == 3
    for kind in kinds:
        assert kind.queue == "support"
        assert kind.ended
        assert kind.restarted
        assert kind.repeatable


def test_the_job_of_a_case_is_found(alice):
    case, other = make_case(alice), make_case(alice)
    assert running_job(case.pk) is None
    first = ask(case)
    assert running_job(case.pk) == first
    assert running_job(other.pk) is None
    cancel_job(first, by=alice)
    assert running_job(case.pk) is None
    second = ask(case)
    assert running_job(case.pk) == second


def test_a_host_is_asked_what_it_lacks(alice, install):
    install()
    case = make_case(alice)
    found = prerequisites(case)
    assert found.wrapper_version == 1
    assert found.free_bytes > 0
    install(SOS=("/nowhere/sos",))
    [problem] = prerequisites(case).problems
    assert problem.code == "dependency_missing"


def test_nothing_is_asked_where_nothing_is_made(alice, account):
    upload = make_host(account, transport="upload")
    for case in (make_case(alice, at="select_product"), make_case(alice, host=upload)):
        assert prerequisites(case).problems == ()


def test_a_host_whose_keys_are_none_is_named(alice, account):
    case = make_case(alice, host=make_host(account, host_key="ssh-ed25519 x"))
    [problem] = prerequisites(case).problems
    assert problem.code == "validation_error"


def test_a_key_that_cannot_be_opened_is_an_operators_matter(alice, account, settings):
    case = make_case(alice, host=make_host(account))
    settings.SEAL_KEYS = []
    [problem] = prerequisites(case).problems
    assert problem.category == Category.ADMIN_REQUIRED
    assert "SEAL_KEYS" in str(problem)
