"""`docs/drivers.md` says of every installed driver what the driver says of itself."""

from __future__ import annotations

import re

from markdown_pages import ROOT, Page

from cell.drivers.catalogue import models
from cell.drivers.guides import modbus_io
from sim.emulators import modbus_io as emulated

LINE_OPTIONS = ("parity", "stopbits", "reply_timeout_s")
ROLES = {
    "drive": "drive of the belt",
    "safety": "safety inputs",
    "part_sensor": "part sensor",
    "stack_light": "stack light",
}
CLIENTS = ("pymodbus", "minimalmodbus", "mbpoll", "pyrobotiqgripper", "pyserial", "ur-rtde")


def names(rows: list[list[str]]) -> list[str]:
    return sorted(row[0].strip("`") for row in rows)


def test_every_driver_is_described_when_it_is_installed(page: dict[str, Page]) -> None:
    ours = sorted(name for name, model in models().items() if model.guided)
    drivers = page["drivers.md"]
    assert names(drivers.table("model", "device")) == ours
    assert names(drivers.table("model", "1 anchored")) == ours
    assert names(drivers.table("model", "options and defaults")) == ours


def test_options_and_defaults_are_the_drivers_own_when_described(page: dict[str, Page]) -> None:
    for row in page["drivers.md"].table("model", "options and defaults"):
        model = models()[row[0].strip("`")]
        said = dict(re.findall(r"`(\w+)` (-?[\w.]+)", row[1]))
        asked = {option.name: option.default for option in model.options if option.name not in LINE_OPTIONS}
        assert set(said) == set(asked), model.name
        for option, default in asked.items():
            words = str(default).lower() if isinstance(default, bool) else f"{default:g}"
            assert said[option] == words, f"{model.name}.{option}"


def test_roles_unit_and_baud_rate_are_the_drivers_own_when_described(page: dict[str, Page]) -> None:
    for row in page["drivers.md"].table("model", "device"):
        model = models()[row[0].strip("`")]
        assert row[2] == ", ".join(ROLES.get(role, role) for role in model.roles)
        assert row[3] == f"{model.guide.unit}, {model.guide.baudrate}"


def test_map_of_the_io_block_is_its_own_when_described(page: dict[str, Page]) -> None:
    rows = page["drivers.md"].table("register", "")
    identity = f"0x{modbus_io.IDENTITY:04X}"
    assert ["6, 7", f"identity {identity}, version of this map ({modbus_io.MAP_VERSION})"] in rows
    assert rows[-1][0] == str(emulated.OUTPUTS)
    assert (emulated.IDENTITY, emulated.MAP_VERSION) == (modbus_io.IDENTITY, modbus_io.MAP_VERSION)


def test_golden_frames_stand_in_the_tests_when_a_driver_is_called_anchored(page: dict[str, Page]) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests" / "wire").glob("*.py"))
    written = re.sub(r"[\s\"]", "", sources).upper()
    frames = [
        frame
        for row in page["drivers.md"].table("model", "1 anchored")
        for frame in re.findall(r"`((?:[0-9A-F]{2,4} ?)+)`", row[1])
    ]
    assert len(frames) >= 6
    for frame in frames:
        # The checksum is the last word; a test may leave it to the code that appends it.
        assert frame.replace(" ", "")[:-4] in written, frame


def test_client_is_in_the_tests_when_a_device_is_said_to_be_asked_by_it(page: dict[str, Page]) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests" / "wire").glob("*.py"))
    for row in page["drivers.md"].table("model", "1 anchored"):
        clients = [word for word in CLIENTS if word in row[2]]
        assert clients, row[0]
        assert all(client in sources for client in clients), row
        assert row[3] == "**never**", "a driver that has met its device: say where and when in this page"
