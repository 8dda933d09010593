"""Wait sets: what compound entities put their parts in, and what low-level code waits on itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._entity import Entity

if TYPE_CHECKING:
    from .executors import Executor
    from .timer import Timer

__all__ = ["WaitSet"]

_KINDS = ("subscription", "guard_condition", "timer", "client", "service", "event")


class _Waker:
    """Stands in an executor's place for a part: what the part would give an executor wakes the wait set instead."""

    _heeds_groups = False
    # Nothing else has its turn here.
    _ready = ()

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def _enqueue(self, token: object) -> None:
        self._wake()

    def _enqueue_first(self, token: object) -> None:
        self._wake()

    def _arm(self, timer: Timer, left_ns: int) -> None:
        """A timer's time comes by itself; see `WaitSet._join` and `WaitSet.wait`."""
        self._wake()

    def wake(self) -> None:
        self._wake()


class WaitSet:
    """Parts by kind, each with a number; a part is an entity or its handle, and belongs to nobody else."""

    def __init__(  # noqa: PLR0917 (as in rclpy)
        self,
        num_subscriptions: int = 0,
        num_guard_conditions: int = 0,
        num_timers: int = 0,
        num_clients: int = 0,
        num_services: int = 0,
        num_events: int = 0,
        context: Any = None,
        *,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """The counts are only hints here. `wake()` is called whenever a part may have become ready."""
        self._parts: dict[str, list[tuple[Any, Entity]]] = {kind: [] for kind in _KINDS}
        self._woken = threading.Event()
        self._tell = wake
        self._waker: Any = _Waker(self._wake)
        self._companions: list[Timer] = []
        self._context = context

    def __enter__(self) -> WaitSet:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """A wait set holds nothing that must be given back."""

    def destroy_when_not_in_use(self) -> None:
        self.clear_entities()

    def clear_entities(self) -> None:
        """Lets all parts go."""
        for parts in self._parts.values():
            for _, entity in parts:
                if entity._executor is self._waker:
                    entity._join(None)
            parts.clear()
        for companion in self._companions:
            companion.destroy()
        self._companions.clear()

    def add_subscription(self, part: Any) -> int:
        return self._add("subscription", part)

    def add_guard_condition(self, part: Any) -> int:
        return self._add("guard_condition", part)

    def add_timer(self, part: Any) -> int:
        return self._add("timer", part)

    def add_client(self, part: Any) -> int:
        return self._add("client", part)

    def add_service(self, part: Any) -> int:
        return self._add("service", part)

    def add_event(self, part: Any) -> int:
        return self._add("event", part)

    def is_ready(self, kind: str, index: int) -> bool:
        """Whether the part of that number has something.

        Raises:
            ValueError: no such kind.
            IndexError: no such part.
        """
        return _is_ready(kind, self._of(kind)[index][1])

    def get_ready_entities(self, kind: str) -> list[int]:
        """The pointers of the parts of a kind that have something; raises as `is_ready`."""
        return [getattr(part, "pointer", id(part)) for part, entity in list(self._of(kind)) if _is_ready(kind, entity)]

    def wait(self, timeout_nsec: int = -1) -> None:
        """Blocks until a part has something, at most `timeout_nsec`; negative means no limit."""
        end_ns = None if timeout_nsec < 0 else time.monotonic_ns() + timeout_nsec
        while True:
            self._woken.clear()
            if self._pending():
                return
            waits_ns = [] if end_ns is None else [end_ns - time.monotonic_ns()]
            if waits_ns and waits_ns[0] <= 0:
                return
            for _, entity in self._parts["timer"]:
                left_ns = entity.time_until_next_call()  # type: ignore[attr-defined]
                if left_ns is not None:
                    waits_ns.append(left_ns)
            self._woken.wait(max(min(waits_ns), 0) / 1e9 if waits_ns else None)

    def _of(self, kind: str) -> list[tuple[Any, Entity]]:
        if kind not in self._parts:
            raise ValueError(f"'{kind}' is not a known entity")
        return self._parts[kind]

    def _add(self, kind: str, part: Any) -> int:
        entity: Entity = part if isinstance(part, Entity) else part._entity
        parts = self._parts[kind]
        parts.append((part, entity))
        entity._join(self._waker)
        if entity._waiting():
            self._wake()
        return len(parts) - 1

    def _wake(self) -> None:
        self._woken.set()
        if self._tell is not None:
            self._tell()

    def _pending(self) -> bool:
        return any(_is_ready(kind, entity) for kind, parts in self._parts.items() for _, entity in list(parts))

    def _join(self, executor: Executor | None) -> None:
        """Lets an executor's timers say when the parts' timers are due."""
        from .timer import Timer  # noqa: PLC0415 (few waitables have timers)

        for companion in self._companions:
            companion.destroy()
        self._companions.clear()
        if executor is None:
            return
        for _, entity in self._parts["timer"]:
            assert isinstance(entity, Timer)
            companion = Timer(self._wake, None, entity.timer_period_ns, entity.clock)
            companion._next_ns = entity._next_ns
            companion._join(executor)
            self._companions.append(companion)


def _is_ready(kind: str, entity: Any) -> bool:
    return bool(entity.is_ready()) if kind == "timer" else bool(entity._waiting())
