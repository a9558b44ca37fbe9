"""What people type as Jira's address, an issue's key or a token is checked first."""

import io

import pytest

from workflows.core.jira import (
    Credentials,
    InvalidBaseUrl,
    InvalidCredentials,
    InvalidIssueKey,
    Kind,
    check_key,
    clean_base_url,
)
from workflows.core.jira.client import Jira
from workflows.core.secrets import Secret

ALLOWED = ["jira.example.com", " *.Corp.example ", "10.0.0.7"]
BASE = "https://jira.example.com/jira"


# --- the base URL ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://jira.example.com", "https://jira.example.com"),
        (" https://jira.example.com/ ", "https://jira.example.com"),
        ("HTTPS://Jira.Example.COM:443/", "https://jira.example.com"),
        ("https://jira.example.com:8443//", "https://jira.example.com:8443"),
        ("https://jira.example.com/jira/", "https://jira.example.com/jira"),
        ("https://jira.example.com/a/b-1_2.c~", "https://jira.example.com/a/b-1_2.c~"),
        ("https://a.corp.example", "https://a.corp.example"),
        ("https://a.b.corp.example", "https://a.b.corp.example"),
        ("https://xn--bcher-kva.corp.example", "https://xn--bcher-kva.corp.example"),
        ("https://10.0.0.7", "https://10.0.0.7"),
        (f"https://{'a' * 63}.corp.example", f"https://{'a' * 63}.corp.example"),
    ],
)
def test_an_address_has_one_spelling(text, clean):
    assert clean_base_url(text, allowed=ALLOWED) == clean
    assert clean_base_url(clean, allowed=ALLOWED) == clean


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *[
            (text, "not Jira's address")
            for text in (
                "",
                "jira.example.com",
                "//jira.example.com",
                "ftp://jira.example.com",
                "javascript:alert(1)",
                "https://",
                "https:///jira",
                "https://:443",
                "https://[::1",
                "https://jira.example.com:port",
                "https://jira.example.com:99999",
                "https://jira.example.com:0",
                "https://jira.example.com.",
                "https://jira..example.com",
                "https://-jira.example.com",
                "https://jira_1.corp.example",
                "https://jira.example.com/jira/../admin",
                "https://jira.example.com/./jira",
                "https://jira.example.com//jira",
                "https://jira.example.com/%2e%2e/admin",
                "https://jira.example.com/a;b",
                "https://jira.example.com/" + "a" * 2000,
                "https://" + "a." * 200 + "corp.example",
                "https://" + "a" * 64 + ".corp.example",
                "https://999.1.1.1",
                "https://127.1",
                "https://2130706433",
                "https://0x7f.1",
                "https://jira.0x7f000001",
                "https://010.0.0.7",
                "https://[2001:db8::1]",
            )
        ],
        *[
            (text, "plain letters")
            for text in (
                "https://jirä.example.com",
                "https://jira。example.com",
                "https://jira.exam\tple.com",
                "https://jira.example.com\n.evil.example",
                "https://jira.example.com\\@evil.example",
                "https://jira.example.com /jira",
            )
        ],
        ("https://alice:pw@jira.example.com", "own field"),
        ("https://jira.example.com@evil.example", "own field"),
        ("https://@jira.example.com", "own field"),
        ("https://jira.example.com/?os_username=a", "question mark"),
        ("https://jira.example.com?", "question mark"),
        ("https://jira.example.com/#x", "question mark"),
        ("http://jira.example.com", "begin with https://"),
        ("http://localhost:8080", "begin with https://"),
        ("https://localhost", "not on the list"),
        ("https://evil.example", "not on the list"),
        ("https://corp.example", "not on the list"),
        ("https://evilcorp.example", "not on the list"),
        ("https://jira.example.com.evil.example", "not on the list"),
        ("https://a.jira.example.com", "not on the list"),
        ("https://10.0.0.8", "not on the list"),
        ("https://[::1]", "not on the list"),
        *[
            (f"{scheme}://{host}", "link-local")
            for scheme in ("http", "https")
            for host in (
                "169.254.169.254",
                "[fe80::1]:8443/jira",
                "[fe80::1%25eth0]",
                "[::ffff:169.254.169.254]",
            )
        ],
    ],
)
def test_an_address_that_is_refused(text, words):
    with pytest.raises(InvalidBaseUrl, match=words) as caught:
        clean_base_url(text, allowed=ALLOWED)
    assert caught.value.code == "invalid_base_url"
    assert "Nothing was sent" in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "host", "clean"),
    [
        ("http://localhost:2990/jira", "localhost", "http://localhost:2990/jira"),
        ("http://127.0.0.1:80", "127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:8080", "::1", "http://[::1]:8080"),
    ],
)
def test_http_only_to_this_machine_and_only_where_listed(text, host, clean):
    assert clean_base_url(text, allowed=[host]) == clean
    with pytest.raises(InvalidBaseUrl, match="https://"):
        clean_base_url(text, allowed=["*", "*.0.0.1", "jira.example.com"])


THIS_MACHINE = (
    "localhost LOCALHOST:8080/jira a.b.localhost 127.0.0.1:6379 127.8.9.1 0.0.0.0 "
    "[::1] [::]:80 [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::1%25lo]"
)
THIS_MACHINE_LISTED = (
    "localhost *.localhost *.b.localhost 127.0.0.1 127.8.9.1 0.0.0.0 ::1 :: "
    "::ffff:127.0.0.1"
)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("place", THIS_MACHINE.split())
def test_this_machine_is_asked_only_where_the_operator_lets_it(settings, scheme, place):
    settings.JIRA_LOOPBACK = False
    text = f"{scheme}://{place}"
    words = r"machine that Handrail runs on.*Nothing was sent.*JIRA_LOOPBACK\.$"
    with pytest.raises(InvalidBaseUrl, match=words):
        clean_base_url(text, allowed=THIS_MACHINE_LISTED.split())


def test_what_is_named_like_this_machine_is_another(settings):
    settings.JIRA_LOOPBACK = False
    for host in ("localhost.example.com", "127.0.0.1.example.com", "mylocalhost"):
        url = f"https://{host}"
        assert clean_base_url(url, allowed=[host]) == url


def test_a_star_alone_allows_nothing():
    for listed in ("*", "*.", "", "*.example.com.evil.example", "*example.com"):
        with pytest.raises(InvalidBaseUrl):
            clean_base_url("https://jira.example.com", allowed=[listed])


# --- keys -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ABC-1", "ABC-1"),
        (" abc-12\n", "ABC-12"),
        ("A_1-10", "A_1-10"),
        (f"{BASE}/browse/ABC-1", "ABC-1"),
        (f" {BASE}/browse/abc-1/ ", "ABC-1"),
        (f"{BASE}/browse/ABC-1?focusedCommentId=3#comment-3", "ABC-1"),
        ("HTTPS://JIRA.example.com:443/jira/browse/ABC-1", "ABC-1"),
    ],
)
def test_a_key_or_the_page_of_the_issue(text, key):
    assert check_key(text, base_url=BASE) == key


@pytest.mark.parametrize(
    "text",
    [
        *("", "ABC", "ABC-0", "ABC-01", "ABC-1a", "A-1", "1BC-1", "ABC--1", "ABC 1"),
        *(
            "ABC-1/..",
            "../myself",
            "ABC-1?expand=x",
            "ABC-%31",
            "ABC-\uff11",
            "\u017fB-1",
        ),
        *("\u0131t-1", "A" * 300 + "-1", f"{BASE}/browse/", f"{BASE}/browse/ABC-1/x"),
        *("https://evil.example/jira/browse/ABC-1", f"{BASE}x/browse/ABC-1"),
        *("https://jira.example.com/browse/ABC-1", "https://[/browse/ABC-1"),
        *(f"http{BASE[5:]}/browse/ABC-1", f"{BASE}/browse/../admin"),
        "https://a:b@jira.example.com/jira/browse/ABC-1",
        "ftp://jira.example.com/jira/browse/ABC-1",
    ],
)
def test_what_is_no_key(text):
    with pytest.raises(InvalidIssueKey, match="ABC-123") as caught:
        check_key(text, base_url=BASE)
    assert caught.value.code == "invalid_issue_key"


def test_an_address_is_no_key_where_no_jira_is_known():
    with pytest.raises(InvalidIssueKey):
        check_key(f"{BASE}/browse/ABC-1")


# --- credentials ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "token", ["", " ", "two words", "line\nbreak", "tab\t", "cr\r\nX: 1", "tökén", "\0"]
)
def test_what_cannot_be_a_token_is_refused_before_it_is_a_header(token):
    with pytest.raises(InvalidCredentials, match="Copy it once more") as caught:
        Credentials(base_url=BASE, kind=Kind.DATA_CENTER, token=Secret(token))
    trace = caught.value.__traceback__
    while trace:
        if "/workflows/core/jira/" in trace.tb_frame.f_code.co_filename:
            assert token not in trace.tb_frame.f_locals.values()
        trace = trace.tb_next


@pytest.mark.parametrize("email", ["", "alice", "alice@example.com:x"])
def test_cloud_needs_an_address_to_log_in_with(email):
    with pytest.raises(InvalidCredentials, match="e-mail"):
        Credentials(base_url=BASE, kind=Kind.CLOUD, email=email, token=Secret("t"))


def test_a_key_is_checked_before_anything_is_asked():
    credentials = Credentials(
        base_url="https://127.0.0.1:1", kind=Kind.DATA_CENTER, token=Secret("t")
    )
    key = "ABC-1/../../myself"
    with Jira(credentials) as jira:
        with pytest.raises(InvalidIssueKey):
            jira.issue(key)
        with pytest.raises(InvalidIssueKey):
            jira.attach(key, io.BytesIO(), name="a", size=0, progress=lambda sent: None)
