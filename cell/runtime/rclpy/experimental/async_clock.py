"""A clock on which coroutines sleep."""

from __future__ import annotations

import asyncio

from ..clock import Clock, ClockChange, JumpThreshold, ROSClock, TimeJump
from ..clock_type import ClockType
from ..duration import Duration
from ..exceptions import TimeSourceChangedError

__all__ = ["AsyncClock"]


class AsyncClock(ROSClock):
    """A clock with `await clock.sleep(seconds)`, in simulated time where the clock is set from outside."""

    def __new__(cls, *, clock_type: ClockType = ClockType.SYSTEM_TIME) -> AsyncClock:
        clock = Clock.__new__(cls, clock_type=clock_type)
        assert isinstance(clock, AsyncClock)
        return clock

    def _prepare(self) -> None:
        super()._prepare()
        # What each sleeper waits for, and when it wakes (ns; None: in real time).
        self._sleepers: dict[asyncio.Future[None], int | None] = {}
        self._ended = False
        threshold = JumpThreshold(min_forward=Duration(nanoseconds=1), min_backward=None, on_clock_change=True)
        self._jumps = self.create_jump_callback(threshold, post_callback=self._on_jump)

    async def sleep(self, duration_sec: float) -> None:
        """Sleeps; cancelled when the clock's node is destroyed.

        Raises:
            TimeSourceChangedError: the time began or ended to be set from outside meanwhile.
            RuntimeError: the clock's node is destroyed.
        """
        if self._ended:
            raise RuntimeError("Cannot sleep on a destroyed clock")
        if duration_sec <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        until_ns = self._read() + int(duration_sec * 1e9) if self.ros_time_is_active else None
        alarm = loop.call_later(duration_sec, _wake, woken) if until_ns is None else None
        self._sleepers[woken] = until_ns
        try:
            # Time may have passed on another thread since it was read.
            if until_ns is not None and self._read() >= until_ns:
                return
            await woken
        finally:
            del self._sleepers[woken]
            if alarm is not None:
                alarm.cancel()

    def _on_jump(self, jump: TimeJump) -> None:
        """In the thread that sets the time."""
        changed = jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED)
        now_ns = self._read()
        for woken, until_ns in list(self._sleepers.items()):
            if changed or (until_ns is not None and now_ns >= until_ns):
                woken.get_loop().call_soon_threadsafe(_wake, woken, TimeSourceChangedError() if changed else None)

    def _end(self) -> None:
        """The node is destroyed."""
        if not self._ended:
            self._ended = True
            self._jumps.unregister()
            for woken in list(self._sleepers):
                woken.cancel()


def _wake(woken: asyncio.Future[None], error: Exception | None = None) -> None:
    if woken.done():
        return
    if error is None:
        woken.set_result(None)
    else:
        woken.set_exception(error)
