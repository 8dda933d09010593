"""Eastron's SDM120 and SDM630 energy meters as their Modbus port shows them.

Source: Eastron, "SDM120 Modbus Protocol" and "SDM630 Modbus Protocol": input registers of two words each, a request
has to begin at an even address and ask for whole values, at most 40 of them; what is not assigned reads 0.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Protocol

from sim.emulators.slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusException

MOST_VALUES = 40
LAST = 0x0180
RENEWED_S = 0.5


class Load(Protocol):
    """What the meter stands before: active power in W, positive while it is drawn."""

    @property
    def power_w(self) -> float: ...


class EastronSdm120Device:
    """A ``RegisterDevice``; put it behind ``RtuSlave(1, ...)``. It renews its values twice a second.

    Args:
        load: what it measures.
        advance: brings the world to a time before it is measured.
        voltage_v, power_factor: of the supply.
        energy_kwh: what its counter shows at the start; it outlives a loss of power.
    """

    functions = frozenset((3, 4, 16))

    def __init__(
        self,
        load: Load,
        advance: Callable[[float], None],
        *,
        voltage_v: float = 230.0,
        power_factor: float = 0.9,
        energy_kwh: float = 0.0,
    ) -> None:
        self.energy_kwh = energy_kwh
        self.voltage_v = voltage_v
        self.power_factor = power_factor
        self._load = load
        self._advance = advance
        self._measured_s: float | None = None
        self._power_w = 0.0

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """Input registers by function 4; one holding register, the address, by function 3."""
        if function == 3:
            raise ModbusException(ILLEGAL_ADDRESS)
        if address % 2 or count % 2 or count > 2 * MOST_VALUES:
            raise ModbusException(ILLEGAL_VALUE)
        if address + count > LAST:
            raise ModbusException(ILLEGAL_ADDRESS)
        self._measure(now)
        values = self.values()
        words: list[int] = []
        for place in range(address, address + count, 2):
            words += struct.unpack(">HH", struct.pack(">f", values.get(place, 0.0)))
        return words

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Its settings are written at its button only."""
        raise ModbusException(ILLEGAL_ADDRESS)

    def tick(self, now: float) -> float | None:
        """Count the energy."""
        self._measure(now)
        return None if self._measured_s is None else self._measured_s + RENEWED_S

    def power_off(self, now: float) -> None:
        """Nothing is counted from here on."""
        self._measure(now, at_once=True)

    def power_on(self, now: float) -> None:
        """It counts on."""
        self._measured_s = now

    def values(self) -> dict[int, float]:
        """What each input register shows."""
        current_a = self._current_a()
        return {
            0x0000: self.voltage_v,
            0x0006: current_a,
            0x000C: self._power_w,
            0x0012: self.voltage_v * current_a,
            0x001E: self.power_factor,
            0x0046: 50.0,
            0x0048: self.energy_kwh,
            0x0156: self.energy_kwh,
        }

    def _current_a(self) -> float:
        return abs(self._power_w) / (self.voltage_v * self.power_factor) if self.voltage_v else 0.0

    def _measure(self, now: float, *, at_once: bool = False) -> None:
        if self._measured_s is None:
            self._measured_s = now
        passed_s = now - self._measured_s
        if passed_s < RENEWED_S - 1e-9 and not at_once:
            return
        self._advance(now)
        self._power_w = self._load.power_w
        self.energy_kwh += max(self._power_w, 0.0) * passed_s / 3.6e6
        self._measured_s = now


class EastronSdm630Device(EastronSdm120Device):
    """Three phases that carry the load in equal parts."""

    def values(self) -> dict[int, float]:
        """Phase by phase, then means, sums and totals."""
        phase_a = self._current_a() / 3
        shown = {0x0046: 50.0, 0x0048: self.energy_kwh, 0x0156: self.energy_kwh}
        for phase in range(3):
            shown |= {2 * phase: self.voltage_v, 6 + 2 * phase: phase_a, 12 + 2 * phase: self._power_w / 3}
        return shown | {0x002A: self.voltage_v, 0x002E: phase_a, 0x0030: 3 * phase_a, 0x0034: self._power_w}
