"""What tests make of the kit's machines."""

from __future__ import annotations

from typing import Any

from tests.kit.models import Parcel
from workflows.core.accounts import Account, User


def make_parcel(account: Account, *, by: User | None = None, **over: Any) -> Parcel:
    return Parcel.begin(by=by, account=account, **over)
