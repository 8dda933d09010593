"""Entities that a program composes itself, and that executors run as one."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._entity import NOTHING, Entity, next_sequence
from ._wait_set import WaitSet

if TYPE_CHECKING:
    from .callback_groups import CallbackGroup
    from .context import Context
    from .executors import Executor
    from .future import Future

__all__ = ["NumberOfEntities", "Waitable"]

T = TypeVar("T")


class NumberOfEntities:
    """How many parts of each kind a waitable has."""

    __slots__ = (
        "num_clients",
        "num_events",
        "num_guard_conditions",
        "num_services",
        "num_subscriptions",
        "num_timers",
    )

    def __init__(  # noqa: PLR0917 (as in rclpy)
        self,
        num_subs: int = 0,
        num_gcs: int = 0,
        num_timers: int = 0,
        num_clients: int = 0,
        num_services: int = 0,
        num_events: int = 0,
    ) -> None:
        self.num_subscriptions = num_subs
        self.num_guard_conditions = num_gcs
        self.num_timers = num_timers
        self.num_clients = num_clients
        self.num_services = num_services
        self.num_events = num_events

    def __add__(self, other: NumberOfEntities) -> NumberOfEntities:
        total = NumberOfEntities()
        for name in self.__slots__:
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    def __iadd__(self, other: NumberOfEntities) -> NumberOfEntities:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def __repr__(self) -> str:
        return f"NumberOfEntities({', '.join(f'{name}={getattr(self, name)}' for name in self.__slots__)})"


class Waitable(Entity, Generic[T]):
    """Override the five methods below; `Node.add_waitable` lets the node's executor run it.

    `add_to_wait_set` names the parts. Whenever one of them has something, an executor asks `is_ready`, and where that
    is true takes the data, and runs `execute` with it.
    """

    def __init__(self, callback_group: CallbackGroup) -> None:
        self.callback_group = callback_group
        self.callback_group.add_entity(self)
        self._futures: list[Future[Any]] = []
        self._wait_set: WaitSet | None = None
        self._woken = 0

    def __enter__(self) -> None:
        """Marks the waitable as in use; there is nothing to keep here."""

    def __exit__(self, *exc_info: object) -> None:
        """See `__enter__`."""

    def add_future(self, future: Future[Any]) -> None:
        """Keeps a future until it is done."""
        self._futures.append(future)
        future.add_done_callback(self.remove_future)

    def remove_future(self, future: Future[Any]) -> None:
        if future in self._futures:
            self._futures.remove(future)

    def is_ready(self, wait_set: WaitSet) -> bool:
        """True if any part has something."""
        raise NotImplementedError("Must be implemented by subclass")

    def take_data(self) -> T:
        """Takes what the parts have, so that they are not ready any more."""
        raise NotImplementedError("Must be implemented by subclass")

    async def execute(self, taken_data: T) -> None:
        """Works on what was taken."""
        raise NotImplementedError("Must be implemented by subclass")

    def get_num_entities(self) -> NumberOfEntities:
        """How many parts of each kind there are."""
        raise NotImplementedError("Must be implemented by subclass")

    def add_to_wait_set(self, wait_set: WaitSet) -> None:
        """Adds the parts, and keeps the numbers that it gives for them."""
        raise NotImplementedError("Must be implemented by subclass")

    # Inside

    def _attach(self, context: Context) -> None:
        self._wait_set = wait_set = WaitSet(context=context.handle, wake=self._wake)
        self.add_to_wait_set(wait_set)

    def _detach(self) -> None:
        wait_set, self._wait_set = self._wait_set, None
        self._executor = None
        if wait_set is not None:
            wait_set.clear_entities()

    def _join(self, executor: Executor | None) -> None:
        super()._join(executor)
        if self._wait_set is not None:
            self._wait_set._join(executor)

    def _wake(self) -> None:
        """A part has something."""
        if not self._woken:
            self._woken = next_sequence()
            self._signal()

    def _waiting(self) -> list[int]:
        return [self._woken] if self._woken else []

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        wait_set = self._wait_set
        self._woken = 0
        if wait_set is None or not self.is_ready(wait_set):
            return NOTHING  # type: ignore[no-any-return]
        data = self.take_data()
        if wait_set._pending():
            self._wake()
        return self.execute(data)
