"""The index of admins that Django needs; nobody imports it."""

from workflows.core import admin

__all__ = ["admin"]
