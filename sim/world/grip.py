"""When fingers or a cup hold a part, and how it lies in the hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.scenario import CupSetup, GripSetup
from sim.world.arm import Tool
from sim.world.parts import PlacedPart

#: Half the width of a finger's pad (2F-85: 22 mm), m: nearer than this beside a part and the finger touches it.
_HALF_PAD_M = 0.011
#: A part that a finger touches without holding it moves this share of the way to between the fingers.
_PUSH_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class HeldPart:
    """A part between the fingers, or under the cup.

    Attributes:
        part: as it lay on the belt.
        slide_m: of its centre from the tool point along the pads, across the closing direction.
        turn_rad: of its face's x axis from the closing direction.
        width_m: across which it is held; a cup knows none, 0.
        across_m: of its centre from the tool point along the closing direction; fingers centre it.
    """

    part: PlacedPart
    slide_m: float
    turn_rad: float
    width_m: float
    across_m: float = 0.0

    def placed(self, tool: Tool, travel_m: float) -> PlacedPart:
        """The part where the tool lets it go, in belt coordinates."""
        cos, sin = math.cos(tool.yaw_rad), math.sin(tool.yaw_rad)
        x = tool.x_m + self.across_m * cos - self.slide_m * sin
        y = tool.y_m + self.across_m * sin + self.slide_m * cos
        return PlacedPart(self.part.number, self.part.face, x - travel_m, y, tool.yaw_rad + self.turn_rad)


def spans(part: PlacedPart) -> tuple[tuple[float, float], ...]:
    """(width, direction) of the pairs of sides that fingers can close on; the direction is turned with the part."""
    if part.face.round:
        return ((part.face.length_m, part.yaw_rad),)
    return ((part.face.length_m, part.yaw_rad), (part.face.width_m, part.yaw_rad + math.pi / 2.0))


def meet(
    setup: GripSetup, part: PlacedPart, x_m: float, span: tuple[float, float], *, tool: Tool, opened_m: float
) -> HeldPart | PlacedPart | None:
    """What happens when the fingers have closed to a span of a part that lies at ``x_m`` in the cell frame.

    Returns:
        The part held; the part pushed aside; None if the fingers do not meet it.
    """
    if tool.z_m > setup.part_height_m:
        return None
    width, direction = span
    cos, sin = math.cos(tool.yaw_rad), math.sin(tool.yaw_rad)
    dx, dy = x_m - tool.x_m, part.y_m - tool.y_m
    across, along = dx * cos + dy * sin, -dx * sin + dy * cos
    skew = 0.0 if part.face.round else math.remainder(direction - tool.yaw_rad, math.pi)
    room = (opened_m - width) / 2.0 + setup.compliance_m
    if abs(skew) <= setup.yaw_rad and abs(across) <= min(setup.position_m, room) and abs(along) <= setup.position_m:
        turn = part.yaw_rad - tool.yaw_rad - skew  # the fingers' flats turn the part flush
        return HeldPart(part, along, turn, width)
    if abs(skew) > math.pi / 4.0:
        return None  # the other pair of sides is the one the fingers come to
    other = max(side for side, _ in spans(part))
    if abs(across) >= (width + opened_m) / 2.0 or abs(along) >= other / 2.0 + _HALF_PAD_M:
        return None
    push = -across * _PUSH_SHARE
    return PlacedPart(
        part.number,
        part.face,
        part.belt_x_m + push * cos,
        part.y_m + push * sin,
        part.yaw_rad - skew * _PUSH_SHARE,
    )


def seal(setup: CupSetup, part: PlacedPart, x_m: float, *, tool: Tool, top_m: float) -> HeldPart | None:
    """The part that a cup closes on, which lies at ``x_m`` in the cell frame and is ``top_m`` high; None where the cup
    is above it, or its lip hangs over an edge."""
    if tool.z_m > top_m + setup.press_m:
        return None
    dx, dy = tool.x_m - x_m, tool.y_m - part.y_m
    if part.face.round:
        fits = math.hypot(dx, dy) + setup.radius_m <= part.face.length_m / 2.0
    else:
        cos, sin = math.cos(part.yaw_rad), math.sin(part.yaw_rad)
        along, aside = abs(dx * cos + dy * sin), abs(-dx * sin + dy * cos)
        fits = along + setup.radius_m <= part.face.length_m / 2.0 and aside + setup.radius_m <= part.face.width_m / 2.0
    if not fits:
        return None
    cos, sin = math.cos(tool.yaw_rad), math.sin(tool.yaw_rad)
    return HeldPart(part, dx * sin - dy * cos, part.yaw_rad - tool.yaw_rad, 0.0, across_m=-(dx * cos + dy * sin))
