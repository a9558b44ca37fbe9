from datetime import datetime
from uuid import UUID

from uuid_utils import compat


def uuid7() -> UUID:
    """Return a UUIDv7: ordered in time, so that indexes and key ranges stay local."""
    return compat.uuid7()


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment: a range of time as a range of keys."""
    milliseconds = max(int(moment.timestamp() * 1000), 0)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62)
