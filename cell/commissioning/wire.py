"""``cell doctor --capture``: what goes over the wires for a while, of a running cell or of a config's ports."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from cell.commissioning.findings import Patient
from cell.drivers import catalogue
from cell.drivers.bus import Bus
from cell.drivers.capture import LOOK_S, Capture, CaptureRequest, Writer, lines_of, read_capture
from cell.drivers.modbus import Reply
from cell.drivers.registry import Devices
from cell.drivers.spec import DeviceSpec
from perception.errors import InputError

ASK_EVERY_S: Final = 0.1
AFTER_S: Final = 2 * LOOK_S
"""How long the processes of a cell may take to notice that they are to record, or are done."""


def record(patient: Patient, file: Path, seconds: float, tell: Callable[[str], None]) -> str:
    """Record and write the file; returns a line on what is in it. ``tell`` hears what is being done.

    Raises:
        InputError: nothing can be recorded, or the file cannot be written.
    """
    if patient.occupant is not None:
        tell(f"recording the wires of {patient.occupant.command} (process {patient.occupant.pid}) for {seconds:g} s")
        capture = _of_a_running_cell(patient.state, seconds)
        if not capture.ports:
            raise InputError("the cell has no Modbus line of its own process to record", key="--capture")
    else:
        names = ", ".join(dict.fromkeys(device.spec.port for device in patient.devices)) or "nothing"
        tell(f"no cell runs: asking the devices of the config on {names} who they are, for {seconds:g} s")
        capture = _of_own_ports((device.spec for device in patient.devices), seconds, file)
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text("".join(f"{line}\n" for line in lines_of(capture)), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=file, key="--capture") from None
    return summary(capture, file)


def summary(capture: Capture, file: Path) -> str:
    """One line on a capture."""
    kinds = Counter(event.direction for event in capture.events)
    lost = f", {kinds['!']} times a port was lost" if kinds["!"] else ""
    ports = ", ".join(port.name for port in capture.ports)
    return f"{file}: {kinds['>']} frames sent, {kinds['<']} pieces received on {ports}{lost}"


def _of_a_running_cell(state: Path, seconds: float) -> Capture:
    request = CaptureRequest(state)
    until_s = time.monotonic() + LOOK_S + seconds
    request.ask(until_s)
    try:
        while time.monotonic() < until_s + AFTER_S:
            time.sleep(0.1)
    except KeyboardInterrupt:
        request.end()
        time.sleep(AFTER_S)  # what is there by now is worth having
    return request.take()


def _of_own_ports(specs: Iterable[DeviceSpec], seconds: float, file: Path) -> Capture:
    devices = Devices(time.monotonic, threaded=True)
    part = file.with_name(f".{file.name}.wire")
    asked: set[tuple[str, int]] = set()
    try:
        with part.open("w", encoding="utf-8") as out:
            writer = Writer(out)
            buses: list[Bus] = []
            for spec in specs:
                place = (os.path.realpath(spec.port), spec.unit)
                checks = catalogue.model(spec.model).guide.checks(spec)
                if place in asked or not checks:
                    continue
                asked.add(place)
                bus = devices.bus(spec)
                if bus not in buses:
                    buses.append(bus)
                    writer.tap(bus)
                for check in checks:
                    bus.every(ASK_EVERY_S, check.request, _ignore)
            if not buses:
                raise InputError("no device of the config has a question that changes nothing", key="--capture")
            devices.start()
            until_s = time.monotonic() + seconds
            try:
                while time.monotonic() < until_s:
                    time.sleep(min(0.1, max(until_s - time.monotonic(), 0.0)))
            finally:
                for bus in buses:
                    bus.tap(None)
                devices.close()
                writer.close()
        return read_capture(part.read_text(encoding="utf-8"), part)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=file, key="--capture") from None
    finally:
        devices.close()
        part.unlink(missing_ok=True)


def _ignore(reply: Reply) -> None:
    """What comes is on the record."""
