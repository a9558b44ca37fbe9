"""The index of models that Django needs; nobody imports it."""

from workflows.core.accounts import Account, User
from workflows.core.connections import JiraConnection
from workflows.core.machine import Move
from workflows.support import models as support

__all__ = ["Account", "JiraConnection", "Move", "User", "support"]
