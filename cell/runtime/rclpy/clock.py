"""Clocks: steady, system, and ROS time, which can be set from outside."""

from __future__ import annotations

import threading
import time as _time
import weakref
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .clock_type import ClockType
from .duration import Duration
from .exceptions import NotInitializedException
from .time import Time

if TYPE_CHECKING:
    from ._handle import Handle
    from .context import Context
    from .timer import Timer

__all__ = ["Clock", "ClockChange", "ClockType", "JumpHandle", "JumpThreshold", "ROSClock", "TimeJump"]


class ClockChange(IntEnum):
    """How a jump changed the source of time."""

    ROS_TIME_NO_CHANGE = 1
    ROS_TIME_ACTIVATED = 2
    ROS_TIME_DEACTIVATED = 3
    SYSTEM_TIME_NO_CHANGE = 4


class JumpThreshold:
    """How far time must jump before a callback hears of it.

    Raises:
        ValueError: a threshold of the wrong sign, or none at all.
    """

    def __init__(
        self, *, min_forward: Duration | None, min_backward: Duration | None, on_clock_change: bool = True
    ) -> None:
        if min_forward is not None and min_forward.nanoseconds <= 0:
            raise ValueError("min_forward must be a positive non-zero duration")
        if min_backward is not None and min_backward.nanoseconds >= 0:
            raise ValueError("min_backward must be a negative non-zero duration")
        if min_forward is None and min_backward is None and not on_clock_change:
            raise ValueError("At least one jump threshold must be enabled")
        self.min_forward = min_forward
        self.min_backward = min_backward
        self.on_clock_change = on_clock_change


class TimeJump:
    """What happened to a clock."""

    def __init__(self, clock_change: ClockChange, delta: Duration) -> None:
        self._clock_change = clock_change
        self._delta = delta

    @property
    def clock_change(self) -> ClockChange:
        return self._clock_change

    @property
    def delta(self) -> Duration:
        return self._delta


class JumpHandle:
    """A registered pair of jump callbacks; it stays registered until `unregister`, or the end of a `with`."""

    def __init__(
        self,
        *,
        clock: Clock,
        threshold: JumpThreshold,
        pre_callback: Callable[[], Any] | None,
        post_callback: Callable[[TimeJump], Any] | None,
    ) -> None:
        if pre_callback is None and post_callback is None:
            raise ValueError("One of pre_callback or post_callback must be callable")
        for callback in (pre_callback, post_callback):
            if callback is not None and not callable(callback):
                raise ValueError("jump callbacks must be callable")
        self._clock: Clock | None = clock
        self.threshold = threshold
        self.pre_callback = pre_callback
        self.post_callback = post_callback
        clock._jump_handles.append(self)

    def unregister(self) -> None:
        clock, self._clock = self._clock, None
        if clock is not None:
            clock._jump_handles.remove(self)

    def __enter__(self) -> JumpHandle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.unregister()

    def _concerned(self, change: ClockChange, delta_ns: int) -> bool:
        threshold = self.threshold
        if change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED):
            return threshold.on_clock_change
        forward, backward = threshold.min_forward, threshold.min_backward
        if forward is not None and delta_ns >= forward.nanoseconds:
            return True
        return backward is not None and delta_ns <= backward.nanoseconds


class Clock:
    """A clock of the given kind; `Clock(clock_type=ClockType.ROS_TIME)` makes a `ROSClock`."""

    _clock_type: ClockType
    _jump_handles: list[JumpHandle]
    _timers: weakref.WeakSet[Timer]
    _timers_lock: threading.Lock
    _read: Callable[[], int]
    # True while the clock reads /clock.
    _is_set_from_outside = False

    def __new__(cls, *, clock_type: ClockType = ClockType.SYSTEM_TIME) -> Clock:
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        chosen = ROSClock if clock_type is ClockType.ROS_TIME and not issubclass(cls, ROSClock) else cls
        clock = object.__new__(chosen)
        clock._clock_type = clock_type
        clock._jump_handles = []
        clock._timers = weakref.WeakSet()
        clock._timers_lock = threading.Lock()
        clock._read = _time.monotonic_ns if clock_type is ClockType.STEADY_TIME else _time.time_ns
        clock._prepare()
        return clock

    def _prepare(self) -> None:
        """Sets what a kind of clock has besides."""

    @property
    def clock_type(self) -> ClockType:
        return self._clock_type

    @property
    def handle(self) -> Handle:
        """For a `with` block; clocks have no end of their own."""
        from ._handle import ClockHandle  # noqa: PLC0415 (few programs ask)

        return ClockHandle(self)

    def now(self) -> Time:
        return Time(nanoseconds=self._read(), clock_type=self._clock_type)

    def __repr__(self) -> str:
        return f"Clock(clock_type={self._clock_type.name})"

    def create_jump_callback(
        self,
        threshold: JumpThreshold,
        *,
        pre_callback: Callable[[], Any] | None = None,
        post_callback: Callable[[TimeJump], Any] | None = None,
    ) -> JumpHandle:
        """Calls before and after a jump that passes the threshold."""
        return JumpHandle(clock=self, threshold=threshold, pre_callback=pre_callback, post_callback=post_callback)

    def sleep_until(self, until: Time, context: Context | None = None) -> bool:
        """Blocks until the clock reads `until`; False if the time source changed or the context was shut down.

        Raises:
            ValueError: a time of another kind of clock.
            NotInitializedException: the context is not initialized.
        """
        from .utilities import get_default_context  # noqa: PLC0415 (the default context imports this module)

        context = context if context is not None else get_default_context()
        if not context.ok():
            raise NotInitializedException()
        if until.clock_type != self._clock_type:
            raise ValueError("until's clock type does not match this clock's type")
        woken = threading.Event()
        changed = False

        def on_jump(jump: TimeJump) -> None:
            nonlocal changed
            if jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED):
                changed = True
            woken.set()

        threshold = JumpThreshold(
            min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        forget = context._on_shutdown_call(woken.set)
        try:
            with self.create_jump_callback(threshold, post_callback=on_jump):
                while context.ok() and not changed:
                    left_ns = until.nanoseconds - self._read()
                    if left_ns <= 0:
                        break
                    woken.wait(None if self._is_set_from_outside else left_ns / 1e9)
                    woken.clear()
        finally:
            forget()
        return context.ok() and not changed and self._read() >= until.nanoseconds

    def sleep_for(self, rel_time: Duration, context: Context | None = None) -> bool:
        """As `sleep_until`, from now on."""
        return self.sleep_until(self.now() + rel_time, context)


class ROSClock(Clock):
    """ROS time: the system clock, or, while active, the time that was last set."""

    _override_ns: int
    _lock: threading.RLock

    def __new__(cls) -> ROSClock:
        clock = super().__new__(cls, clock_type=ClockType.ROS_TIME)
        assert isinstance(clock, ROSClock)
        return clock

    def _prepare(self) -> None:
        self._override_ns = 0
        self._is_set_from_outside = False
        self._lock = threading.RLock()

    @property
    def ros_time_is_active(self) -> bool:
        return self._is_set_from_outside

    def _set_ros_time_is_active(self, enabled: bool) -> None:
        """Changes the source of time; timers keep what is left of their period."""
        with self._lock:
            if enabled == self._is_set_from_outside:
                return
            change = ClockChange.ROS_TIME_ACTIVATED if enabled else ClockChange.ROS_TIME_DEACTIVATED
            before = self._read()
            after = self._override_ns if enabled else _time.time_ns()

            def switch() -> None:
                self._is_set_from_outside = enabled
                self._read = self._read_override if enabled else _time.time_ns

            self._jump(change, after - before, switch)

    def set_ros_time_override(self, time: Time) -> None:
        """Sets the time that the clock reads while it is active; due timers become ready.

        Raises:
            TypeError: not a time.
        """
        if not isinstance(time, Time):
            raise TypeError(f"Time must be specified as rclpy.time.Time. Received type: {type(time)}")
        self._step(time._ns)

    def _step(self, value_ns: int) -> None:
        with self._lock:
            if self._is_set_from_outside and self._jump_handles:

                def switch() -> None:
                    self._override_ns = value_ns

                self._jump(ClockChange.ROS_TIME_NO_CHANGE, value_ns - self._override_ns, switch)
                return
            self._override_ns = value_ns
            if self._is_set_from_outside:
                for timer in self._living_timers():
                    timer._after_jump(ClockChange.ROS_TIME_NO_CHANGE)

    def _living_timers(self) -> list[Timer]:
        with self._timers_lock:
            return list(self._timers)

    def _read_override(self) -> int:
        return self._override_ns

    def _jump(self, change: ClockChange, delta_ns: int, switch: Callable[[], None]) -> None:
        concerned = [handle for handle in self._jump_handles if handle._concerned(change, delta_ns)]
        for handle in concerned:
            if handle.pre_callback is not None:
                handle.pre_callback()
        timers = self._living_timers()
        for timer in timers:
            timer._before_jump(change)
        switch()
        for timer in timers:
            timer._after_jump(change)
        for handle in concerned:
            if handle.post_callback is not None:
                handle.post_callback(TimeJump(change, Duration(nanoseconds=delta_ns)))
