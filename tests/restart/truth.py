"""The ledger against the simulator's referee: each physical part has one account, and it says where the part lies."""

from __future__ import annotations

import math
from typing import Any

ACCOUNTS = (
    "SELECT part.run_id, part.part_id, belt_x_m, y_m, fate, bin FROM part"
    " LEFT JOIN sighting USING (run_id, part_id) LEFT JOIN fate USING (run_id, part_id)"
    " ORDER BY part.run_id, part.part_id"
)
NEAR_M = 0.045


def findings(accounts: list[Any], parts: list[dict[str, Any]], near_m: float) -> list[str]:
    """What ledger and referee do not agree on, once the belt is empty.

    Args:
        accounts: run, part, x and y on the belt (m), fate, bin.
        parts: the referee's fates.
        near_m: the middle of a part of which the camera saw a piece is this near to the part's own.
    """
    wrong: list[str] = []
    owners: dict[int, list[str]] = {part["number"]: [] for part in parts}
    for run_id, part_id, x_m, y_m, fate, bin_name in accounts:
        name = f"part {part_id} of run {run_id} at {x_m:.3f}"
        off_m, number = min((math.hypot(p["belt_x_m"] - x_m, p["y_m"] - y_m), p["number"]) for p in parts)
        if off_m > near_m:
            wrong.append(f"{name} never was: the nearest part, {number}, lay {off_m:.3f} m away")
            continue
        owners[number].append(name)
        place = (parts[number]["place"], parts[number]["bin"])
        expected = {
            "sorted": [("bin", bin_name)],
            "rejected": [("bin", bin_name)],
            "passed": [("good_stream", "")],
            "missed": [("good_stream", "")],
            "dropped": [("floor", ""), ("good_stream", "")],
        }
        if fate is None:
            wrong.append(f"{name} has no fate")
        elif fate != "unknown" and place not in expected[fate]:
            wrong.append(f"{name} is {fate} {bin_name}, but lies in {' '.join(place)}")
    for number, names in owners.items():
        part = parts[number]
        if not names:
            wrong.append(f"physical part {number} at {part['belt_x_m']:.3f} was lost: it has no account")
        elif len(names) > 1:
            wrong.append(f"physical part {number} was counted {len(names)} times: {', '.join(names)}")
    return wrong
