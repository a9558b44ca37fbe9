"""The index of models that Django needs; nobody imports it."""

from workflows.core.accounts import Account, User
from workflows.core.machine import Move

__all__ = ["Account", "Move", "User"]
