"""Which callbacks may run at the same time."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._entity import Entity

__all__ = ["CallbackGroup", "MutuallyExclusiveCallbackGroup", "ReentrantCallbackGroup"]


class CallbackGroup:
    """The base of all groups: decides whether an entity's callback may start."""

    def __init__(self) -> None:
        self.entities: weakref.WeakSet[Entity] = weakref.WeakSet()

    def add_entity(self, entity: Entity) -> None:
        self.entities.add(entity)

    def has_entity(self, entity: Entity) -> bool:
        return entity in self.entities

    def can_execute(self, entity: Entity) -> bool:
        """True if a callback of the entity could start."""
        raise TypeError(f"{type(self).__name__} has no rule")

    def beginning_execution(self, entity: Entity) -> bool:
        """Marks the start of a callback; False where it may not start."""
        raise TypeError(f"{type(self).__name__} has no rule")

    def ending_execution(self, entity: Entity) -> None:
        """Marks the end of a callback."""
        raise TypeError(f"{type(self).__name__} has no rule")

    def _claim(self, entity: Entity) -> bool:
        """As `beginning_execution`; an entity that may not start is remembered until it may."""
        return self.beginning_execution(entity)

    def _release(self, entity: Entity) -> None:
        self.ending_execution(entity)


class ReentrantCallbackGroup(CallbackGroup):
    """All callbacks may run at the same time."""

    def can_execute(self, entity: Entity) -> bool:
        return True

    def beginning_execution(self, entity: Entity) -> bool:
        return True

    def ending_execution(self, entity: Entity) -> None:
        return None


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One callback at a time; a coroutine holds the group until its end, awaits included."""

    def __init__(self) -> None:
        super().__init__()
        self._active_entity: Entity | None = None
        self._lock = threading.Lock()
        self._deferred: deque[Entity] = deque()

    def can_execute(self, entity: Entity) -> bool:
        return self._active_entity is None

    def beginning_execution(self, entity: Entity) -> bool:
        with self._lock:
            if self._active_entity is None:
                self._active_entity = entity
                return True
        return False

    def ending_execution(self, entity: Entity) -> None:
        with self._lock:
            if self._active_entity is not entity:
                raise AssertionError("the callback group is held by another entity")
            self._active_entity = None

    def _claim(self, entity: Entity) -> bool:
        with self._lock:
            if self._active_entity is None:
                self._active_entity = entity
                return True
            self._deferred.append(entity)
        return False

    def _release(self, entity: Entity) -> None:
        with self._lock:
            self._active_entity = None
            if not self._deferred:
                return
            deferred, self._deferred = self._deferred, deque()
        # Back to the head of the queue, the earliest first.
        for waiting in reversed(deferred):
            executor = waiting._executor
            if executor is not None:
                executor._enqueue_first(waiting)
