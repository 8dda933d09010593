"""Which callbacks may run at the same time."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._entity import Entity

__all__ = ["CallbackGroup", "MutuallyExclusiveCallbackGroup", "ReentrantCallbackGroup"]


class CallbackGroup:
    """The base of all groups: decides whether an entity's callback may start.

    A group of one's own overrides the three methods that raise here.
    """

    def __init__(self) -> None:
        self.entities: weakref.WeakSet[Any] = weakref.WeakSet()
        self._deferred: deque[Entity] = deque()

    def add_entity(self, entity: Any) -> None:
        self.entities.add(entity)

    def has_entity(self, entity: Any) -> bool:
        return entity in self.entities

    def can_execute(self, entity: Any) -> bool:
        """True if a callback of the entity could start."""
        raise NotImplementedError

    def beginning_execution(self, entity: Any) -> bool:
        """Marks the start of a callback; False where it may not start."""
        raise NotImplementedError

    def ending_execution(self, entity: Any) -> None:
        """Marks the end of a callback."""
        raise NotImplementedError

    def _claim(self, entity: Entity) -> bool:
        """As `beginning_execution`; an entity that may not start is remembered until it may."""
        if self.beginning_execution(entity):
            return True
        self._deferred.append(entity)
        # Whoever held the group may have let go between the two lines.
        if self.can_execute(entity):
            self._wake_deferred()
        return False

    def _release(self, entity: Entity) -> None:
        self.ending_execution(entity)
        if self._deferred:
            self._wake_deferred()

    def _wake_deferred(self) -> None:
        """Puts what waited back to the head of its executor's queue, the earliest first."""
        waiting = []
        while self._deferred:
            try:
                waiting.append(self._deferred.popleft())
            except IndexError:
                break
        for entity in reversed(waiting):
            executor = entity._executor
            if executor is not None:
                executor._enqueue_first(entity)


class ReentrantCallbackGroup(CallbackGroup):
    """All callbacks may run at the same time."""

    def can_execute(self, entity: Any) -> bool:
        return True

    def beginning_execution(self, entity: Any) -> bool:
        return True

    def ending_execution(self, entity: Any) -> None:
        return None

    def _claim(self, entity: Entity) -> bool:
        return True

    def _release(self, entity: Entity) -> None:
        return None


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One callback at a time; a coroutine holds the group until its end, awaits included."""

    def __init__(self) -> None:
        super().__init__()
        self._active_entity: Any = None
        # Whoever takes the one permit may run: `pop` and `append` are atomic, and cheaper than a lock.
        self._permit: deque[bool] = deque((True,))

    def can_execute(self, entity: Any) -> bool:
        return bool(self._permit)

    def beginning_execution(self, entity: Any) -> bool:
        try:
            self._permit.pop()
        except IndexError:
            return False
        self._active_entity = entity
        return True

    def ending_execution(self, entity: Any) -> None:
        if self._active_entity is not entity:
            raise AssertionError("the callback group is held by another entity")
        self._active_entity = None
        self._permit.append(True)

    def _claim(self, entity: Entity) -> bool:
        try:
            self._permit.pop()
        except IndexError:
            self._deferred.append(entity)
            # Whoever held the group may have let go between the two lines.
            if self._permit:
                self._wake_deferred()
            return False
        self._active_entity = entity
        return True

    def _release(self, entity: Entity) -> None:
        self._active_entity = None
        self._permit.append(True)
        if self._deferred:
            self._wake_deferred()
