"""What every process pays for, and what only those do that use it."""

from tests.program import run_python

LOADED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
import config.urls
heavy = {"actual", "sqlalchemy", "pydantic", "httpx", "openai", "anthropic", "asyncssh"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_libraries_of_servers_elsewhere_are_loaded_when_they_are_asked_for(tmp_path):
    done = run_python("-c", LOADED, DEBUG="1", DATA_DIR=str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
