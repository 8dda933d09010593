"""A suction gripper on the gripper's topics: /gripper/command and /gripper/state as of a parallel gripper.

Joint ``suction`` is 0 while the device is to hold and 1 while it lets go, as fingers are 0 when closed. A goal whose
position is below one half holds, any other lets go; its effort is the vacuum to reach, Pa below the open air (none or
0: the node's own setting). The device's word follows as joints whose position is 0 or 1: ``moving`` (it regulates),
``object`` (the vacuum is deep enough), ``at_request`` (it gave the grip up, lost the part, or is back at the open air),
``ready``; then ``requested`` (what it was last told and has taken, 0 or 1) and ``pressure`` (absolute, Pa).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from control_msgs.action import ParallelGripperCommand
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.drivers.interfaces import Reading, Vacuum, VacuumStatus
from cell.nodes.node import seconds
from cell.pick_types import GripperView, SuctionRequest

NAMES: Final = ("suction", "moving", "object", "at_request", "ready", "requested", "pressure")
OPEN_AIR_PA: Final = 101_325.0
FREE_PA: Final = 94_000.0
"""From this absolute pressure on a cup has let go."""


@dataclass(frozen=True, slots=True)
class SuctionSettings:
    """What a goal does not say: the vacuum that counts as a hold (absolute), how much deeper the pump draws before it
    rests, and how long it tries."""

    hold_pressure_pa: float = 60_000.0
    deeper_pa: float = 20_000.0
    timeout_s: float = 0.6


class SuctionHand:
    """A ``Vacuum`` behind what the gripper's node asks of a hand."""

    def __init__(self, device: Vacuum, settings: SuctionSettings) -> None:
        self._device = device
        self._settings = settings

    @property
    def reading(self) -> Reading[VacuumStatus] | None:
        """The newest status."""
        return self._device.status

    @property
    def activated(self) -> bool:
        """It takes commands."""
        reading = self._device.status
        return reading is not None and reading.good and reading.value.activated

    def obey(self, position: float, speed: float | None, effort: float | None) -> str:
        """Hold or let go; returns what was commanded, in words."""
        if position >= 0.5:
            self._device.release()
            return "lets go"
        hold_pa = OPEN_AIR_PA - effort if effort else self._settings.hold_pressure_pa
        sent = self._device.grip(
            hold_pressure_pa=hold_pa,
            stop_pressure_pa=max(hold_pa - self._settings.deeper_pa, 0.0),
            timeout_s=self._settings.timeout_s,
        )
        return f"holds at {sent.hold_pressure_pa / 1e3:.0f} kPa"

    def settled(self, reading: Reading[Any]) -> bool:
        """The newest command has come to its end."""
        return not _moving(reading.value)

    def result(self, reading: Reading[Any], header: Header) -> ParallelGripperCommand.Result:
        """``stalled``: a part is held. ``reached_goal``: it has let go."""
        value: VacuumStatus = reading.value
        return ParallelGripperCommand.Result(
            state=self.state(reading, header),
            stalled=value.object_detected,
            reached_goal=not value.gripping and value.pressure_pa >= FREE_PA,
        )

    def state(self, reading: Reading[Any], header: Header) -> JointState:
        """The status as a message."""
        value: VacuumStatus = reading.value
        told = 0.0 if value.gripping else 1.0
        ended = value.no_object if value.gripping else value.pressure_pa >= FREE_PA
        return JointState(
            header=header,
            name=list(NAMES),
            position=[
                told,
                float(_moving(value)),
                float(value.object_detected),
                float(ended),
                float(value.activated),
                told,
                value.pressure_pa,
            ],
        )

    def figures(self, reading: Reading[Any]) -> dict[str, object]:
        """For the health line."""
        return {"pressure_pa": round(reading.value.pressure_pa)}


def _moving(value: VacuumStatus) -> bool:
    # A valve stays open for a while after the part is off; nobody has to wait for that.
    return value.regulating if value.gripping else value.regulating and value.pressure_pa < FREE_PA


def view(state: JointState) -> GripperView:
    """The status as the pick sequence reads it."""
    found = dict(zip(state.name, state.position, strict=True))
    return GripperView(
        width_m=float(found["suction"]),
        moving=found["moving"] > 0.5,
        object_detected=found["object"] > 0.5,
        at_request=found["at_request"] > 0.5,
        stamp_s=seconds(state.header.stamp),
        requested_width_m=float(found["requested"]),
        pressure_pa=float(found["pressure"]),
    )


def goal(request: SuctionRequest) -> ParallelGripperCommand.Goal:
    """What the picker asks for, as a goal."""
    message = ParallelGripperCommand.Goal()
    message.command.name = ["suction"]
    message.command.position = [request.width_m]
    if request.hold:
        message.command.effort = [OPEN_AIR_PA - request.hold_pressure_pa]
    return message
