"""The index of admins that Django needs; nobody imports it."""

from workflows.core import admin
from workflows.support import admin as support

__all__ = ["admin", "support"]
