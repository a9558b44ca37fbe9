"""The product as an operator sets it up, except that no logger keeps anything back."""

from typing import Any

from config import settings
from config.settings import *  # noqa: F403
from config.settings import STATIC_ROOT, STORAGES

_logging: dict[str, Any] = settings.LOGGING
for _logger in (_logging["root"], *_logging["loggers"].values()):
    _logger["level"] = "DEBUG"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # it is quicker
# Names without hashes need no collectstatic.
STORAGES["staticfiles"] = {
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns when it is missing
