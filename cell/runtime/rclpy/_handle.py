"""What an entity's `handle` is: keeps the entity usable within a `with` block, and ends it when nobody uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ._rclpy_errors import InvalidHandle

__all__ = ["ClockHandle", "Handle"]


class Handle:
    """Counts its users; `destroy_when_not_in_use` waits for the last of them, and no further one is let in."""

    def __init__(self, destroy: Callable[[], object] | None = None) -> None:
        """`destroy()` ends what the handle stands for; called once, by the thread that leaves last."""
        self._destroy = destroy
        self._users = 0
        self._leaving = False
        self._users_lock = threading.Lock()

    def __enter__(self) -> Any:
        """Raises InvalidHandle once the destruction was asked for."""
        with self._users_lock:
            if self._leaving:
                raise InvalidHandle("cannot use Destroyable because destruction was requested")
            self._users += 1
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._users_lock:
            self._users -= 1
            last = self._leaving and self._users == 0
        if last:
            self._end()

    def destroy_when_not_in_use(self) -> None:
        with self._users_lock:
            if self._leaving:
                return
            self._leaving = True
            last = self._users == 0
        if last:
            self._end()

    @property
    def pointer(self) -> int:
        """A number that tells handles apart."""
        return id(self)

    def _end(self) -> None:
        destroy, self._destroy = self._destroy, None
        if destroy is not None:
            destroy()


class ClockHandle(Handle):
    """Of a clock, which has no end of its own."""

    def __init__(self, clock: Any) -> None:
        super().__init__()
        self._entity = clock
