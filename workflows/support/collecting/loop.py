"""An event loop in a thread of its own, for callers that have none or another one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

CLOSE_SECONDS = 5.0
T = TypeVar("T")


class LoopThread(threading.Thread):
    """An event loop, and what runs it."""

    def __init__(self) -> None:
        super().__init__(name="handrail-ssh", daemon=True)
        self.loop = asyncio.new_event_loop()

    def run(self) -> None:
        # Entered for its end: it cancels what is left, and closes the loop.
        with asyncio.Runner(loop_factory=lambda: self.loop):
            self.loop.run_forever()


class Loop:
    """Waits for what an event loop does in another thread, begun when first needed.

    Close it, or the thread stays. It is for one caller at a time, in whatever thread.
    """

    def __init__(self) -> None:
        self._thread: LoopThread | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @property
    def begun(self) -> bool:
        return self._thread is not None

    def await_(self, work: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Return what comes of it. Whatever is raised here, also cancels it."""
        loop = self._begin()
        future = asyncio.run_coroutine_threadsafe(within(work, seconds), loop)
        try:
            # The work ends in time by itself, unless the loop is stuck.
            return future.result(seconds + CLOSE_SECONDS)
        except BaseException:  # a signal or a stop, too
            future.cancel()
            raise

    def _begin(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise RuntimeError("this connection was closed")
        if self._thread is None:
            self._thread = LoopThread()
            try:
                self._thread.start()
            except RuntimeError:  # there are too many
                self._thread.loop.close()
                self._thread = None
                raise
        return self._thread.loop

    def close(self) -> None:
        """Cancel what is left, and end the thread.

        A name server that does not answer delays its end, and is not waited for.
        """
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.loop.call_soon_threadsafe(thread.loop.stop)
            thread.join(CLOSE_SECONDS)


async def within(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    return await asyncio.wait_for(work(), seconds)
