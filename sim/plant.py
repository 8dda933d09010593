"""The physical side of each device, as its emulator sees it: what the wire moves and what the wire can read.

``sim.world`` implements these; ``sim.emulators`` uses nothing else of the world. SI units, seconds of simulated time.
"""

from __future__ import annotations

from typing import Protocol


class GripperPlant(Protocol):
    """Two fingers. ``contact``: "none", "closing" (stopped on a part while closing), "opening"."""

    @property
    def width_m(self) -> float: ...

    @property
    def moving(self) -> bool: ...

    @property
    def contact(self) -> str: ...

    @property
    def current_a(self) -> float: ...

    def command(self, width_m: float, speed_mps: float, force_n: float) -> None: ...

    def halt(self) -> None: ...


class CupPlant(Protocol):
    """A suction cup with its pump and valve (``closed``, ``vents``, ``blows``). Pressures are absolute, Pa."""

    @property
    def pressure_pa(self) -> float: ...

    def pump(self, on: bool) -> None: ...

    def valve(self, state: str) -> None: ...

    def time_at(self, pressure_pa: float) -> float: ...


class SuctionPlant(Protocol):
    """What a suction gripper stands before; ``advance`` as in ``Plant``."""

    @property
    def cup(self) -> CupPlant: ...

    def advance(self, now_s: float) -> None: ...


class BeltPlant(Protocol):
    """The belt behind its drive: the drive does the ramp, the belt follows its speed at once."""

    @property
    def speed_mps(self) -> float: ...

    def drive(self, speed_mps: float) -> None: ...


class CabinetPlant(Protocol):
    """What is wired to the I/O block. Contacts are True when in order; counts are the belt encoder's, unwrapped.

    ``lamps``: of the stack light, b0 red, b1 amber, b2 green, b3 blue, b4 buzzer.
    """

    @property
    def estop_ok(self) -> bool: ...

    @property
    def curtain_ok(self) -> bool: ...

    @property
    def encoder_m(self) -> float: ...

    @property
    def strobe_m(self) -> float: ...

    @property
    def strobe_count(self) -> int: ...

    @property
    def part_present(self) -> bool: ...

    @property
    def lamps(self) -> int: ...

    def light(self, lamps: int) -> None: ...


class Plant(Protocol):
    """All of it; ``advance`` brings the world to a time before something is read or commanded."""

    @property
    def gripper(self) -> GripperPlant: ...

    @property
    def belt(self) -> BeltPlant: ...

    @property
    def cabinet(self) -> CabinetPlant: ...

    def advance(self, now_s: float) -> None: ...
