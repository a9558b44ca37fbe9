"""All settings, read from the environment; docs/running.md lists every variable."""

import os
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from pythonjsonlogger.core import RESERVED_ATTRS

django_stubs_ext.monkeypatch()  # makes Django's generic classes take their parameter

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
# `make run` keeps its keys there. A server has its own: then nothing of it counts, not
# even plain HTTP.
if "SECRET_KEY" not in os.environ and (DATA_DIR / "local.env").exists():
    env.read_env(DATA_DIR / "local.env")


def required(name: str, hint: str, local: str) -> str:
    """Return a variable that production must set; ``local`` serves DEBUG=1 alone."""
    value = env.str(name, default="")
    if not value and not DEBUG:
        raise ImproperlyConfigured(f"{name} is not set. {hint}")
    return value or local


# --- what kind of installation this is ------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = required(
    "SECRET_KEY",
    "Set it to a long random text, for example the output of "
    "`python -c 'import secrets; print(secrets.token_urlsafe(64))'`, "
    "or set DEBUG=1 on your own machine.",
    local="only-for-debug-" + "x" * 50,
)
_hosts = required(
    "ALLOWED_HOSTS",
    "Set it to the host names that people type, separated by commas, "
    "for example ALLOWED_HOSTS=handrail.example.com.",
    local="localhost,127.0.0.1,[::1]",
)
ALLOWED_HOSTS = [host.strip() for host in _hosts.split(",")]
# Plain HTTP is for one's own machine: cookies lose `Secure`, HSTS is off.
HTTPS = env.bool("HTTPS", default=not DEBUG)
REDIS_URL = env.str("REDIS_URL", default="")
# Fernet keys, comma-separated; the first one seals, all of them open.
SEAL_KEYS: list[str] = env.list("SEAL_KEYS", default=[])

# --- applications ---------------------------------------------------------------------
INSTALLED_APPS = [
    "workflows.apps.HandrailAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "workflows",
    "jobs",
    "jobs.budgets",
    "l1walk",
]
MIDDLEWARE = [
    "workflows.core.http.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "workflows.core.http.LoginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "workflows.core.http.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "workflows.core.http.page_frame",
            ],
            "builtins": ["workflows.templatetags.handrail"],
        },
    }
]

# --- data -----------------------------------------------------------------------------
DATABASES = {
    "default": env.db(
        "DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'handrail.sqlite3'}"
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Without IMMEDIATE a read that turns into a write fails with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
        "timeout": 20,
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # Django forbids prepared statements by default; jobs.actions.statements has some.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("prepare_threshold", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# A Redis that does not answer is one that is down: no page waits for it for longer.
REDIS_PATIENCE = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": REDIS_PATIENCE,
        }
    }
    SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
else:
    # A cache of one process must not hold sessions: another process could log out.
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        # Web and workers have to see the same flags (jobs.actions.bells).
        "bells": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": DATA_DIR / "broker" / "bells",
        },
    }
    SESSION_ENGINE = "django.contrib.sessions.backends.db"

# --- background work ------------------------------------------------------------------
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # however long the broker is away
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, str | float] = {
        "visibility_timeout": 60,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # Who rings the doorbell does not wait: the schedule finds the work anyway.
        "max_retries": 0,
        **REDIS_PATIENCE,
    }
else:
    BROKER_DIR = DATA_DIR / "broker"
    for name in ("queue", "control"):
        (BROKER_DIR / name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_URL = "filesystem://localhost/"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.1,
    }

# How long a worker may be silent before its jobs go on elsewhere; it says that it lives
# three times in that time.
JOB_LEASE_SECONDS = env.float("JOB_LEASE_SECONDS", default=30.0)

# Certificate authorities to trust besides the system's, for Actual servers.
ACTUAL_CA_FILE = env.str("ACTUAL_CA_FILE", default="")
# The same for Jira servers.
JIRA_CA_FILE = env.str("JIRA_CA_FILE", default="")
# Whether Jira may be on this very machine, where other services too think they are
# among themselves; only there without https.
JIRA_LOOPBACK = env.bool("JIRA_LOOPBACK", default=False)
# How long a person stays connected to Jira; the token is removed when it is over.
JIRA_CONNECTION_HOURS = env.int("JIRA_CONNECTION_HOURS", default=24)

# Diagnostic reports: where hosts have the program that root owns, and its folder.
SOS_WRAPPER = env.str("SOS_WRAPPER", default="/usr/local/sbin/handrail-sos")
SOS_SPOOL = env.str("SOS_SPOOL", default="/var/spool/handrail-sos")
# The largest archive that is fetched, taken as an upload or sent to Jira, in MiB.
SUPPORT_LARGEST_MIB = env.int("SUPPORT_LARGEST_MIB", default=4096)

# --- language model -------------------------------------------------------------------
# "", openai or anthropic (workflows.core.llm). Each account decides whether to use it.
LLM_PROVIDER = env.str("LLM_PROVIDER", default="")
LLM_MODEL = env.str("LLM_MODEL", default="")
LLM_API_KEY = env.str("LLM_API_KEY", default="")
LLM_BASE_URL = env.str("LLM_BASE_URL", default="")

# --- people ---------------------------------------------------------------------------
AUTH_USER_MODEL = "workflows.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "workflows.core.auth.RoleBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", default=5)
AXES_COOLOFF_TIME = env.float("LOGIN_COOLOFF_HOURS", default=0.25)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "workflows.core.http.too_many_logins"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "workflows.core.http.client_address"
AXES_SENSITIVE_PARAMETERS: list[str] = ["password"]

# --- words and times ------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- static files ---------------------------------------------------------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "staticfiles"
# Web and workers share their files, on however many machines they run: in a folder that
# nobody else looks into, or elsewhere by another class of storages.
FILES_STORAGE = env.str("FILES_STORAGE", default="")
FILES_OPTIONS: dict[str, Any] = {
    "location": env.str("FILES_DIR", default=str(DATA_DIR / "files")),
    "file_permissions_mode": 0o600,
    "directory_permissions_mode": 0o700,
}
if FILES_STORAGE:
    FILES_OPTIONS = env.json("FILES_OPTIONS", default={})
STORAGES = {
    "default": {
        "BACKEND": FILES_STORAGE or "django.core.files.storage.FileSystemStorage",
        "OPTIONS": FILES_OPTIONS,
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- browsers -------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = env.int("SESSION_HOURS", default=12) * 3600
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "workflows.core.http.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# How many proxies of yours each add an address to X-Forwarded-For; 0 ignores it.
PROXY_COUNT = env.int("PROXY_COUNT", default=0)
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
# Large files arrive where there is room for them: /tmp may be memory.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, exist_ok=True)
SILENCED_SYSTEM_CHECKS: list[str] = []

# --- mail -----------------------------------------------------------------------------
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="filemail://")
vars().update(EMAIL_CONFIG)
EMAIL_FILE_PATH = str(DATA_DIR / "mail")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str(
    "DEFAULT_FROM_EMAIL", default="Handrail <handrail@localhost>"
)
# Links in mails need the address that people type.
PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")

# --- logs and reports of errors -------------------------------------------------------
DEFAULT_EXCEPTION_REPORTER_FILTER = "workflows.core.tracebacks.ReportFilter"
LOG_FORMAT = env.str("LOG_FORMAT", default="text" if DEBUG else "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "workflows.core.logs.RequestIdFilter"},
        "no_rows": {"()": "workflows.core.logs.NoRowsFilter"},
    },
    "formatters": {
        "text": {
            "format": "{levelname:<7} {request_id} {name}: {message}",
            "style": "{",
        },
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{levelname}{name}{message}{request_id}",
            "style": "{",
            "rename_fields": {"levelname": "level"},
            "timestamp": "at",
            # Django adds the request, which prints with all that its query asks for.
            "reserved_attrs": [*RESERVED_ATTRS, "request"],
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["request_id", "no_rows"],
            "formatter": LOG_FORMAT,
        }
    },
    "root": {
        "handlers": ["console"],
        "level": env.str("LOG_LEVEL", default="INFO"),
    },
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # One line for each request is ours (workflows.core.http). Django's own names
        # the path, so that only what broke is worth it.
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "CRITICAL"},
        "django.server": {"handlers": [], "level": "ERROR", "propagate": True},
        # A line for each request to a budget server says nothing that the job does not.
        "httpx": {"level": "WARNING"},
        # Names the person who failed to log in; the table of attempts has it already.
        "axes": {"level": "ERROR"},
        # Says for every connection that a broker in a folder has no host name.
        "kombu.connection": {"level": "ERROR"},
    },
}
