"""A broker of one's own: what was rung lies in its queue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery, current_app

from jobs.actions.bells import TASK
from jobs.tests.kinds import QUEUE


class Broker:
    """The bells that were rung, and how to break what carries them."""

    def __init__(self, app: Celery) -> None:
        self.app = app

    def rung(self, queue: str = QUEUE) -> int:
        """Take the queue's bells; return how many there were."""
        count = 0
        with self.app.connection_for_read() as connection:
            waiting = connection.SimpleQueue(queue)
            while waiting.qsize():
                message = waiting.get(block=False)
                message.ack()
                assert message.headers["task"] == TASK
                assert message.payload[0] == [queue]
                count += 1
            waiting.close()
        return count

    def breaks(self) -> None:
        """Point it where nobody listens, set up as production's Redis is."""
        self.app.conf.broker_url = "redis://:hunter2@127.0.0.1:1/0"
        self.app.conf.broker_transport_options = {
            "max_retries": 0,
            "socket_connect_timeout": 2,
        }


@pytest.fixture
def broker() -> Iterator[Broker]:
    before = current_app._get_current_object()
    app = Celery("kit", broker="memory://localhost/", set_as_current=True)
    found = Broker(app)
    found.rung()
    yield found
    app.close()
    before.set_current()
