"""The cell's Modbus I/O block: safety contacts, the belt encoder's counter and its value at the camera's
strobe, a part sensor, and the lamps of a stack light.

The device is ours to define; its map is in ``docs/drivers.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.emulators.slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusException
from sim.plant import Plant

LENGTH = 11
IDENTITY = 0xCE11
MAP_VERSION = 2
OUTPUTS = 8
LAMPS = 0x1F


class ModbusIoDevice:
    """A ``RegisterDevice``; put it behind ``RtuSlave(2, ...)``.

    Args:
        plant: the world.
        counts_per_m: of the encoder.
        first_count: what the 32-bit counter shows at travel 0.
    """

    functions = frozenset((3, 4, 6, 16))

    def __init__(self, plant: Plant, *, counts_per_m: float = 10_000.0, first_count: int = 0) -> None:
        self._plant = plant
        self._counts_per_m = counts_per_m
        self._first_count = first_count

    def preset(self, travel_m: float) -> None:
        """Let the counter turn over when the belt has travelled so far; before anybody reads it."""
        self._first_count = -round(travel_m * self._counts_per_m) & 0xFFFFFFFF

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """All registers of one request show the same instant."""
        if address + count > LENGTH:
            raise ModbusException(ILLEGAL_ADDRESS)
        self._plant.advance(now)
        cabinet = self._plant.cabinet
        counter, latched = self._count(cabinet.encoder_m), self._count(cabinet.strobe_m)
        registers = (
            int(cabinet.estop_ok) | int(cabinet.curtain_ok) << 1 | int(cabinet.part_present) << 2,
            counter >> 16,
            counter & 0xFFFF,
            latched >> 16,
            latched & 0xFFFF,
            cabinet.strobe_count & 0xFFFF,
            IDENTITY,
            MAP_VERSION,
            cabinet.lamps,
            0,
            0,
        )
        return registers[address : address + count]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """The outputs; inputs cannot be written."""
        if address != OUTPUTS or len(values) != 1:
            raise ModbusException(ILLEGAL_ADDRESS)
        if values[0] & ~LAMPS:
            raise ModbusException(ILLEGAL_VALUE)
        self._plant.cabinet.light(values[0])

    def power_off(self, now: float) -> None:
        """Its outputs go off; the counter stands on a battery."""
        self._plant.cabinet.light(0)

    def tick(self, now: float) -> float | None:
        """It does nothing unasked."""
        return None

    def _count(self, travel_m: float) -> int:
        return (self._first_count + round(travel_m * self._counts_per_m)) & 0xFFFFFFFF
