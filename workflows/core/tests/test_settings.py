"""A start that would be unsafe does not happen, and says in a sentence what to set."""

import json
import stat

import pytest

from config.local import write_environment
from tests.program import run_python

SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
PRODUCTION = {
    "SECRET_KEY": SECRET,
    "SEAL_KEYS": KEY,
    "ALLOWED_HOSTS": "handrail.example.com, handrail.example.org",
}


@pytest.fixture
def start(tmp_path):
    """Run manage.py as it would be on a fresh machine."""

    def run(*arguments, **environment):
        return run_python(
            "manage.py", *arguments, DATA_DIR=str(tmp_path), **environment
        )

    return run


def last_line(done):
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "debug"), [("SECRET_KEY", {}), ("ALLOWED_HOSTS", {"DEBUG": "0"})]
)
def test_production_does_not_start_without(start, name, debug):
    done = start("check", **{**PRODUCTION, name: ""}, **debug)
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {name} is not set. Set it to " in last_line(done)
    assert SECRET not in done.stderr


def test_production_is_clean_in_djangos_own_eyes(start):
    done = start("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_debug_starts_with_nothing_set(start):
    done = start("check", DEBUG="1")
    assert done.returncode == 0, done.stderr


ASK = """
from django.conf import settings as s
print(s.ALLOWED_HOSTS, s.DEBUG, s.HTTPS, s.SESSION_COOKIE_SECURE, s.LOG_FORMAT)
print(s.JIRA_LOOPBACK)
"""


def test_production_is_safe_unless_told_otherwise(start):
    done = start("shell", "--no-imports", "-c", ASK, **PRODUCTION)
    hosts = "['handrail.example.com', 'handrail.example.org']"
    assert done.stdout.strip() == f"{hosts} False True True json\nFalse", done.stderr


LOG = """
from types import ModuleType
from django.conf import settings
from django.test import Client
from django.urls import include, path

def fail(request, how):
    raise RuntimeError(how)
fail.login_required = False
urls = ModuleType("urls")
urls.urlpatterns = [path("", include("workflows.urls")), path("<slug:how>/", fail)]
settings.ROOT_URLCONF = urls

settings.STATIC_ROOT.mkdir()
plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
settings.STORAGES["staticfiles"]["BACKEND"] = plain
headers = {"host": "handrail.example.com", "X-Request-ID": "proxy-0123456789"}
client = Client(headers=headers)
client.raise_request_exception = False
client.get("/healthz", secure=True)
client.get("/broken/?q=alice@example.com", secure=True)
"""


def test_logs_are_json_with_the_request_and_nothing_of_the_person(start):
    done = start("shell", "--no-imports", "-c", LOG, **PRODUCTION)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(lines) == 3, done.stderr
    assert "alice" not in done.stderr
    health, error, broken = lines
    assert health.keys() == {"at", "level", "name", "message", "request_id"}
    assert health["at"].endswith("+00:00")
    assert (health["level"], health["name"]) == ("INFO", "handrail.requests")
    assert health["message"].startswith("GET healthz 200 ")
    assert {line["request_id"] for line in lines} == {"proxy-0123456789"}
    assert (error["level"], error["name"]) == ("ERROR", "django.request")
    assert "RuntimeError" in error["exc_info"]
    assert broken["message"].startswith("GET <slug:how>/ 500 ")


def test_keys_of_ones_own_machine_are_made_once_and_kept(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    file = folder / "local.env"

    def make():
        monkeypatch.setenv("DATA_DIR", str(folder))
        assert write_environment() == file
        return file.read_text()

    done = run_python("-m", "config.local", DATA_DIR=str(folder))  # as make run does
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["local.env"]
    names = [line.partition("=")[0] for line in first.splitlines()]
    assert names == ["SECRET_KEY", "SEAL_KEYS", "ALLOWED_HOSTS", "HTTPS", "LOG_FORMAT"]
    assert make() == first

    file.write_text(first + "# mine\n")
    assert make() == first + "# mine\n"

    folder, file = tmp_path / "other", tmp_path / "other" / "local.env"
    assert make() != first


USE = """
from workflows.core.secrets import Secret, seal, unseal
print(unseal(seal(Secret("sealed and read"))).reveal())
"""


def test_a_start_uses_them_and_the_environment_has_the_last_word(
    start, tmp_path, monkeypatch
):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    write_environment()
    told = {"ALLOWED_HOSTS": "here.example", "JIRA_LOOPBACK": "1"}
    done = start("shell", "--no-imports", "-c", ASK + USE, **told)
    settings, loopback, used = done.stdout.splitlines()
    assert settings == "['here.example'] False False False text"
    assert loopback == "True"
    assert used == "sealed and read"
