"""The second step: agreed to, made, fetched, brought along, tried again."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.actions.running import drain
from jobs.actions.stopping import cancel_job
from jobs.models import Job
from tests.conftest import signed_in
from workflows.support.actions.archives import delete_artifact
from workflows.support.tasks import QUEUE
from workflows.support.tests.make import (
    ARCHIVE,
    leave_on_host,
    make_archive,
    make_case,
    make_host,
    packed,
    report_of,
    reread,
)
from workflows.support.tests.pages import moved_to, opened, send, text, url

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(alice):
    return signed_in(alice)


@pytest.fixture
def case(alice):
    return make_case(alice)


@pytest.fixture
def brought(alice, account):
    return make_case(alice, host=make_host(account, transport="upload"))


def generate(client, case, **data):
    return send(client, case, "report", "generate", **{"consent": "on", **data})


def bring(client, case, content=None, name=ARCHIVE):
    file = SimpleUploadedFile(name, packed() if content is None else content)
    return send(client, case, "report", "bring", archive=file)


# --- the host -------------------------------------------------------------------------
def test_the_page_asks_the_host_by_itself_and_by_a_link(client, case):
    page = text(opened(client, case))
    address = url("host_check", case)
    assert f'hx-get="{address}" hx-trigger="load"' in page
    assert f'href="{address}"' in page


def test_a_host_that_lacks_something_is_told_with_its_remedy(client, case, settings):
    settings.SOS_WRAPPER = "/nowhere/handrail-sos"
    part = client.get(url("host_check", case), headers=HTMX)
    assert part.status_code == 200
    page = text(part)
    assert "<html" not in page
    assert "is not allowed to make reports on this host yet" in page
    assert "install.sh" in page
    assert page.count("install.sh") == 1  # it stands where it can be copied, alone
    assert "Check again" in page


def test_the_same_is_a_whole_page_without_scripts(client, case, install):
    install()
    page = text(client.get(url("host_check", case)))
    assert "is ready: a report can be made of it." in page
    assert "Back to the case" in page
    assert "<h1" in page


def test_a_host_over_ssh_that_cannot_be_reached(client, alice, account):
    case = make_case(alice, host=make_host(account, address="127.0.0.1", port=1))
    page = text(client.get(url("host_check", case), headers=HTMX))
    assert "does not answer" in page


def test_no_host_is_asked_for_an_archive_that_is_brought_along(client, brought):
    assert url("host_check", brought) not in text(opened(client, brought))
    page = text(client.get(url("host_check", brought)))
    assert "no host is asked" in page


def test_before_a_host_is_chosen_none_is_asked(client, alice):
    case = make_case(alice, at="select_product")
    answer = client.get(url("host_check", case), follow=True)
    assert answer.redirect_chain[-1] == (url("page", case, "product"), 303)
    page = text(answer)
    assert "Choose a product and a host first." in page
    assert "brought along" not in page


# --- asked for ------------------------------------------------------------------------
def test_the_notice_stands_beside_the_consent(client, case):
    shown = opened(client, case)
    assert "Configuration files under /etc" in text(shown)
    form = shown.context["forms"]["generate"]
    assert form["mask"].value() is True
    assert not form["consent"].value()
    assert not form.unfolded


def test_nothing_is_made_without_consent(client, case):
    response = send(client, case, "report", "generate", label="mine")
    assert response.status_code == 422
    assert "Read what the report contains" in text(response)
    assert 'value="mine"' in text(response)
    assert not Job.objects.exists()
    assert report_of(case).consented_at is None


def test_a_report_is_asked_for_with_its_options(client, case, alice):
    response = generate(
        client,
        case,
        mask="on",
        only="host, login  networking,host",
        log_size="5",
        label="it-s",
        case_id="C_1",
    )
    assert moved_to(response, case, "report", client)
    report = report_of(case)
    assert report.options == {
        "only": ["host", "login", "networking"],
        "enable": [],
        "disable": [],
        "log_size": 5,
        "clean": True,
        "label": "it-s",
        "case_id": "C_1",
    }
    assert report.consented_by == alice
    page = text(opened(client, case))
    assert "Generate a report" in page
    assert 'name="consent"' not in page
    assert ">Change<" not in page


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"only": "host; rm"}, "Name each plugin as sos does"),
        ({"only": "--batch"}, "Names can be masked only when"),
        ({"only": "host", "enable": "login"}, "none can be added or left out"),
        ({"only": "host"}, "Names can be masked only when"),
        ({"log_size": "0"}, "Logs are cut at 1 MiB or more"),
        ({"log_size": "1025"}, "Logs are cut at 1024 MiB or less"),
        ({"label": "a b"}, "A label has letters, digits and -"),
        ({"case_id": "1/2"}, "A case number has letters"),
        ({"disable": "x" * 65}, "Name each plugin as sos does"),
    ],
)
def test_options_that_cannot_be_are_said_and_kept(client, case, typed, said):
    response = generate(client, case, mask="on", **typed)
    assert response.status_code == 422
    page = text(response)
    assert said in page
    assert '<details class="options" open>' in page
    assert all(f'value="{value}"' in page for value in typed.values())
    assert not Job.objects.exists()


def test_a_second_click_finds_the_first_ones_job(client, case):
    for _click in range(2):
        assert moved_to(generate(client, case), case, "report", client)
    assert Job.objects.count() == 1


def test_a_report_that_failed_is_told_and_tried_again(client, case, install):
    copy = install("failing")
    generate(client, case, label="again")
    drain(QUEUE)
    shown = opened(client, case)
    page = text(shown)
    assert "The last try did not work." in page
    assert reread(case).last_error_text in page
    assert shown.context["forms"]["generate"]["label"].value() == "again"
    assert shown.context["forms"]["generate"].unfolded
    assert copy.clean()
    install("good")
    assert moved_to(generate(client, case), case, "report", client)
    drain(QUEUE)
    assert "Go on to Jira" in text(opened(client, case))
    assert "The last try did not work" not in text(opened(client, case))


def test_a_report_that_was_canceled_can_be_made_again(client, case, alice):
    generate(client, case)
    cancel_job(Job.objects.get(), by=alice)
    page = text(opened(client, case))
    assert "It was canceled." in page
    assert "tone-danger" not in page  # it is what somebody wanted
    assert "The report was stopped" in page
    assert "Generate the report" in page


# --- fetched --------------------------------------------------------------------------
@pytest.fixture
def waiting(case):
    """A case whose report lies on the host: its fetch has failed."""
    return leave_on_host(case)


def test_a_report_that_did_not_arrive_is_fetched_again(client, waiting):
    page = text(opened(client, waiting))
    assert "The archive did not arrive whole." in page
    assert "The report waits on the host" in page
    assert "7.0\xa0MB" in page
    assert "Generate again" in page
    assert moved_to(send(client, waiting, "report", "fetch"), waiting, "report", client)
    assert "Fetch the archive" in text(opened(client, waiting))


def test_a_report_that_did_not_arrive_can_be_made_anew(client, waiting):
    assert moved_to(generate(client, waiting), waiting, "report", client)
    assert report_of(waiting).fetch_reference == ""


def test_a_report_that_is_gone_from_the_host_is_made_anew(client, waiting, install):
    install()
    assert moved_to(send(client, waiting, "report", "fetch"), waiting, "report", client)
    drain(QUEUE)
    assert reread(waiting).last_error_code == "archive_not_found"
    page = text(opened(client, waiting))
    assert "Generate the report" in page
    for words in ("Fetch again", "waits on the host", "keeps it for a day"):
        assert words not in page


def test_a_report_that_is_too_large_is_made_anew_and_not_fetched_again(
    client, case, install, settings
):
    install("big")
    settings.SUPPORT_LARGEST_MIB = 1
    generate(client, case)
    drain(QUEUE)  # makes it, and cannot fetch it
    assert reread(case).last_error_code == "artifact_too_large"
    page = text(opened(client, case))
    assert "The report on the host is too large" in page
    assert "At most 1.0\xa0MB are fetched." in page
    assert "Generate the report" in page
    for words in ("Fetch again", "waits on the host", "keeps it for a day"):
        assert words not in page
    # An administrator may have raised the limit: then it is worth another try.
    settings.SUPPORT_LARGEST_MIB = 4
    page = text(opened(client, case))
    assert "Fetch again" in page
    assert "is too large" not in page
    assert moved_to(send(client, case, "report", "fetch"), case, "report", client)
    drain(QUEUE)
    assert "Go on to Jira" in text(opened(client, case))


def test_there_is_nothing_to_fetch(client, case):
    response = send(client, case, "report", "fetch")
    assert response.status_code == 422
    assert "No report waits on the host" in text(response)
    assert reread(case).last_error_code == "missing_fetch_reference"


# --- brought along --------------------------------------------------------------------
def test_an_archive_is_brought_along(client, brought):
    page = text(opened(client, brought))
    assert "Bring the archive" in page
    assert "At most 4.0\xa0GB" in page
    assert 'name="consent"' not in page
    assert moved_to(bring(client, brought), brought, "report", client)
    page = text(opened(client, brought))
    assert "The archive is here." in page
    assert ARCHIVE in page
    assert "Brought along" in page
    assert "Bring another archive" in page
    assert moved_to(send(client, brought, "report", "jira"), brought, "jira", client)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"not packed at all" * 50, ARCHIVE, "This is not the archive of a report"),
        (None, "holiday.zip", "This is not the archive of a report"),
        (b"", ARCHIVE, "This file is empty"),
    ],
)
def test_what_is_no_archive_is_refused(client, brought, content, name, said):
    response = bring(client, brought, content, name)
    assert response.status_code == 422
    page = text(response)
    assert said in page
    assert "choose it again" in page
    assert not brought.artifacts.exists()
    # The case is kept, and takes the right one.
    assert moved_to(bring(client, brought), brought, "report", client)


def test_an_archive_that_is_too_large_is_refused_before_it_is_read(
    client, brought, settings
):
    settings.SUPPORT_LARGEST_MIB = 0
    response = bring(client, brought)
    assert response.status_code == 422
    assert "at most 0\xa0bytes are taken" in text(response)


def test_no_file_was_chosen(client, brought):
    response = send(client, brought, "report", "bring")
    assert response.status_code == 422
    assert "Choose the archive that sos has written." in text(response)
    assert "choose it again" not in text(response)


def test_a_case_of_a_host_takes_no_file(client, case):
    response = bring(client, case)
    assert response.status_code == 422
    assert "The report of this case is made on its host" in text(response)


# --- here -----------------------------------------------------------------------------
def test_the_archive_is_described(client, case):
    archive = make_archive(case)
    shown = opened(client, case)
    page = text(shown)
    for words in (ARCHIVE, archive.sha256, "Kept until", "Fetched from a host"):
        assert words in page
    for name in ("archive", "archive_download", "archive_delete"):
        assert url(name, case, archive.pk) in page
    # Nobody waits for the host's answer here: it is asked when somebody wants to.
    assert f'{url("host_check", case)}" hx-trigger="load"' not in page


def test_there_is_no_way_on_without_an_archive(client, case):
    response = send(client, case, "report", "jira")
    assert response.status_code == 422
    assert "The archive of this case is not here" in text(response)


def test_an_archive_that_was_deleted_meanwhile(client, case, alice):
    delete_artifact(make_archive(case), by=alice)
    page = text(opened(client, case))
    assert "The archive of this case was deleted." in page
    assert "Make another report to go on." in page
    assert send(client, case, "report", "jira").status_code == 422


def test_another_report_leaves_the_archive_to_itself(client, case):
    archive = make_archive(case)
    assert moved_to(generate(client, case), case, "report", client)
    assert report_of(case).artifact is None
    assert client.get(url("archive", case, archive.pk)).status_code == 200


def test_a_failure_later_does_not_hide_the_archive(client, brought):
    bring(client, brought)
    bring(client, brought, b"no archive" * 99)
    page = text(opened(client, brought))
    assert "The last try did not work." in page
    assert "Go on to Jira" in page
    assert moved_to(send(client, brought, "report", "jira"), brought, "jira", client)


def test_an_action_that_is_none(client, case):
    assert send(client, case, "report", "erase").status_code == 400
