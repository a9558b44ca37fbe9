"""The first step: of what, from where, and what is said when that cannot be."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.conftest import make_account, signed_in
from workflows.core.secrets import Secret
from workflows.support.actions.generating import generate_sosreport
from workflows.support.collecting.options import ReportOptions
from workflows.support.models import Host
from workflows.support.pages import product
from workflows.support.tests.make import make_archive, make_case, make_host, reread
from workflows.support.tests.pages import moved_to, opened, send, text, url

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice):
    return signed_in(alice)


@pytest.fixture
def case(alice):
    return make_case(alice, at="select_product")


def offered(shown):
    """Return the names of the hosts that can be chosen."""
    return [host.name for host in shown.context["forms"]["choose"].hosts.values()]


def choose(client, case, product="linux", host="upload", **more):
    return send(client, case, "product", "choose", product=product, host=host, **more)


def test_hosts_are_offered_that_are_ready(client, case, account):
    ready = make_host(account, name="Database", address="db1.example.com")
    make_host(account, name="Old", retired_at=timezone.now())
    make_host(make_account("other"), name="Foreign")
    make_host(account, transport="upload")
    shown = opened(client, case)
    choices = shown.context["forms"]["choose"]["host"].field.choices
    assert [pk for pk, _words in choices] == [str(ready.pk), "upload"]
    assert "db1.example.com" in text(shown)
    assert "I have an archive already" in text(shown)
    assert "A report by sos" in text(shown)
    assert "There is no host yet" not in text(shown)


def test_hosts_that_nobody_confirmed_are_named_with_why(client, case, account, egon):
    host = make_host(account, name="Fresh", host_key="")
    page = text(opened(client, case))
    assert "Not available yet" in page
    assert "Fresh" in page
    assert "An engineer or a manager can do that" in page
    assert url("host", host) not in page
    assert url("host", host) in text(opened(signed_in(egon), case))
    # And it is not taken either.
    response = choose(client, case, host=host.pk)
    assert response.status_code == 422
    assert "This host cannot be used any more" in text(response)


def test_without_a_host_people_are_told_what_they_can_do(client, case, egon):
    shown = opened(client, case)
    assert "An engineer or a manager can add one" in text(shown)
    assert shown.context["forms"]["choose"]["host"].value() == "upload"
    assert "/support/hosts/new/" not in text(shown)
    assert "/support/hosts/new/" in text(opened(signed_in(egon), case))


def test_many_hosts_are_a_list_to_type_into(client, case, account):
    for number in range(13):
        make_host(account, name=f"web-{number:02}", private_key=Secret("planted"))
    page = text(opened(client, case))
    assert '<select name="host"' in page
    assert "web-12 (192.0.2.1)" in page
    host = Host.objects.get(name="web-07")
    assert moved_to(choose(client, case, host=host.pk), case, "report", client)
    assert reread(case).host == host


def test_what_a_page_cannot_offer_is_found_by_name(client, case, account, monkeypatch):
    monkeypatch.setattr(product, "MOST_HOSTS", 2)
    names = ("web-1", "web-2", "web-3", "web-4")
    hosts = {name: make_host(account, name=name) for name in names}
    make_host(account, name="db", address="db4.example.com")

    shown = opened(client, case)
    assert "the first 2 by name are offered" in text(shown)
    assert offered(shown) == ["db", "web-1"]
    address = url("page", case, "product")
    found = client.get(address, {"q": " WEB-4 "})
    assert offered(found) == ["web-4"]
    assert "are offered" not in text(found)
    assert "Show all" in text(found)
    assert offered(client.get(address, {"q": "db4."})) == ["db"]
    none = client.get(address, {"q": "mail"})
    assert offered(none) == []
    assert "No host that reports can be made of has that in its name" in text(none)
    assert "There is no host yet" not in text(none)
    # Nothing is chosen in the place of what was not found.
    assert not none.context["forms"]["choose"]["host"].value()
    assert client.get(address, {"q": "x" * 300}).status_code == 200
    assert client.get(address, {"q": "\0"}).status_code == 200

    # The form goes to the page as it was found, or as it is: the choice counts.
    wrong = choose(client, case, product="", host=hosts["web-3"].pk)
    assert wrong.status_code == 422
    assert offered(wrong) == ["db", "web-1", "web-3"]
    assert wrong.context["forms"]["choose"]["host"].value() == str(hosts["web-3"].pk)
    assert moved_to(
        choose(client, case, host=hosts["web-4"].pk), case, "report", client
    )
    send(client, case, "report", "product")
    again = client.get(address, {"q": "web-2"})
    assert offered(again) == ["web-2", "web-4"]
    assert again.context["forms"]["choose"]["host"].value() == str(hosts["web-4"].pk)


def test_of_many_that_nobody_confirmed_the_others_are_found(
    client, case, account, monkeypatch
):
    monkeypatch.setattr(product, "MOST_UNCONFIRMED", 1)
    for name in ("fresh-1", "fresh-2"):
        make_host(account, name=name, host_key="")
    page = text(opened(client, case))
    assert "fresh-1" in page
    assert "fresh-2" not in page
    assert "There are more of them" in page
    assert "There is no host yet that reports can be made of." in page
    found = text(client.get(url("page", case, "product"), {"q": "fresh-2"}))
    assert "fresh-2" in found
    assert "There are more of them" not in found


def test_nothing_chosen_is_said_at_each_field(client, case):
    response = send(client, case, "product", "choose")
    assert response.status_code == 422
    page = text(response)
    assert "Choose the product." in page
    assert "Choose a host, or say that you have an archive." in page
    assert 'href="#id_choose_host_0"' in page


def test_an_archive_that_is_brought_along_has_a_host_of_its_own(client, case):
    assert moved_to(choose(client, case), case, "report", client)
    assert reread(case).host.transport == "upload"
    again = make_case(case.created_by, at="select_product")
    choose(client, again)
    assert reread(again).host == reread(case).host


def test_a_product_that_cannot_be_made_is_refused_in_words(client, case, account):
    host = make_host(account, transport="local")
    response = choose(client, case, product="windows", host=host.pk)
    assert response.status_code == 422
    page = text(response)
    assert "cannot make reports of this product yet" in page
    assert f'value="{host.pk}"' in page.partition("checked")[0].rpartition("<input")[2]
    row = reread(case)
    assert (row.current_step, row.last_error_code) == ("failed", "unsupported_product")
    # Later the page says the same, and the next try is taken.
    later = text(opened(client, case))
    assert "This product was not taken." in later
    assert "unsupported_product" in later
    assert moved_to(choose(client, case, host=host.pk), case, "report", client)
    assert "unsupported_product" not in text(opened(client, case))


def test_what_was_chosen_is_proposed_again(client, case, account):
    host = make_host(account, transport="local")
    choose(client, case, host=host.pk)
    send(client, case, "report", "product")
    form = opened(client, case).context["forms"]["choose"]
    assert form["product"].value() == "linux"
    assert form["host"].value() == str(host.pk)
    choose(client, case, host="upload")
    send(client, case, "report", "product")
    assert opened(client, case).context["forms"]["choose"]["host"].value() == "upload"


def test_the_report_of_another_host_is_forgotten(client, alice, account):
    case = make_case(alice)
    make_archive(case)
    send(client, case, "report", "product")
    other = make_host(account)
    choose(client, case, host=other.pk)
    page = text(opened(client, case))
    assert "Look through it" not in page
    assert "Generate the report" in page


def test_while_something_runs_nothing_can_be_chosen(client, alice):
    case = make_case(alice)
    generate_sosreport(case, by=alice, options=ReportOptions(), consent=True)
    page = text(client.get(url("page", case, "product")))
    assert "when what runs now is over" in page
    assert ">Change<" not in page
    response = send(client, case, "product", "product")
    assert response.status_code == 409
    assert reread(case).current_step == "sos_report"


def test_a_colleague_was_faster(client, case, egon, account):
    host = make_host(account, transport="local")
    old = "select_product/"
    choose(signed_in(egon), case, host="upload")
    response = choose(client, case, host=host.pk, state=old)
    assert response.status_code == 409
    assert "was changed in the meantime" in text(response)
    assert reread(case).host.transport == "upload"
