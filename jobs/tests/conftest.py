from jobs.tests.kinds import kind  # noqa: F401
from tests.conftest import *  # noqa: F403  (the cast)
