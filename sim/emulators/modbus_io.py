"""The cell's Modbus I/O block: safety contacts, the belt encoder's counter, and its value at the camera's strobe.

The device is ours to define; its map is in ``docs/drivers.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.emulators.slave import ILLEGAL_ADDRESS, ModbusException
from sim.plant import Plant

LENGTH = 8
IDENTITY = 0xCE11
MAP_VERSION = 1


class ModbusIoDevice:
    """A ``RegisterDevice``; put it behind ``RtuSlave(2, ...)``.

    Args:
        plant: the world.
        counts_per_m: of the encoder.
        first_count: what the 32-bit counter shows at travel 0.
    """

    functions = frozenset((3, 4))

    def __init__(self, plant: Plant, *, counts_per_m: float = 10_000.0, first_count: int = 0) -> None:
        self._plant = plant
        self._counts_per_m = counts_per_m
        self._first_count = first_count

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """All registers of one request show the same instant."""
        if address + count > LENGTH:
            raise ModbusException(ILLEGAL_ADDRESS)
        self._plant.advance(now)
        cabinet = self._plant.cabinet
        counter, latched = self._count(cabinet.encoder_m), self._count(cabinet.strobe_m)
        registers = (
            int(cabinet.estop_ok) | int(cabinet.curtain_ok) << 1,
            counter >> 16,
            counter & 0xFFFF,
            latched >> 16,
            latched & 0xFFFF,
            cabinet.strobe_count & 0xFFFF,
            IDENTITY,
            MAP_VERSION,
        )
        return registers[address : address + count]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Inputs cannot be written."""
        raise ModbusException(ILLEGAL_ADDRESS)

    def tick(self, now: float) -> float | None:
        """It does nothing unasked."""
        return None

    def _count(self, travel_m: float) -> int:
        return (self._first_count + round(travel_m * self._counts_per_m)) & 0xFFFFFFFF
