"""The ledger's accounts against the world's fates: each part that was seen exactly once, and where it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sim.referee import BIN, FLOOR, GOOD_STREAM, HELD, ON_BELT, Fate

_QUERY = (
    "SELECT part.run_id, part.part_id, belt_x_m, y_m, fate.fate, fate.bin, fate.at_s FROM part"
    " LEFT JOIN sighting USING (run_id, part_id) LEFT JOIN fate USING (run_id, part_id)"
    " ORDER BY part.run_id, part.part_id"
)
#: The ledger's place of a part is that of a view: this near to the part's own, m. Across the belt nothing slips.
NEAR_M, ACROSS_M = 0.045, 0.012
#: What has just happened is still being booked, s.
BOOKED_S = 0.6


@dataclass(frozen=True, slots=True)
class Account:
    """One part in the ledger; ``fate`` None: in flight."""

    run_id: int
    part_id: int
    belt_x_m: float
    y_m: float
    fate: str | None
    bin: str
    at_s: float


def read_accounts(ledger: Path) -> list[Account]:
    """Every part of a ledger's file, also while somebody writes it; none without a file."""
    if not ledger.exists():
        return []
    with closing(sqlite3.connect(ledger, timeout=5.0)) as connection:
        rows = connection.execute(_QUERY).fetchall()
    return [
        Account(run, part, x or 0.0, y or 0.0, fate, bin_name or "", at_s or 0.0)
        for run, part, x, y, fate, bin_name, at_s in rows
    ]


class Books:
    """Compares.

    Args:
        offset_m: what the controller's travel is behind the world's, by the counter's preset.
        near_m: along the belt, where the encoder has slipped more.
        may_be_unknown: the fault excuses that nobody can say what became of a part.
    """

    def __init__(self, *, offset_m: float = 0.0, near_m: float = NEAR_M, may_be_unknown: bool = False) -> None:
        self._offset_m = offset_m
        self._near_m = near_m
        self._may_be_unknown = may_be_unknown

    def owners(self, accounts: list[Account], fates: Mapping[int, Fate]) -> dict[tuple[int, int], int]:
        """Which part of the world each account is of; without those that match none."""
        found = {}
        for account in accounts:
            near = [
                (abs(fate.belt_x_m - account.belt_x_m + self._offset_m), fate.number)
                for fate in fates.values()
                if abs(fate.y_m - account.y_m) <= ACROSS_M
            ]
            if near and min(near)[0] <= self._near_m:
                found[account.run_id, account.part_id] = min(near)[1]
        return found

    def findings(
        self, accounts: list[Account], fates: Mapping[int, Fate], seen: frozenset[int], now_s: float
    ) -> list[str]:
        """What is wrong, in words.

        Args:
            accounts: of the ledger.
            fates: by the world's referee, with the places in which the parts came to lie on the belt.
            seen: numbers of parts that the camera has shown as a whole, long enough ago.
            now_s: the present.
        """
        wrong = []
        owners = self.owners(accounts, fates)
        counted: dict[int, list[Account]] = {}
        for account in accounts:
            number = owners.get((account.run_id, account.part_id))
            if number is None:
                wrong.append(f"{_name(account)} at {account.belt_x_m:.3f} m never was")
                continue
            counted.setdefault(number, []).append(account)
            found = self._against(account, fates[number], now_s)
            if found is not None:
                wrong.append(found)
        for number, both in counted.items():
            if len(both) > 1:
                wrong.append(f"part {number} was counted {len(both)} times: {', '.join(map(_name, both))}")
        wrong += [f"part {number} was seen and has no account" for number in sorted(seen - counted.keys())]
        return wrong

    def _against(self, account: Account, fate: Fate, now_s: float) -> str | None:
        word, place = account.fate, fate.place
        fresh = now_s - fate.at_s <= BOOKED_S
        right = {
            None: place in (ON_BELT, HELD) or fresh,
            "sorted": place == BIN and fate.bin == account.bin,
            "rejected": place == BIN and fate.bin == account.bin,
            "passed": place in (GOOD_STREAM, ON_BELT),
            "missed": place in (GOOD_STREAM, ON_BELT),
            "dropped": place in (FLOOR, ON_BELT, GOOD_STREAM, BIN),
            "unknown": self._may_be_unknown,
        }
        if right.get(word, False):
            return None
        where = f"{place} {fate.bin}".strip()
        return (
            f"{_name(account)} is {word or 'in flight'} {account.bin}".rstrip() + f", but part {fate.number} is {where}"
        )


def _name(account: Account) -> str:
    return f"account {account.part_id} of run {account.run_id}"
