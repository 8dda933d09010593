"""The alarms of a cell after ISA-18.2: which there are, who has seen them, which are out of sight for a while.

An alarm comes with its cause and goes with it; one that is latched stays until somebody has acknowledged it as well.
Acknowledging changes nothing at the cell. Shelving takes an alarm out of sight for a limited time and needs a comment;
what makes a cell abort cannot be shelved. Pure: times are seconds of one clock.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cell.causes import Priority, Reaction, condition_of

FLOOD_COUNT: Final = 10
FLOOD_S: Final = 600.0
"""More than ten alarms in ten minutes are a flood ..."""
FLOOD_END: Final = 5
"""... until there are fewer than five (ISA-18.2-2016, 16.5)."""
STANDING_S: Final = 24 * 3600.0
"""An alarm that is active for longer tells nobody anything (ISA-18.2: stale)."""
SHELVE_LIMIT_S: Final = 8 * 3600.0
"""A shift: nobody may take an alarm out of the next one's sight."""
RETURN_S: Final = 30.0
"""What is there again within this time of a restart was never away."""
FLOOD_KEY: Final = "alarm_flood"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm.

    Attributes:
        name: ``key`` or ``key:subject`` of its condition.
        words: what its cause says of itself.
        active: the cause is there.
        acknowledged: somebody has seen this occurrence.
        latched: it stays without its cause until it is acknowledged.
        raised_s: since when.
        count: occurrences since the start.
        first_out: the first of those that made the cell react.
        shelved_until_s: out of sight until then.
        comment, by: of whoever acknowledged or shelved it.
    """

    name: str
    words: str
    priority: Priority
    reaction: Reaction
    latched: bool
    active: bool
    acknowledged: bool
    raised_s: float
    count: int = 1
    first_out: bool = False
    shelved_until_s: float | None = None
    comment: str = ""
    by: str = ""

    def shelved(self, now_s: float) -> bool:
        """It is out of sight."""
        return self.shelved_until_s is not None and now_s < self.shelved_until_s

    def standing(self, now_s: float) -> bool:
        """It is active for so long that nobody looks any more."""
        return self.active and now_s - self.raised_s > STANDING_S


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an alarm, for the journal: ``what`` is raised, cleared, acknowledged, shelved,
    unshelved, or expired (a shelving)."""

    at_s: float
    name: str
    what: str
    words: str = ""
    by: str = ""


class AlarmBook:
    """All alarms of a cell.

    Args:
        kept: what was there when the controller ended, from its journal.
        started_s: now.
    """

    def __init__(self, kept: Iterable[Alarm] = (), started_s: float = 0.0) -> None:
        self._started_s = started_s
        self._alarms: dict[str, Alarm] = {}
        self._returning: dict[str, Alarm] = {}
        self._shelved: dict[str, Alarm] = {}
        for alarm in kept:
            if alarm.shelved(started_s):
                self._shelved[alarm.name] = alarm
            if alarm.active and alarm.acknowledged:
                self._returning[alarm.name] = alarm
            elif alarm.latched and not alarm.acknowledged:
                # Nobody has seen it yet, and the cell went down meanwhile.
                self._alarms[alarm.name] = dataclasses.replace(alarm, active=False)
        self._counts: dict[str, int] = {}
        self._raised: deque[float] = deque()
        self._flood = False
        self._changes: list[Change] = []

    def __len__(self) -> int:
        return len(self._alarms)

    def get(self, name: str) -> Alarm | None:
        """One alarm; None where there is none of this name."""
        return self._alarms.get(name)

    @property
    def flood(self) -> bool:
        """More alarms than anybody can read."""
        return self._flood

    @property
    def recent(self) -> int:
        """Alarms of the last ten minutes."""
        return len(self._raised)

    def listing(self) -> tuple[Alarm, ...]:
        """All of them, the gravest and newest first."""
        return tuple(sorted(self._alarms.values(), key=lambda alarm: (-alarm.priority, -alarm.raised_s, alarm.name)))

    def kept(self) -> tuple[Alarm, ...]:
        """What a restart has to know: all alarms, and what is shelved without being there."""
        away = [alarm for name, alarm in self._shelved.items() if name not in self._alarms]
        return (*self.listing(), *(dataclasses.replace(alarm, active=False, latched=False) for alarm in away))

    def changes(self) -> tuple[Change, ...]:
        """What has happened since the last time this was asked."""
        changes, self._changes = tuple(self._changes), []
        return changes

    def update(self, present: Mapping[str, str], now_s: float) -> bool:
        """Take what is wrong now, by the alarm's name with its words; True where anything changed."""
        before = len(self._changes)
        for name, words in present.items():
            self._see(name, words, now_s)
        for name, alarm in list(self._alarms.items()):
            if name not in present and name != FLOOD_KEY and alarm.active:
                self._clear(alarm, now_s)
        for name, alarm in list(self._alarms.items()):
            if alarm.shelved_until_s is not None and not alarm.shelved(now_s):
                self._alarms[name] = dataclasses.replace(alarm, shelved_until_s=None)
                self._note(now_s, name, "expired")
        for name, alarm in list(self._shelved.items()):
            if not alarm.shelved(now_s):
                del self._shelved[name]
        self._count_flood(now_s)
        return len(self._changes) > before

    def acknowledge(self, name: str, by: str, comment: str, now_s: float) -> str | None:
        """Somebody has seen it; an empty name: all that are in sight. Returns why not, or None."""
        if not name:
            waiting = [alarm for alarm in self.listing() if not alarm.acknowledged and not alarm.shelved(now_s)]
            for alarm in waiting:
                self._acknowledge(alarm, by, comment, now_s)
            return None if waiting else "there is nothing to acknowledge"
        found = self._alarms.get(name)
        if found is None:
            return f"there is no alarm {name}"
        if found.acknowledged:
            return f"{name} is acknowledged already"
        self._acknowledge(found, by, comment, now_s)
        return None

    def shelve(self, name: str, duration_s: float, by: str, comment: str, now_s: float) -> str | None:
        """Take it out of sight for a while. Returns why not, or None."""
        alarm = self._alarms.get(name)
        if alarm is None:
            return f"there is no alarm {name}"
        if alarm.reaction is Reaction.ABORT:
            return f"{name} stops the cell and cannot be shelved"
        if not 0.0 < duration_s <= SHELVE_LIMIT_S:
            return f"an alarm is shelved for at most {SHELVE_LIMIT_S / 3600.0:.0f} h, and for a while"
        if not comment.strip():
            return "shelving needs a comment: why, and who looks after it"
        shelved = dataclasses.replace(alarm, shelved_until_s=now_s + duration_s, comment=comment, by=by)
        self._alarms[name] = self._shelved[name] = shelved
        self._note(now_s, name, "shelved", f"for {duration_s:.0f} s: {comment}", by)
        return None

    def unshelve(self, name: str, by: str, now_s: float) -> str | None:
        """Bring it back into sight. Returns why not, or None."""
        alarm = self._alarms.get(name)
        hidden = self._shelved.pop(name, None)
        if alarm is not None and alarm.shelved(now_s):
            self._alarms[name] = dataclasses.replace(alarm, shelved_until_s=None)
        elif hidden is None:
            return f"{name} is not shelved"
        self._note(now_s, name, "unshelved", "", by)
        return None

    def _see(self, name: str, words: str, now_s: float) -> None:
        alarm = self._alarms.get(name)
        if alarm is not None and alarm.active:
            if alarm.words != words:
                self._alarms[name] = dataclasses.replace(alarm, words=words)
            return
        condition, _ = condition_of(name)
        if condition is None:
            raise ValueError(f"no condition {name!r} in cell.causes")
        self._counts[name] = self._counts.get(name, 0) + 1
        back = self._returning.pop(name, None)
        if back is not None and now_s - self._started_s <= RETURN_S:
            # The same occurrence as before the restart, seen by somebody then.
            self._alarms[name] = dataclasses.replace(back, words=words, count=self._counts[name], first_out=False)
            return
        reacting = [a for a in self._alarms.values() if a.reaction is not Reaction.NONE]
        first = condition.reaction is not Reaction.NONE and not reacting
        hidden = self._shelved.get(name)
        self._alarms[name] = Alarm(
            name=name,
            words=words,
            priority=condition.priority,
            reaction=condition.reaction,
            latched=condition.latched,
            active=True,
            acknowledged=False,
            raised_s=now_s,
            count=self._counts[name],
            first_out=first or (alarm is not None and alarm.first_out),
            shelved_until_s=None if hidden is None else hidden.shelved_until_s,
            comment="" if hidden is None else hidden.comment,
            by="" if hidden is None else hidden.by,
        )
        if hidden is None and name != FLOOD_KEY:
            self._raised.append(now_s)
        self._note(now_s, name, "raised", words)

    def _clear(self, alarm: Alarm, now_s: float) -> None:
        if alarm.latched and not alarm.acknowledged:
            self._alarms[alarm.name] = dataclasses.replace(alarm, active=False)
        else:
            del self._alarms[alarm.name]
        self._note(now_s, alarm.name, "cleared", alarm.words)

    def _acknowledge(self, alarm: Alarm, by: str, comment: str, now_s: float) -> None:
        if alarm.active:
            self._alarms[alarm.name] = dataclasses.replace(alarm, acknowledged=True, by=by, comment=comment)
        else:
            del self._alarms[alarm.name]
        self._note(now_s, alarm.name, "acknowledged", comment, by)

    def _count_flood(self, now_s: float) -> None:
        while self._raised and now_s - self._raised[0] > FLOOD_S:
            self._raised.popleft()
        if not self._flood and len(self._raised) > FLOOD_COUNT:
            self._flood = True
            self._see(FLOOD_KEY, f"{len(self._raised)} alarms in ten minutes", now_s)
        elif self._flood and len(self._raised) < FLOOD_END:
            self._flood = False
            flood = self._alarms.get(FLOOD_KEY)
            if flood is not None:
                self._clear(flood, now_s)

    def _note(self, at_s: float, name: str, what: str, words: str = "", by: str = "") -> None:
        self._changes.append(Change(at_s, name, what, words, by))
