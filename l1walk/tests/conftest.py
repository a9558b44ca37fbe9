from tests.conftest import *  # noqa: F403  (the cast)
