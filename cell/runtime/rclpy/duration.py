"""A length of time in whole nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .constants import S_TO_NS

if TYPE_CHECKING:
    from builtin_interfaces.msg import Duration as DurationMsg

__all__ = ["Duration", "Infinite"]

_LIMIT = 2**63


class Duration:
    """A signed length of time; 64 bits of nanoseconds.

    Raises:
        OverflowError: the sum does not fit 64 bits.
    """

    __slots__ = ("_ns",)

    def __init__(self, *, seconds: float = 0, nanoseconds: float = 0) -> None:
        total = int(seconds * S_TO_NS) + int(nanoseconds)
        if not -_LIMIT <= total < _LIMIT:
            raise OverflowError("Total nanoseconds value is too large to store in C duration.")
        self._ns = total

    @property
    def nanoseconds(self) -> int:
        return self._ns

    def to_msg(self) -> DurationMsg:
        from builtin_interfaces.msg import Duration as DurationMsg  # noqa: PLC0415 (message classes load on use)

        seconds, nanoseconds = divmod(self._ns, S_TO_NS)
        return DurationMsg(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg: DurationMsg) -> Duration:
        if not hasattr(msg, "nanosec"):
            raise TypeError("Must pass a builtin_interfaces.msg.Duration object")
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec)

    def __repr__(self) -> str:
        return f"Duration(nanoseconds={self._ns})"

    def __str__(self) -> str:
        return "Infinite" if self == Infinite else f"{self._ns} nanoseconds"

    def __eq__(self, other: object) -> bool:
        return self._ns == other._ns if isinstance(other, Duration) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return self._ns != other._ns if isinstance(other, Duration) else NotImplemented

    def __lt__(self, other: Duration) -> bool:
        return self._ns < other._ns if isinstance(other, Duration) else NotImplemented

    def __le__(self, other: Duration) -> bool:
        return self._ns <= other._ns if isinstance(other, Duration) else NotImplemented

    def __gt__(self, other: Duration) -> bool:
        return self._ns > other._ns if isinstance(other, Duration) else NotImplemented

    def __ge__(self, other: Duration) -> bool:
        return self._ns >= other._ns if isinstance(other, Duration) else NotImplemented

    def __add__(self, other: Duration) -> Duration:
        return Duration(nanoseconds=self._ns + other._ns) if isinstance(other, Duration) else NotImplemented

    def __sub__(self, other: Duration) -> Duration:
        return Duration(nanoseconds=self._ns - other._ns) if isinstance(other, Duration) else NotImplemented

    def __mul__(self, factor: float) -> Duration:
        return Duration(nanoseconds=int(self._ns * factor)) if isinstance(factor, int | float) else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> Duration:
        return Duration(nanoseconds=-self._ns)

    def __hash__(self) -> int:
        return hash((Duration, self._ns))


Infinite = Duration(nanoseconds=_LIMIT - 1)
