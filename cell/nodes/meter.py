"""The energy meter: what the cell takes from the mains, on /diagnostics, where the ledger and the page find it."""

from __future__ import annotations

from typing import Any, Final, cast

from diagnostic_msgs.msg import DiagnosticStatus
from pydantic import Field

from cell.drivers.interfaces import Meter
from cell.drivers.registry import process_devices
from cell.nodes.node import ERROR, OK, CellNode, status
from cell.parameters import Device, NodeParameters

NAME: Final = "meter"
"""Of the line on /diagnostics."""

ENERGY: Final = "energy_j"
"""The key of the counter among its values: J since the meter was made."""


class MeterParameters(NodeParameters):
    """The energy meter."""

    device: Device = Field(description="an energy meter before the whole cell")


PARAMETERS = MeterParameters


class MeterNode(CellNode):
    """Reads a meter and reports power (W) and its counter (J) with its heartbeat. Nothing moves by it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(NAME, **kwargs)
        devices = process_devices()
        self._bus_clock = devices.clock
        self._meter = cast(Meter, devices.open(self.device_spec("device", NAME)))

    def health(self) -> list[DiagnosticStatus]:
        """One line; a meter that does not answer is a fault of its own, and the values are the last ones known."""
        reading = self._meter.measured
        if reading is None:
            return [status(NAME, ERROR, self._meter.error or "not read yet")]
        measured = reading.value
        values: dict[str, object] = {
            "power_w": round(measured.power_w, 1),
            ENERGY: measured.energy_j,
            "voltage_v": round(measured.voltage_v, 1),
            "current_a": round(measured.current_a, 3),
            "age_s": round(self._bus_clock() - reading.stamp_s, 3),
        }
        if not reading.good:
            return [status(NAME, ERROR, self._meter.error or "silent", values)]
        return [status(NAME, OK, f"{measured.power_w:.0f} W", values)]


def counter_j(line: DiagnosticStatus) -> float | None:
    """The meter's counter in its line; None where it is another's, or the meter is silent."""
    if line.name != NAME or line.level != OK:
        return None
    found = next((pair.value for pair in line.values if pair.key == ENERGY), "")
    try:
        return float(found)
    except ValueError:
        return None
