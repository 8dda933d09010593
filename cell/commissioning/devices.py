"""The check of the devices: each is there, is the one that the config says, and stops by itself when it has to.

Registers are read, nothing is written: no driver is started, because a driver sets its device up. A port that a cell
uses is left alone.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from cell.commissioning.findings import Patient, fault, note
from cell.commissioning.occupancy import holders
from cell.commissioning.settings import DeviceConfig
from cell.drivers import catalogue
from cell.drivers.guide import Check, Grade, Judgement
from cell.drivers.modbus import Failure, Reply
from cell.drivers.probing import ask, probe
from cell.drivers.registry import Devices
from cell.drivers.spec import DeviceSpec
from cell.plugins import is_simulated
from cell.simfolder import SimFolder
from perception.errors import InputError

MODBUS = ("Modbus RTU", "Modbus TCP")
LINES = "serial lines"
LOOK_S = 0.7
"""How long a device without registers is listened to."""


def devices(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """Every device of the config, once."""
    if not patient.devices:
        yield "devices", note("the config names none")
        return
    seen: set[tuple[str, int]] = set()
    buses = Devices(time.monotonic, threaded=False)
    try:
        for device in patient.devices:
            place = (os.path.realpath(device.spec.port), device.spec.unit)
            if place in seen:
                continue
            seen.add(place)
            yield from _device(patient, device, buses)
    finally:
        buses.close()


def _device(patient: Patient, device: DeviceConfig, buses: Devices) -> Iterator[tuple[str, Judgement]]:
    spec = device.spec
    name = f"{device.name} ({spec.model}, {spec.port}, unit {spec.unit})"
    refused = not_to_be_opened(patient, spec)
    if refused is not None:
        yield name, refused
        return
    try:
        link = catalogue.model(spec.model).link
        if link not in MODBUS:
            yield name, _looked_at(spec, link)
            return
        checks = catalogue.model(spec.model).guide.checks(spec)
        bus = buses.bus(spec)
    except InputError as error:
        yield name, _cannot_open(spec, error)
        return
    if not checks:
        yield name, note("the port opens; its driver has no question that changes nothing", "try it with cell run")
        return
    silent = False
    for check in checks:
        if silent:
            break
        reply = ask(bus, check.request)
        judgement = judge(check, reply, spec)
        silent = reply is None or reply.failure not in (None, Failure.EXCEPTION)
        yield f"{name}: {check.name}" if not silent else name, judgement


def _looked_at(spec: DeviceSpec, link: str) -> Judgement:
    """A device that has no registers: its driver listens for a moment, if it can without doing anything."""
    if link != LINES:
        return note("reached through its maker's library: not asked", "see its state in a running cell")
    found = probe(spec, LOOK_S)
    if found.connected and found.error is None:
        return Judgement(Grade.OK, "answers as the model does")
    words = found.error or "does not answer"
    return fault(words, f"power, the cable, {spec.baudrate} baud at the device itself")


def judge(check: Check, reply: Reply | None, spec: DeviceSpec) -> Judgement:
    """What an answer means."""
    if reply is not None and reply.ok:
        return check.judge(reply.values)
    if reply is not None and reply.failure is Failure.EXCEPTION:
        return check.refused
    reason = "no reply" if reply is None else reply.reason
    return fault(
        f"does not answer: {reason}",
        f"power, D+ and D- the right way round, unit {spec.unit}, {spec.baudrate} baud at the device itself",
    )


def not_to_be_opened(patient: Patient, spec: DeviceSpec) -> Judgement | None:
    """Why the port of a device has to be left alone; None: it may be opened."""
    occupant = patient.occupant
    if occupant is not None:
        return note(f"in use by {occupant.command} (process {occupant.pid}): not asked", "see freshness for its state")
    if is_simulated(spec.port):
        folder = SimFolder(patient.state)
        if not folder.path.is_dir() or not folder.alive:
            return note(
                "simulated, and no simulator runs",
                f"cell run starts it; to look at it: cell sim --state {patient.state}",
            )
        port = str(folder.ports / spec.port.partition(":")[2])
    elif spec.port.startswith("/"):
        port = spec.port
        if not Path(port).exists():
            return fault("the port is not there", "plug the adapter in; ls /dev/serial/by-id shows what is there")
    else:
        return None
    others = [(pid, words) for pid, words in holders(port) if not words.startswith("cell sim")]
    if others:
        pid, words = others[0]
        return note(f"in use by {words} (process {pid}): not asked", "end it to have the device looked at")
    return None


def _cannot_open(spec: DeviceSpec, error: InputError) -> Judgement:
    cause = error.__cause__
    number = getattr(cause, "errno", None)
    text = f"{error.message} {cause}"
    if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in text:
        return note("in use by another process: not asked", "end it to have the device looked at")
    if number == errno.EACCES:
        return fault("may not be opened by this user", "see the check serial")
    return fault(error.message, "cell config check says more")
