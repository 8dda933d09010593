"""Parts as the tracker hands them on."""

from __future__ import annotations

import dataclasses
from typing import Any

from perception.types import BeltPart, Verdict

PART = BeltPart(
    part_id=1,
    belt_x_m=-0.20,
    y_m=0.03,
    yaw_rad=0.4,
    length_m=0.06,
    width_m=0.04,
    covariance=(1e-7, 0.0, 0.0, 1e-7),
    verdict=Verdict.DEFECTIVE,
    score=0.8,
    defects=("scratch",),
    views=3,
    final=True,
    stamp_s=12.5,
)


def belt_part(part_id: int, verdict: Verdict = Verdict.DEFECTIVE, **values: Any) -> BeltPart:
    return dataclasses.replace(PART, part_id=part_id, verdict=verdict, **values)
