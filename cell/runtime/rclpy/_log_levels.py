"""The level of each logger, by name; a dot parts the names of a hierarchy."""

from __future__ import annotations

import threading

from .impl.logging_severity import LoggingSeverity

DEFAULT = int(LoggingSeverity.INFO)


class Levels:
    """Levels as rcutils keeps them: a logger without one takes that of the nearest ancestor that has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._root = DEFAULT
        self._levels: dict[str, int] = {}
        # Rises with each change, so that a logger may keep its effective level.
        self.generation = 0

    def set(self, name: str, level: int) -> None:
        with self._lock:
            if name:
                self._levels[name] = level
            else:
                self._root = level
            self.generation += 1

    def get(self, name: str) -> int:
        """The level that was set for exactly this name; 0 where none was."""
        return self._levels.get(name, 0) if name else self._root

    def effective(self, name: str) -> int:
        """The level that counts for a logger."""
        while name:
            level = self._levels.get(name)
            if level:
                return level
            name = name.rpartition(".")[0]
        return self._root

    def clear(self) -> None:
        with self._lock:
            self._root = DEFAULT
            self._levels.clear()
            self.generation += 1


levels = Levels()

__all__ = ["DEFAULT", "Levels", "levels"]
