"""The physical world of the simulated cell: seeded, without I/O, NumPy alone."""

from sim.world.arm import DeltaArm, Tool, TrajectoryRefused
from sim.world.parts import PlacedPart
from sim.world.world import Shot, World

__all__ = ["DeltaArm", "PlacedPart", "Shot", "Tool", "TrajectoryRefused", "World"]
