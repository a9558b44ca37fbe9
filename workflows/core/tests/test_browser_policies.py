"""What browsers are told not to do, on every page, refusal and file of ours."""

import pytest
from django.test import Client

from tests.conftest import make_user, signed_in
from tests.program import run_python

pytestmark = pytest.mark.urls("tests.kit.urls")

CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "manifest-src": "'self'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
}
PAGES = {
    "/login/": 200,
    "/profile/": 200,
    "/admin/": 200,
    "/admin/workflows/user/": 200,
    "/healthz": 200,
    "/nowhere/": 404,
    "/wrong/unreadable/": 400,
    "/wrong/forbidden/": 403,
    "/wrong/conflict/": 409,
    "/wrong/broken/": 500,
}


@pytest.fixture
def olga(db):
    client = signed_in(make_user(None, "olga", is_superuser=True, is_staff=True))
    client.raise_request_exception = False
    return client


def policy(response):
    directives = response.headers["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


@pytest.mark.parametrize("path", PAGES)
def test_the_policies_are_on(olga, path):
    if path == "/login/":
        olga.logout()
    response = olga.get(path)
    assert response.status_code == PAGES[path]
    assert policy(response) == CSP
    assert {name: response.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("path", ["/login/", "/profile/", "/admin/", "/nowhere/"])
def test_pages_keep_to_the_policy_themselves(olga, path):
    if path == "/login/":
        olga.logout()
    html = olga.get(path).content.decode()
    assert "<script>" not in html
    assert "<style" not in html
    assert " style=" not in html
    assert " onclick=" not in html


@pytest.mark.django_db
def test_at_home_over_plain_http_cookies_work_and_nothing_is_promised(alice):
    response = Client().post(
        "/login/", {"username": "alice", "password": "correct horse"}
    )
    cookie = response.cookies["sessionid"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (
        "",
        True,
        "Lax",
    )
    assert "Strict-Transport-Security" not in response.headers


ASK = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client(headers={"host": "handrail.example.com"})
plain = client.get("/login/")
print(plain.status_code, plain["Location"])
print(client.get("/healthz").status_code)
page = client.get("/healthz", secure=True)
print(page["Strict-Transport-Security"])
from django.conf import settings
print(settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE)
proxied = client.get("/healthz", headers={"X-Forwarded-Proto": "https"})
print("Strict-Transport-Security" in proxied)
"""


def test_with_https_everything_insists_on_it(tmp_path):
    done = run_python(
        "-c",
        ASK.replace('call_command("migrate", verbosity=0)\n', ""),
        DATA_DIR=str(tmp_path),
        DJANGO_SETTINGS_MODULE="config.settings",
        SECRET_KEY="k" * 60,
        ALLOWED_HOSTS="handrail.example.com",
        HTTPS="1",
        BEHIND_TLS_PROXY="1",
        LOG_LEVEL="ERROR",
    )
    assert done.stdout.splitlines() == [
        "301 https://handrail.example.com/login/",
        "200",  # a load balancer asks without TLS
        "max-age=31536000; includeSubDomains; preload",
        "True True",
        "True",
    ], done.stderr
