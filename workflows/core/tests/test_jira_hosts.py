"""A manager lists the Jira servers that tokens may be sent to; nobody else does."""

from __future__ import annotations

import pytest

from tests.conftest import signed_in
from workflows.core.connecting import allowed_hosts
from workflows.core.forms import AccountForm
from workflows.core.jira import InvalidBaseUrl, clean_base_url
from workflows.core.jirahosts import JIRA_HOSTS, clean_host
from workflows.core.tests.test_own_pages import settings_form

NO_HOST = "that is not a host"
TOO_MUCH = "that would allow too much"


# --- one entry ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("jira.example.com", "jira.example.com"),
        (" Jira.Example.COM\t", "jira.example.com"),
        ("*.Example.com", "*.example.com"),
        ("*.atlassian.net", "*.atlassian.net"),
        ("jira", "jira"),
        ("10.0.0.7", "10.0.0.7"),
        ("localhost", "localhost"),
        ("::1", "::1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://jira.example.com", "jira.example.com"),
        ("HTTPS://Jira.example.com:8443/jira/browse/ABC-1?a=b#c", "jira.example.com"),
        ("https://acme.atlassian.net/", "acme.atlassian.net"),
    ],
)
def test_an_entry_has_one_spelling(text, host):
    assert clean_host(text) == host
    assert clean_host(host) == host


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *[
            (text, NO_HOST)
            for text in (
                "jira example",
                "jira.example.com:8443",
                "jira.example.com/jira",
                "jira.example.com.",
                "jira..example.com",
                "-jira.example.com",
                "jira_1.example.com",
                "bücher.example",
                "jira.example.co\N{KELVIN SIGN}",
                "*",
                "*.",
                "*example.com",
                "jira.*.example.com",
                "*.*.example.com",
                "*://jira.example.com",
                "https://",
                "https://user:pass@jira.example.com",
                "https://*.example.com:port",
                "ftp://jira.example.com",
                "a" * 64 + ".example.com",
                "*.0.0.1",
                "127.1",
                "2130706433",
                "0x7f000001",
                "jira.0x7f",
                "010.0.0.7",
                "999.1.1.1",
                "1.2.3.4.5",
                "2001:db8::1",
            )
        ],
        ("http://jira.example.com", "begin with https://"),
        ("*.com", TOO_MUCH),
        ("*.localhost", TOO_MUCH),
        ("*.10.0.0.1", TOO_MUCH),
        *[
            (text, "link-local")
            for text in (
                "169.254.169.254",
                "fe80::1",
                "::ffff:169.254.0.1",
                "FE80::1%1",
            )
        ],
    ],
)
def test_what_is_no_host_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        clean_host(text)
    assert str(caught.value).endswith(".")


THIS_MACHINE = (
    "localhost LOCALHOST jira.localhost *.jira.localhost 127.0.0.1 127.8.9.1 0.0.0.0 "
    "::1 :: 0:0:0:0:0:0:0:1 ::ffff:127.0.0.1 ::ffff:7f00:1 https://localhost:8443/jira "
    "https://[::ffff:0.0.0.0]"
)


@pytest.mark.parametrize("text", THIS_MACHINE.split())
def test_this_machine_is_listed_only_where_the_operator_lets_it(settings, text):
    settings.JIRA_LOOPBACK = False
    with pytest.raises(
        ValueError, match=r"machine that Handrail runs on.*_LOOPBACK\.$"
    ):
        clean_host(text)


@pytest.mark.parametrize("entry", ["jira.example.com", "*.example.com", "localhost"])
def test_entries_are_what_the_client_understands(entry):
    host = entry.replace("*", "a.b")
    url = f"https://{host}"
    assert clean_base_url(url, allowed=[clean_host(entry)]) == url
    with pytest.raises(InvalidBaseUrl, match="not on the list"):
        clean_base_url("https://jira.example.org", allowed=[clean_host(entry)])


# --- the list -------------------------------------------------------------------------
pytestmark = pytest.mark.django_db
FIELD = "jira__hosts"


def test_at_first_nobody_can_connect(account):
    assert allowed_hosts(account) == []
    assert account.preference(JIRA_HOSTS) == ()
    assert allowed_hosts(None) == []


def save(client, text):
    return client.post("/account/", settings_form(client) | {FIELD: text})


def test_a_manager_lists_them_one_a_line(mona, account):
    client = signed_in(mona)
    text = "https://Jira.example.com/secure/\r\n\r\n  *.atlassian.net \r\nlocalhost\r\n"
    assert save(client, f"{text}LOCALHOST").status_code == 303
    account.refresh_from_db()
    listed = ["jira.example.com", "*.atlassian.net", "localhost"]
    assert account.settings["jira.hosts"] == listed
    assert allowed_hosts(account) == listed
    assert account.preference(JIRA_HOSTS) == tuple(listed)
    page = client.get("/account/")
    assert "\n".join(listed) in page.text
    assert page.text.count("<textarea") == 1
    assert "tokens are only ever sent to these hosts" in page.text
    assert save(client, "\n".join(listed)).status_code == 303  # as it was shown
    assert save(client, " \n").status_code == 303
    account.refresh_from_db()
    assert allowed_hosts(account) == []


def test_what_is_wrong_names_its_line_and_what_was_typed_stays(mona, account):
    client = signed_in(mona)
    save(client, "jira.example.com")
    typed = "\njira.example.com\r\njira <b>example</b>\n*.com\n" + "x" * 70
    response = save(client, typed)
    assert response.status_code == 422
    page = response.text
    assert f"Line 3, “jira &lt;b&gt;example&lt;/b&gt;”: {NO_HOST}" in page
    assert f"Line 4, “*.com”: {TOO_MUCH}" in page
    assert f"Line 5, “{'x' * 59}…”: {NO_HOST}" in page
    for line in ("jira &lt;b&gt;example", "*.com", "x" * 70):
        assert line in page.split("<textarea")[1].split("</textarea>")[0]
    account.refresh_from_db()
    assert allowed_hosts(account) == ["jira.example.com"]


@pytest.mark.parametrize("text", ["a.example\n" * 501, "a.example\0"])
def test_a_list_is_not_endless_and_has_no_odd_letters(account, text):
    data = {"name": "Acme", "time_zone": "UTC", FIELD: text}
    form = AccountForm(data, instance=account)
    assert FIELD in form.errors


def test_the_page_says_that_this_machine_is_not_for_tokens(mona, account, settings):
    settings.JIRA_LOOPBACK = False
    refused = save(signed_in(mona), "jira.example.com\n127.0.0.1")
    assert refused.status_code == 422
    assert "Line 2, “127.0.0.1”: that is the machine" in refused.text
    account.refresh_from_db()
    assert allowed_hosts(account) == []


def test_a_technician_does_not(alice, account):
    assert signed_in(alice).post("/account/", {FIELD: "x.example"}).status_code == 403
    account.refresh_from_db()
    assert allowed_hosts(account) == []


def test_each_account_has_its_own(mona, charlie):
    save(signed_in(mona), "jira.example.com")
    charlie.account.refresh_from_db()
    assert allowed_hosts(charlie.account) == []
