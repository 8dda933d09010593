"""Timers and rates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ._callbacks import parameter_of_type
from ._entity import NOTHING, Entity, next_sequence
from .clock import Clock, ClockChange
from .clock_type import ClockType
from .exceptions import InvalidHandle, ROSInterruptException, TimerCancelledError
from .time import Time

if TYPE_CHECKING:
    from ._handle import Handle
    from .callback_groups import CallbackGroup
    from .context import Context
    from .executors import Executor

__all__ = ["Rate", "Timer", "TimerInfo"]


class TimerInfo:
    """What a timer's callback learns of its call, in the parameter that it annotates with this class."""

    __slots__ = ("_actual_ns", "_clock_type", "_expected_ns")

    def __init__(
        self,
        *,
        expected_call_time: int = 0,
        actual_call_time: int = 0,
        clock_type: ClockType = ClockType.SYSTEM_TIME,
    ) -> None:
        """The times are nanoseconds on a clock of the given type."""
        self._expected_ns = expected_call_time
        self._actual_ns = actual_call_time
        self._clock_type = clock_type

    @property
    def expected_call_time(self) -> Time:
        """When the call was due."""
        return Time(nanoseconds=self._expected_ns, clock_type=self._clock_type)

    @property
    def actual_call_time(self) -> Time:
        """When it came."""
        return Time(nanoseconds=self._actual_ns, clock_type=self._clock_type)


class Timer(Entity):
    """Calls back every period of its clock. After a gap of several periods it calls once and keeps its phase."""

    def __init__(
        self,
        callback: Callable[..., Any] | None,
        callback_group: CallbackGroup | None,
        timer_period_ns: int,
        clock: Clock,
        *,
        context: Context | None = None,
        autostart: bool = True,
    ) -> None:
        """A timer without `autostart` waits, cancelled, for its first `reset`.

        Raises:
            ValueError: a negative period.
        """
        from .callback_groups import ReentrantCallbackGroup  # noqa: PLC0415 (only a bare timer needs it)

        if timer_period_ns < 0:
            raise ValueError("timer period must be non-negative")
        self.callback_group = callback_group if callback_group is not None else ReentrantCallbackGroup()
        self.callback_group.add_entity(self)
        self.callback = callback
        self._clock = clock
        self._context = context
        self._period_ns = int(timer_period_ns)
        self._sequence = next_sequence()
        # When the executor looks at the timer next (monotonic ns), None where it is not in the list.
        self._listed_ns: int | None = None
        self._queued = False
        self._canceled = not autostart
        self._credit_ns: int | None = None
        self._handle: Handle | None = None
        self._last_ns = clock._read()
        self._next_ns = self._last_ns + self._period_ns
        with clock._timers_lock:
            clock._timers.add(self)

    @property
    def callback(self) -> Callable[..., Any] | None:
        return self._callback

    @callback.setter
    def callback(self, value: Callable[..., Any] | None) -> None:
        self._callback = value
        self._info_name = None if value is None else parameter_of_type(value, TimerInfo)

    @property
    def handle(self) -> Handle:
        """Keeps the timer alive within a `with` block; raises InvalidHandle after `destroy`."""
        from ._handle import Handle  # noqa: PLC0415 (few programs ask)

        self._check_alive()
        if self._handle is None:
            self._handle = Handle(self._end)
        return self._handle

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def timer_period_ns(self) -> int:
        return self._period_ns

    @timer_period_ns.setter
    def timer_period_ns(self, value: int) -> None:
        """The next call comes when it was due; the new period counts from there."""
        self._period_ns = int(value)

    def is_ready(self) -> bool:
        return not self._canceled and self._clock._read() >= self._next_ns

    def is_canceled(self) -> bool:
        self._check_alive()
        return self._canceled

    def cancel(self) -> None:
        self._check_alive()
        self._canceled = True

    def reset(self) -> None:
        """Starts the period anew; a cancelled timer runs again."""
        self._check_alive()
        self._next_ns = self._clock._read() + self._period_ns
        self._canceled = False
        self._arm()

    def time_since_last_call(self) -> int:
        """Nanoseconds."""
        self._check_alive()
        return self._clock._read() - self._last_ns

    def time_until_next_call(self) -> int | None:
        """Nanoseconds; None for a cancelled timer."""
        self._check_alive()
        return None if self._canceled else self._next_ns - self._clock._read()

    def get_next_call_time(self) -> Time:
        """When the next call is due.

        Raises:
            TimerCancelledError: the timer is cancelled.
        """
        self._check_alive()
        if self._canceled:
            raise TimerCancelledError("the timer is cancelled")
        return Time(nanoseconds=self._next_ns, clock_type=self._clock.clock_type)

    def destroy(self) -> None:
        if self._destroyed:
            return
        self._destroyed = True
        if self._handle is not None:
            self._handle.destroy_when_not_in_use()
        else:
            self._end()

    def __enter__(self) -> Timer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    def _end(self) -> None:
        self._canceled = True
        with self._clock._timers_lock:
            self._clock._timers.discard(self)
        self._executor = None

    def _arm(self) -> None:
        """Tells the executor when the timer is due next."""
        executor = self._executor
        if executor is not None and not self._canceled:
            executor._arm(self, self._next_ns - self._clock._read())

    def _join(self, executor: Executor | None) -> None:
        self._executor = executor
        self._listed_ns = None
        self._queued = False
        self._arm()

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        self._queued = False
        now = self._clock._read()
        due = self._next_ns
        if self._canceled or now < due:
            self._arm()
            return NOTHING  # type: ignore[no-any-return]
        self._last_ns = now
        following = due + self._period_ns
        if following < now:
            # Skip the periods that were missed, and keep the phase (as rcl_timer_call does).
            missed = 1 + (now - following - 1) // self._period_ns if self._period_ns else 0
            following = following + missed * self._period_ns if self._period_ns else now
        self._next_ns = following
        executor = self._executor
        if executor is not None:
            executor._arm(self, following - now)
        callback = self._callback
        if callback is None:
            return None
        if self._info_name is not None:
            info = TimerInfo(expected_call_time=due, actual_call_time=now, clock_type=self._clock.clock_type)
            return callback(**{self._info_name: info})  # type: ignore[no-any-return]
        return callback()  # type: ignore[no-any-return]

    def _before_jump(self, change: ClockChange) -> None:
        if change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED):
            now = self._clock._read()
            # A clock at zero has not been set yet: nothing of the period has passed on it.
            self._credit_ns = self._next_ns - now if now else None

    def _after_jump(self, change: ClockChange) -> None:
        now = self._clock._read()
        if change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED):
            left, self._credit_ns = self._credit_ns, None
            self._next_ns = now + (self._period_ns if left is None else min(max(left, 0), self._period_ns))
            self._last_ns = self._next_ns - self._period_ns
            self._arm()
        elif now < self._last_ns:
            self._last_ns = now
            self._next_ns = now + self._period_ns
            self._arm()
        elif now >= self._next_ns and not self._canceled and not self._queued:
            executor = self._executor
            if executor is not None:
                executor._sim_timer_due()


class Rate:
    """Sleeps so that a loop runs at a fixed rate; an executor in another thread must run the timer."""

    def __init__(self, timer: Timer, *, context: Context) -> None:
        self._timer = timer
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sleepers = 0
        self._is_shutdown = False
        self._is_destroyed = False
        self._forget = context._on_shutdown_call(self._on_shutdown)
        timer.callback = self._event.set

    def _on_shutdown(self) -> None:
        self._is_shutdown = True
        self._event.set()

    def sleep(self) -> None:
        """Blocks until the next period; a period that ended since the last call counts.

        Raises:
            ROSInterruptException: the context was shut down.
            InvalidHandle: the rate was destroyed before.
        """
        if self._is_shutdown:
            raise ROSInterruptException()
        if self._is_destroyed:
            raise InvalidHandle("Rate cannot sleep because it has been destroyed")
        with self._lock:
            self._sleepers += 1
        try:
            self._event.wait()
        finally:
            with self._lock:
                self._sleepers -= 1
                if not self._sleepers:
                    self._event.clear()
        if self._is_shutdown:
            raise ROSInterruptException()

    def destroy(self) -> None:
        self._is_destroyed = True
        self._forget()
        self._event.set()
