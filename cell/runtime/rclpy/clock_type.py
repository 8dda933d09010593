"""The kinds of clocks."""

from enum import IntEnum

__all__ = ["ClockType"]


class ClockType(IntEnum):
    """ROS time follows /clock where `use_sim_time` is set, and the system clock elsewhere."""

    UNINITIALIZED = 0
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3
