from uuid import UUID

from uuid_utils import compat


def uuid7() -> UUID:
    """Return a UUIDv7: ordered in time, so that indexes and key ranges stay local."""
    return compat.uuid7()
