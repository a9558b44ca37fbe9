"""An archive that another report was wanted instead of is not lost."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.urls import reverse
from django_fsm import TransitionNotAllowed

from jobs.actions.stopping import cancel_job
from tests.conftest import signed_in
from workflows.support.actions.archives import delete_artifact
from workflows.support.actions.bringing import take_earlier_archive
from workflows.support.actions.cases import go_on_to_jira
from workflows.support.actions.generating import generate_sosreport
from workflows.support.actions.reporting import earlier_archives
from workflows.support.collecting.options import ReportOptions
from workflows.support.problems import MissingArtifact, ProductFirst
from workflows.support.tests.make import make_archive, make_case, report_of, reread
from workflows.support.tests.pages import moved_to, opened, send, text

pytestmark = pytest.mark.django_db
EARLIER = "Earlier archives of this case"


@pytest.fixture
def client(alice):
    return signed_in(alice)


@pytest.fixture
def case(alice):
    return make_case(alice)


def wanted_anew(case, by):
    """Return the archive of a case whose next report was begun and canceled."""
    archive = make_archive(case)
    job = generate_sosreport(case, by=by, options=ReportOptions(), consent=True)
    cancel_job(job, by=by)
    return archive


def test_the_page_shows_it_and_goes_on_with_it(client, case, alice):
    archive = wanted_anew(case, alice)
    assert report_of(case).artifact is None
    page = text(opened(client, case))
    assert EARLIER in page
    assert reverse("support:archive", args=[case.pk, archive.pk]) in page
    assert (
        send(client, case, "report", "earlier", archive=archive.pk).status_code == 303
    )
    report = report_of(case)
    assert (report.artifact, report.fetch_status) == (archive, "succeeded")
    assert report.moves().filter(name="take_earlier", actor=alice).count() == 1
    assert (reread(case).current_step, reread(case).last_error_code) == (
        "sos_report",
        "",
    )
    assert EARLIER not in text(opened(client, case))
    assert moved_to(send(client, case, "report", "jira"), case, "jira", client)


def test_the_second_click_changes_nothing(case, alice):
    archive = wanted_anew(case, alice)
    for _click in range(2):
        take_earlier_archive(case, by=alice, artifact_pk=archive.pk)
    assert report_of(case).moves().filter(name="take_earlier").count() == 1


def test_a_later_one_takes_its_place_and_back(case, alice):
    first = make_archive(case)
    second = make_archive(case)
    assert earlier_archives(reread(case)) == [first]
    take_earlier_archive(case, by=alice, artifact_pk=first.pk)
    assert report_of(case).artifact == first
    assert earlier_archives(reread(case)) == [second]


def test_one_that_was_deleted_is_neither_shown_nor_taken(client, case, alice):
    archive = wanted_anew(case, alice)
    delete_artifact(archive, by=alice)
    assert EARLIER not in text(opened(client, case))
    response = send(client, case, "report", "earlier", archive=archive.pk)
    assert response.status_code == 422
    assert str(MissingArtifact.words) in text(response)


def test_another_cases_is_none_of_this(client, case, alice):
    other = make_archive(make_case(alice))
    wanted_anew(case, alice)
    for pk in (other.pk, uuid4()):
        response = send(client, case, "report", "earlier", archive=pk)
        assert response.status_code == 422
    assert report_of(case).artifact is None


def test_only_at_the_report_and_while_nothing_runs(case, alice):
    first = make_archive(case)
    make_archive(case)
    go_on_to_jira(case, by=alice)
    with pytest.raises(TransitionNotAllowed):
        take_earlier_archive(case, by=alice, artifact_pk=first.pk)
    running = make_case(alice)
    earlier = make_archive(running)
    generate_sosreport(running, by=alice, options=ReportOptions(), consent=True)
    with pytest.raises(TransitionNotAllowed):
        take_earlier_archive(running, by=alice, artifact_pk=earlier.pk)


def test_at_the_product_one_has_to_choose_first(client, alice):
    case = make_case(alice, at="select_product")
    archive = make_archive(case)
    with pytest.raises(ProductFirst):
        take_earlier_archive(case, by=alice, artifact_pk=archive.pk)
