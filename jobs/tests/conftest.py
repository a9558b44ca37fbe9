from jobs.tests.broker import broker  # noqa: F401
from jobs.tests.ending import failing  # noqa: F401
from jobs.tests.guarded import helper, me, run  # noqa: F401
from jobs.tests.kinds import kind  # noqa: F401
from tests.conftest import *  # noqa: F403  (the cast)
