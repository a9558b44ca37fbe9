"""The product's settings as tests see them, whatever the shell's environment says.

Only DATABASE_URL and REDIS_URL are taken from it: they choose the servers to test on.
"""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

# Removed when this process ends; each xdist worker has its own.
_folder = tempfile.TemporaryDirectory(prefix="handrail-tests-")
_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")

os.environ.update(
    {
        "DEBUG": "0",
        "HTTPS": "0",
        "SECRET_KEY": "only-for-tests-" + "x" * 50,
        "SEAL_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "DATA_DIR": _folder.name,
        "LOG_FORMAT": "text",
        "JIRA_LOOPBACK": "1",  # the stand-ins listen there
        "LLM_PROVIDER": "",
    }
)
if os.environ.get("REDIS_URL"):
    # Workers run at once: to each its own numbered database.
    _url = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{_worker}")
    os.environ["REDIS_URL"] = _url.geturl()

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, INSTALLED_APPS, STATIC_ROOT, STORAGES  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "tests.kit"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False  # its own tests turn it on

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # In a file, as in production: an in-memory database has no second connection.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(_folder.name) / "test.sqlite3")}

# Names without hashes need no collectstatic; the live server reads them in place.
STORAGES["staticfiles"] = {
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
STATIC_ROOT.mkdir()  # whitenoise warns when it is missing
