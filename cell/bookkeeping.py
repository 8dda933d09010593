"""The accounts and the ledger kept in step: what the accounts close is written, and what is written is told on.

The owner feeds it with parts, decisions and the belt's travel, and publishes the outcomes that it returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cell.accounts import Accounts, Closed, Place
from cell.energy import EnergyShares
from cell.ledger import Ack, Ledger, LedgerError
from cell.reconciliation import Awaited, Reconciliation, Search
from perception.types import BeltPart, Verdict

NEIGHBOUR_M = 0.015
"""With more belt than this between two parts a hand does not bring both, m: fingers come down 6 mm beside a part."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision as it is written: ``action`` is pass, divert or pick."""

    action: str
    bin: str
    policy: str
    reason: str


class Books:
    """Every part once: entered, decided, perhaps picked, closed.

    A part of an earlier run that is found again counts here as well: it passes through this run. One that is not is
    closed as unknown where it was entered, and counts there.

    Attributes:
        found_again: parts of earlier runs that the camera has shown again.
        energy: to be told what the meter counts.

    Args:
        accounts: of this run, empty.
        ledger: of this run.
        reconciled: what the ledger has found open.
    """

    def __init__(self, accounts: Accounts, ledger: Ledger, reconciled: Reconciliation | None = None) -> None:
        self.accounts = accounts
        self.ledger = ledger
        self.reconciled = reconciled
        self._search = Search(() if reconciled is None else reconciled.awaited)
        self.found_again = 0
        self._judged: set[int] = set()
        self._seen: dict[int, BeltPart] = {}
        self._early: dict[int, list[Ruling]] = {}
        self._unconfirmed: dict[int, str] = {}
        self.energy = EnergyShares()
        self._mark: Ack | None = None
        self._refused: str | None = None
        self._unfit = False

    @property
    def trouble(self) -> str | None:
        """Why the cell should suspend: the disk refuses lines or is nearly full; None while all is well."""
        trouble = self.ledger.trouble
        if trouble is None and self.ledger.backlog == 0:
            self._refused = self._refused if self._unfit else None
        return trouble or self._refused

    def _keep(self, write: Callable[[], Ack]) -> Ack | None:
        """Write a line; what the disk refuses stays queued in the ledger and is tried again with the next one."""
        try:
            ack = write()
        except LedgerError as error:
            self._refused, self._unfit = str(error), error.ack is None
            return error.ack
        self._refused, self._unfit = None, False
        return ack

    def part(self, part_id: int) -> BeltPart | None:
        """The part as it was last seen, None once it is closed."""
        return self._seen.get(part_id)

    def neighbour(self, part_id: int) -> BeltPart | None:
        """The open part on the belt that lies nearest to one, if that is so near that a hand could bring both."""
        own = self._seen.get(part_id)
        if own is None:
            return None
        others = [
            one for one in self._seen.values() if one is not own and self.accounts.place(one.part_id) is Place.BELT
        ]
        near = min(others, key=lambda one: _between_m(own, one), default=None)
        return None if near is None or _between_m(own, near) > NEIGHBOUR_M else near

    def enter(self, part: BeltPart, model_hash: str, now_s: float) -> None:
        """A part that is certain to be one, at first sight and again; one that is known only moves.

        Its line is written at once, without a verdict: after a crash nobody else knows that it was there. The verdict
        follows when it is final.
        """
        new = self.accounts.enter(part.part_id, part.belt_x_m)
        if self.accounts.place(part.part_id) is not None:
            self._seen[part.part_id] = part
        known = self._search.find(part) if new and self._search.waiting else None
        if known is not None:
            self._find_again(known, part.part_id, now_s)
        elif new:
            self._keep(
                lambda: self.ledger.enter(
                    part.part_id,
                    now_s,
                    verdict=(part.verdict if part.final else Verdict.PENDING).name.lower(),
                    score=part.score,
                    defects=part.defects if part.final else (),
                    views=part.views,
                    model_hash=model_hash,
                    place=_place(part),
                    picture=(part.stamp_s, ""),
                )
            )
            if part.final:
                self._judged.add(part.part_id)
        if part.final and part.part_id not in self._judged:
            self._judged.add(part.part_id)
            self._keep(
                lambda: self.ledger.judge(
                    part.part_id,
                    verdict=part.verdict.name.lower(),
                    score=part.score,
                    defects=part.defects,
                    views=part.views,
                    model_hash=model_hash,
                    place=_place(part),
                    picture=(part.stamp_s, ""),
                )
            )
        if not new:
            return
        for ruling in self._early.pop(part.part_id, ()):
            self.decide(part.part_id, ruling, now_s)

    def decide(self, part_id: int, ruling: Ruling, now_s: float) -> None:
        """A decision on a part; one that comes before its part waits for it."""
        if self.accounts.place(part_id) is None:
            if self.accounts.fate(part_id) is None:
                self._early.setdefault(part_id, []).append(ruling)
            return
        if ruling.action != "pick":
            self.accounts.decide(part_id, leaves=ruling.action == "divert", bin_name=ruling.bin)
        self._keep(
            lambda: self.ledger.decide(
                part_id, now_s, action=ruling.action, bin_name=ruling.bin, policy=ruling.policy, reason=ruling.reason
            )
        )

    def picked(
        self,
        part_id: int,
        grip_width_m: float | None,
        now_s: float,
        *,
        current_a: float | None = None,
        pressure_pa: float | None = None,
        tries: int = 1,
    ) -> None:
        """The part is in the hand; ``picked_durable`` turns true once the ledger has it."""
        self.accounts.gripped(part_id)
        self._mark = self._keep(
            lambda: self.ledger.mark_picked(
                part_id,
                now_s,
                grip_width_m=grip_width_m,
                current_a=current_a,
                pressure_pa=pressure_pa,
                tries=tries,
            )
        )

    def ask_to_confirm(self, part_id: int, cause: str) -> None:
        """What happened to this part has raised an alarm: its acknowledgement belongs to the part."""
        self._unconfirmed[part_id] = cause

    def acknowledge(self, alarm: str, by_whom: str, now_s: float) -> None:
        """Somebody has acknowledged an alarm (``key`` or ``key:subject``): written to the parts that it was about."""
        cause = alarm.partition(":")[0]
        for part_id in [one for one, asked in self._unconfirmed.items() if asked == cause]:
            del self._unconfirmed[part_id]
            self._keep(
                lambda part_id=part_id: self.ledger.acknowledge(  # type: ignore[misc]
                    part_id, now_s, what=cause, by_whom=by_whom or "somebody"
                )
            )

    @property
    def picked_durable(self) -> bool:
        """The newest mark is on the disk."""
        return self._mark is not None and self._mark.durable

    def end_pick(self, part_id: int, word: str, bin_name: str, reason: str, now_s: float) -> Closed | None:
        """The pick sequence's outcome; None for a retry."""
        closed = self.accounts.end_pick(part_id, word, bin_name, reason)
        if closed is not None:
            self._write(closed, now_s)
        return closed

    def step(self, travel_m: float, now_s: float) -> list[Closed]:
        """Close the parts that the belt has carried past the end or past the arm."""
        closed = self.accounts.step(travel_m)
        for one in closed:
            self._write(one, now_s)
        if self._search.waiting:
            self._give_up(self._search.give_up(travel_m), now_s)
        return closed

    def reconciliation(self) -> dict[str, int] | None:
        """What this run has found open of earlier ones, and what became of it; None where there was nothing."""
        found = self.reconciled
        if found is None:
            return None
        open_parts = len(found.held) + len(found.on_belt) + len(found.awaited)
        waiting = self._search.waiting
        return {
            "kept": found.kept,
            "in_hand": len(found.held),
            "unknown": open_parts - self.found_again - waiting,
            "found_again": self.found_again,
            "looked_for": waiting,
        }

    def close(self, now_s: float) -> None:
        """End the run cleanly: nobody looks for parts of earlier runs any more.

        Raises:
            LedgerError: the disk refuses; the run then counts as crashed.
        """
        self._give_up(self._search.give_up(), now_s)
        self.ledger.close(now_s)

    def _find_again(self, known: Awaited, part_id: int, now_s: float) -> None:
        self.found_again += 1
        if known.judged:
            self._judged.add(part_id)
        self._keep(lambda: self.ledger.find_again(known.key, part_id, now_s))

    def _give_up(self, gone: list[Awaited], now_s: float) -> None:
        for one in gone:
            self._keep(lambda key=one.key: self.ledger.give_up(key, now_s, "on the belt when its run ended"))  # type: ignore[misc]

    def _write(self, closed: Closed, now_s: float) -> None:
        self._seen.pop(closed.part_id, None)
        self._keep(
            lambda: self.ledger.close_part(
                closed.part_id, now_s, closed.fate, bin_name=closed.bin, reason=closed.reason
            )
        )
        share_j = self.energy.take()
        if share_j is not None:
            self._keep(lambda: self.ledger.take_energy(closed.part_id, share_j))


def _between_m(one: BeltPart, other: BeltPart) -> float:
    """Free belt between two parts along the line of their centres; below 0 where they overlap."""
    dx, dy = other.belt_x_m - one.belt_x_m, other.y_m - one.y_m
    towards = math.atan2(dy, dx)
    halves = (
        part.length_m * abs(math.cos(towards - part.yaw_rad)) + part.width_m * abs(math.sin(towards - part.yaw_rad))
        for part in (one, other)
    )
    return math.hypot(dx, dy) - sum(halves) / 2.0


def _place(part: BeltPart) -> tuple[float, float, float, float]:
    return part.belt_x_m, part.y_m, part.length_m, part.width_m
