"""``replug_time``: from the moment the plug is back to the first good reading, after outages of several lengths.

The device's identity is checked in between. The peer is pymodbus' client that reconnects by itself, as it comes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Final

from cell.cli.bench.figures import Figure, Sample
from cell.drivers.bus import Bus
from cell.drivers.bus_thread import BusThread
from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.identity import Identity
from cell.drivers.modbus import Reply
from cell.drivers.serial_port import SerialPort
from sim.bench_drivers.bus import beside
from sim.bench_drivers.clients import OURS
from sim.bench_drivers.lines import BAUD, STATUS, UNIT, Lines
from sim.bench_drivers.table import Setup

OUTAGES_S: Final = (0.1, 0.33, 1.0, 2.2, 5.0, 12.0)
WAIT_S: Final = 30.0
PERIOD_S: Final = 0.02


def back(setup: Setup) -> list[Figure]:
    """The longest of all outages; the spread is over the outages."""
    outages_s = OUTAGES_S[:2] if setup.short else OUTAGES_S
    samples = {OURS: _worst_first(_ours(setup, outages_s))}
    try:
        samples["pymodbus (async)"] = _worst_first(asyncio.run(_pymodbus(setup, outages_s)))
    except ImportError as error:
        setup.leave_out("pymodbus", error)
    worst = {name: Sample((max(sample.values),), sample.n) for name, sample in samples.items()}
    return [_with_spread(entry, samples) for entry in beside("replug_time", "s", worst, more_is_better=False)]


def _worst_first(times_s: list[float]) -> Sample:
    return Sample(tuple(sorted(times_s, reverse=True)), len(times_s))


def _with_spread(entry: Figure, samples: dict[str, Sample]) -> Figure:
    spread = {
        "ours": [float(f"{value:.4g}") for value in (min(samples[OURS].values), max(samples[OURS].values))],
        "peer": entry.spread["peer"],
    }
    if entry.peer in samples:
        values = samples[entry.peer].values
        spread["peer"] = [float(f"{value:.4g}") for value in (min(values), max(values))]
    return Figure(
        name=entry.name,
        ours=entry.ours,
        peer=entry.peer,
        ours_value=entry.ours_value,
        peer_value=entry.peer_value,
        unit=entry.unit,
        ratio=entry.ratio,
        n=entry.n,
        spread=spread,
    )


def _ours(setup: Setup, outages_s: tuple[float, ...]) -> list[float]:
    with Lines() as lines:
        path = lines.paths[0]
        bus = Bus(path, lambda: SerialPort(path, BAUD), time.monotonic, BAUD)
        status = Request(UNIT, READ_INPUT, STATUS, 3, twin=True)
        bus.identify(Identity(status, lambda values: None if not values[0] & 0xFF else "not a gripper"))
        good = threading.Event()
        stamps = [0.0]

        def told(reply: Reply) -> None:
            if reply.ok:
                stamps[0] = reply.stamp_s
                good.set()

        bus.every(PERIOD_S, status, told)
        thread = BusThread(bus)
        thread.start()
        times_s = []
        try:
            for outage_s in outages_s:
                setup.tell(f"replug_time: {OURS}, an outage of {outage_s:g} s")
                good.wait(WAIT_S)
                lines.say("unplug")
                time.sleep(outage_s)
                good.clear()
                plugged_s = float(lines.say("plug"))
                if not good.wait(WAIT_S):
                    raise RuntimeError("the device is not back")
                times_s.append(stamps[0] - plugged_s)
        finally:
            thread.stop()
        return times_s


async def _pymodbus(setup: Setup, outages_s: tuple[float, ...]) -> list[float]:
    import logging  # noqa: PLC0415

    from pymodbus.client import AsyncModbusSerialClient  # noqa: PLC0415

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    with Lines() as lines:
        client: Any = AsyncModbusSerialClient(lines.paths[0], baudrate=BAUD, timeout=0.1, retries=0)
        await client.connect()
        times_s = []
        try:
            for outage_s in outages_s:
                setup.tell(f"replug_time: pymodbus, an outage of {outage_s:g} s")
                await _first_good(client)
                lines.say("unplug")
                await asyncio.sleep(outage_s)
                plugged_s = float(lines.say("plug"))
                times_s.append(await _first_good(client) - plugged_s)
        finally:
            client.close()
        return times_s


async def _first_good(client: Any) -> float:
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        if client.connected:
            try:
                reply = await client.read_input_registers(STATUS, count=3, device_id=UNIT)
                if not reply.isError():
                    return time.monotonic()
            except Exception:  # whatever it raises, it is not back
                await asyncio.sleep(PERIOD_S)
        await asyncio.sleep(PERIOD_S)
    return until_s
