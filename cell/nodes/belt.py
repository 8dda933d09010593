"""The belt on /conveyor/state: joint ``belt`` (travel in m, speed in m/s) and, where the encoder is latched by the
camera's strobe, joint ``strobe`` (travel at the newest strobe)."""

from __future__ import annotations

from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.nodes.node import seconds
from cell.odometry import Sample


def message(header: Header, travel_m: float, speed_mps: float, strobe_m: float | None) -> JointState:
    """One state of the belt."""
    latched = [] if strobe_m is None else [strobe_m]
    return JointState(
        header=header,
        name=["belt", "strobe"][: 1 + len(latched)],
        position=[travel_m, *latched],
        velocity=[speed_mps, *(0.0 for _ in latched)],
    )


def sample(state: JointState) -> Sample:
    """The state as a sample for the odometry."""
    strobe_m = float(state.position[1]) if len(state.position) > 1 else None
    return Sample(
        stamp_s=seconds(state.header.stamp),
        travel_m=float(state.position[0]),
        speed_mps=float(state.velocity[0]),
        strobe_m=strobe_m,
    )
