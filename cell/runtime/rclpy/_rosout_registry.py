"""Which loggers are heard on /rosout: those of nodes, and the children that were taken from them and still live."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._log_output import Record

Sink = Callable[["Record"], None]


class _Entry:
    """The sinks of a name; a child shares the list of its node's logger. `uses` counts the children of that name, and
    `own` says whether it is a node's."""

    __slots__ = ("own", "sinks", "uses")

    def __init__(self, sinks: list[Sink], uses: int, own: bool) -> None:
        self.sinks = sinks
        self.uses = uses
        self.own = own


class RosoutRegistry:
    """As rcl's: the records of a name that is not here do not go to /rosout."""

    def __init__(self) -> None:
        # Reentrant: a garbage collection may end a child logger anywhere in here.
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}

    def add(self, name: str, sink: Sink) -> None:
        """A node's logger; nodes of one name (in several domains) are heard all."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or not entry.own:
                self._entries[name] = _Entry([sink], 0 if entry is None else entry.uses, True)
            else:
                entry.sinks.append(sink)

    def remove(self, name: str, sink: Sink) -> None:
        """Ends a node's logger, and with the last node of the name its children."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or sink not in entry.sinks:
                return
            entry.sinks.remove(sink)
            if not entry.sinks:
                for gone in [key for key, other in self._entries.items() if other.sinks is entry.sinks]:
                    del self._entries[gone]

    def add_sublogger(self, name: str, child: str) -> bool:
        """Lets a child be heard; False where the parent is not."""
        with self._lock:
            parent = self._entries.get(name)
            if parent is None:
                return False
            entry = self._entries.get(f"{name}.{child}")
            if entry is None:
                self._entries[f"{name}.{child}"] = _Entry(parent.sinks, 1, False)
            else:
                entry.uses += 1
            return True

    def remove_sublogger(self, name: str, child: str) -> None:
        with self._lock:
            full_name = f"{name}.{child}"
            entry = self._entries.get(full_name)
            if entry is None or not entry.uses:
                return
            entry.uses -= 1
            if not entry.uses and not entry.own:
                del self._entries[full_name]

    def publish(self, record: Record) -> None:
        entry = self._entries.get(record.name)
        if entry is not None:
            for sink in tuple(entry.sinks):
                sink(record)


registry = RosoutRegistry()

__all__ = ["RosoutRegistry", "Sink", "registry"]
