"""A moment on one of the clocks, in whole nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from .clock_type import ClockType
from .constants import S_TO_NS
from .duration import Duration

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time as TimeMsg

__all__ = ["Time"]

_LIMIT = 2**63


class Time:
    """A moment; only moments on the same kind of clock can be compared.

    Raises:
        ValueError: a negative value.
        OverflowError: the value does not fit 63 bits.
    """

    __slots__ = ("_clock_type", "_ns")

    def __init__(
        self, *, seconds: float = 0, nanoseconds: float = 0, clock_type: ClockType = ClockType.SYSTEM_TIME
    ) -> None:
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        if seconds < 0:
            raise ValueError("Seconds value must not be negative")
        if nanoseconds < 0:
            raise ValueError("Nanoseconds value must not be negative")
        total = int(seconds * S_TO_NS) + int(nanoseconds)
        if total >= _LIMIT:
            raise OverflowError("Total nanoseconds value is too large to store in C time point.")
        self._ns = total
        self._clock_type = clock_type

    @property
    def nanoseconds(self) -> int:
        return self._ns

    @property
    def clock_type(self) -> ClockType:
        return self._clock_type

    def seconds_nanoseconds(self) -> tuple[int, int]:
        """Whole seconds, and the nanoseconds that remain."""
        return divmod(self._ns, S_TO_NS)

    def to_msg(self) -> TimeMsg:
        from builtin_interfaces.msg import Time as TimeMsg  # noqa: PLC0415 (message classes load on use)

        seconds, nanoseconds = divmod(self._ns, S_TO_NS)
        return TimeMsg(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg: TimeMsg, clock_type: ClockType = ClockType.ROS_TIME) -> Time:
        if not hasattr(msg, "nanosec"):
            raise TypeError("Must pass a builtin_interfaces.msg.Time object")
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec, clock_type=clock_type)

    def __repr__(self) -> str:
        return f"Time(nanoseconds={self._ns}, clock_type={self._clock_type.name})"

    def __add__(self, other: Duration) -> Time:
        if not isinstance(other, Duration):
            return NotImplemented
        try:
            return Time(nanoseconds=self._ns + other.nanoseconds, clock_type=self._clock_type)
        except OverflowError as error:
            raise OverflowError("Addition leads to overflow in C storage.") from error
        except ValueError as error:
            raise ValueError("Addition leads to negative time") from error

    def __radd__(self, other: Duration) -> Time:
        return self.__add__(other)

    @overload
    def __sub__(self, other: Time) -> Duration: ...

    @overload
    def __sub__(self, other: Duration) -> Time: ...

    def __sub__(self, other: Time | Duration) -> Duration | Time:
        if isinstance(other, Time):
            if self._clock_type != other._clock_type:
                raise TypeError("Can't subtract times with different clock types")
            return Duration(nanoseconds=self._ns - other._ns)
        if isinstance(other, Duration):
            try:
                return Time(nanoseconds=self._ns - other.nanoseconds, clock_type=self._clock_type)
            except ValueError as error:
                raise ValueError("Subtraction leads to negative time") from error
        return NotImplemented

    def _comparable(self, other: Time) -> bool:
        if not isinstance(other, Time):
            return False
        if self._clock_type != other._clock_type:
            raise TypeError("Can't compare times with different clock types")
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        return self._comparable(other) and self._ns == other._ns

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        return self._comparable(other) and self._ns != other._ns

    def __lt__(self, other: Time) -> bool:
        return self._ns < other._ns if self._comparable(other) else NotImplemented

    def __le__(self, other: Time) -> bool:
        return self._ns <= other._ns if self._comparable(other) else NotImplemented

    def __gt__(self, other: Time) -> bool:
        return self._ns > other._ns if self._comparable(other) else NotImplemented

    def __ge__(self, other: Time) -> bool:
        return self._ns >= other._ns if self._comparable(other) else NotImplemented

    def __hash__(self) -> int:
        return hash((Time, self._clock_type, self._ns))
