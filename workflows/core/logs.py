"""The id that ties the log lines of one request; loaded before any application."""

import logging
import re
import traceback
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIdFilter(logging.Filter):
    """Puts the request's id on every log line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


# PostgreSQL tells the whole row that broke a rule: names, addresses, what was typed.
# What was typed may have lines of its own: all goes, up to the next trace.
DETAIL = re.compile(
    r"^DETAIL:.*?(?=\n\n(?:The above exception|During handling)|\Z)",
    re.MULTILINE | re.DOTALL,
)


class NoRowsFilter(logging.Filter):
    """Takes the rows out of a database's complaints; the rule's name stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            record.exc_text = DETAIL.sub("DETAIL: left out", text)
            record.exc_info = None
        return True
