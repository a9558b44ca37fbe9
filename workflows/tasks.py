"""The index of background work that Django finds; nobody imports it."""

from workflows.support import tasks

__all__ = ["tasks"]
