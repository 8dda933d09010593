"""Eastron SDM120, SDM230 (one phase) and SDM630 (three phases) energy meters over Modbus RTU.

Input registers (function 4), each value an IEEE 754 float in two registers, high word first; addresses on the wire [V:
Eastron "SDM120 Modbus Protocol" and "SDM630 Modbus Protocol", tables of input registers; three public drivers].
One phase: 0x0000 voltage V, 0x0006 current A, 0x000C active power W. Three phases: 0x002A mean voltage to neutral V,
0x0030 sum of the currents A, 0x0034 total power W. Both: 0x0156 total active energy kWh. Energy lies too far behind the
rest for one frame, and is read beside it. What is no finite number, or a voltage that no mains has, is no meter's.
Unverified on hardware.

Options: ``period_s`` 0.5 (a meter renews its values about once a second), ``register_energy`` 342 (0x0156; 72, 0x0048,
counts what was drawn without what flowed back). A meter takes up to 0.2 s for an answer [R]: ``reply_timeout_s`` 0.3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import ClassVar

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.guides import eastron_sdm as guide
from cell.drivers.identity import Identity
from cell.drivers.interfaces import MeterStatus, Reading
from cell.drivers.modbus import Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

JOULE_PER_KWH = 3.6e6
# Mains of the world to neutral; a phase that is off shows 0.
MOST_V = 520.0


class EastronSdm120:
    """A ``Meter`` for one phase."""

    GUIDE = guide.GUIDE_SDM120
    LINE: ClassVar[Mapping[str, object]] = {"reply_timeout_s": 0.3}
    BAUDRATES: ClassVar[tuple[int, ...]] = (1200, 2400, 4800, 9600)
    VOLTAGE: ClassVar[int] = 0x0000
    CURRENT: ClassVar[int] = 0x0006
    POWER: ClassVar[int] = 0x000C

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        period_s = options.number("period_s", 0.5, 0.2, 60.0)
        energy = options.whole("register_energy", 0x0156, 0, 0xFFFE)
        options.finish()
        self.name = spec.name
        self._presence = Presence(bus, period_s)
        self._energy_j: float | None = None
        self._reading: tuple[MeterStatus, float] | None = None
        bus.identify(Identity(Request(spec.unit, READ_INPUT, self.VOLTAGE, 2), _stranger))
        count = self.POWER + 2 - self.VOLTAGE
        bus.every(period_s, Request(spec.unit, READ_INPUT, energy, 2), self._on_energy)
        bus.every(period_s, Request(spec.unit, READ_INPUT, self.VOLTAGE, count), self._on_values)

    @property
    def connected(self) -> bool:
        """It answered its last request."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer, or what it answers."""
        return self._presence.error

    @property
    def measured(self) -> Reading[MeterStatus] | None:
        """The newest values; None before energy and power have both been read."""
        if self._reading is None:
            return None
        value, stamp_s = self._reading
        return Reading(value, stamp_s, self._presence.fresh(stamp_s))

    def _on_energy(self, reply: Reply) -> None:
        if reply.ok and math.isfinite(kwh := _float(reply.values, 0)):
            self._energy_j = kwh * JOULE_PER_KWH

    def _on_values(self, reply: Reply) -> None:
        self._presence.heard(reply)
        if not reply.ok:
            return
        values = [_float(reply.values, place - self.VOLTAGE) for place in (self.VOLTAGE, self.CURRENT, self.POWER)]
        voltage_v, current_a, power_w = values
        if stranger := _stranger(reply.values):
            self._presence.doubt(stranger)
        elif not all(map(math.isfinite, values)):
            self._presence.doubt(f"answers with values that are no numbers ({values})")
        elif self._energy_j is not None:
            self._reading = (MeterStatus(power_w, self._energy_j, voltage_v, current_a), reply.stamp_s)


class EastronSdm230(EastronSdm120):
    """The SDM120's bigger brother with the same registers."""

    GUIDE = guide.GUIDE_SDM230
    BAUDRATES: ClassVar[tuple[int, ...]] = (1200, 2400, 4800, 9600)


class EastronSdm630(EastronSdm120):
    """A ``Meter`` for three phases."""

    GUIDE = guide.GUIDE_SDM630
    BAUDRATES: ClassVar[tuple[int, ...]] = (2400, 4800, 9600, 19200, 38400)
    VOLTAGE = 0x002A
    CURRENT = 0x0030
    POWER = 0x0034


def _float(registers: Sequence[int], at: int) -> float:
    value: float = struct.unpack(">f", struct.pack(">HH", *registers[at : at + 2]))[0]
    return value


def _stranger(values: tuple[int, ...]) -> str | None:
    """It has no name in its input registers, but it shows the voltage of a mains."""
    voltage_v = _float(values, 0)
    if 0.0 <= voltage_v <= MOST_V and (voltage_v == 0.0 or voltage_v >= 1.0):
        return None
    return f"no energy meter: where its voltage is to be it shows {voltage_v:g}"
