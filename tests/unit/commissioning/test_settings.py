"""``config check`` and ``config schema`` beyond one node: devices, models, nodes against each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cell.cli.main import main
from cell.commissioning.settings import stable_name
from cell.launching import share_folder
from cell.schema import launch_schema, params_schema

LAUNCH = share_folder() / "launch"
SHIPPED = (LAUNCH / "cell.params.yaml").read_text()


def told(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = main(["config", "check", str(path)])
    return status, capsys.readouterr().err.splitlines()


def changed(folder: Path, old: str, new: str) -> Path:
    """The shipped params with one change."""
    assert SHIPPED.count(old) >= 1, old
    path = folder / "cell.params.yaml"
    path.write_text(SHIPPED.replace(old, new, 1))
    return path


GRIPPER = "      unit: 9\n      baudrate: 115200\n"
DRIVE = "      baudrate: 9600\n"


@pytest.mark.parametrize(
    ("old", "new", "key", "part"),
    [
        ("force_n: 60.0", "force_n: 300.0", "picker.force_n", "300 N is beyond what robotiq_2f85 does"),
        ("force_n: 60.0", "force_n: 5.0", "picker.force_n", "20 to 235 N"),
        ("speed_mps: 0.2 ", "speed_mps: 0.9 ", "/**.speed_mps", "0 to 0.6 m/s"),
        ("model: sim ", "model: simm ", "/**.model", "did you mean 'sim'"),
        ("model: sim ", "model: /no/such.onnx ", "/**.model", "no such file"),
        ("bins.defect: [0.60, 0.34]", "bins.defect: [0.60, 0.9]", "/**.bins.defect", "does not reach"),
        ("belt_end_m: 1.10", "belt_end_m: 0.80", "picker.belt_end_m", "behind the pick window"),
        ("keep_m: 1.5", "keep_m: 0.9", "tracker.keep_m", "forgotten before"),
        ("grip_z_m: 0.006", "grip_z_m: 0.2", "picker.travel_z_m", "must be above grip_z_m"),
        ("base_height_m: 0.75", "base_height_m: 1.75", "/**.window_m", "does not reach"),
        ("model: ls_g100", "model: modbus_io", "conveyor.drive.model", "is no drive"),
        ("threads: 2", "overkill: 0.1", "detector.overkill", "set it under /**"),
    ],
)
def test_fault_names_line_and_key_when_settings_do_not_go_together(  # noqa: PLR0917
    old: str, new: str, key: str, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(tmp_path, old, new)
    status, lines = told(path, capsys)
    assert status == 2
    found = [line for line in lines if key in line and part in line]
    assert found, lines
    number = int(re.search(re.escape(str(path)) + r":(\d+): ", found[0])[1])  # type: ignore[index]
    assert key.rpartition(".")[2] in path.read_text().splitlines()[number - 1]


@pytest.mark.parametrize(
    ("device", "options", "key", "part"),
    [
        (GRIPPER, "stroke_m: 0.19", "stroke_m", "wider than a 2F-140"),
        (GRIPPER, "stroke_m: 0.140", "stroke_m", "235 N is beyond a 2F-140's 125 N"),
        (GRIPPER, "max_force_n: 400.0", "max_force_n", "400 N is beyond a 2F-85's 235 N"),
        (GRIPPER, "max_speed_mps: 0.5", "max_speed_mps", "beyond a 2F-85's 0.15 m/s"),
        (GRIPPER, "min_force_n: 240.0", "min_force_n", "must be below max_force_n"),
        (GRIPPER, "stroke_m: 2.0", "stroke_m", "not a number within 0.01..0.2"),
        (GRIPPER, "strok_m: 0.08", "strok_m", "did you mean 'stroke_m'"),
        (GRIPPER, "parity: X", "parity", "not one of N, E, O"),
        (DRIVE, "max_hz: 500.0", "max_hz", "within 1..400"),
        (DRIVE, "max_hz: 10.0", "speed_mps", "0 to 0.1 m/s"),
        (DRIVE, "mps_per_hz: 0.001", "speed_mps", "0 to 0.06 m/s"),
    ],
)
def test_fault_is_found_when_an_option_is_beyond_the_device(  # noqa: PLR0917
    device: str, options: str, key: str, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(tmp_path, device, f"{device}      options: {{{options}}}\n")
    status, lines = told(path, capsys)
    assert status == 2
    assert any(key in line and part in line and str(path) in line for line in lines), lines


def test_all_faults_are_told_when_there_are_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SHIPPED.replace("force_n: 60.0", "force_n: 300.0").replace("model: sim ", "model: simm ")
    path = tmp_path / "cell.params.yaml"
    path.write_text(text)
    status, lines = told(path, capsys)
    assert status == 2
    assert len(lines) == 2


def test_missing_ports_are_warnings_when_the_rest_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (LAUNCH / "hardware.params.yaml").read_text().replace("/dev/serial/by-id", str(tmp_path))
    path = tmp_path / "p.yaml"
    path.write_text(text)
    (tmp_path / "usb-gripper").write_text("")
    status, lines = told(path, capsys)
    assert status == 0
    assert all("warning: " in line for line in lines)
    assert not any("usb-gripper" in line.partition(" (")[0] for line in lines)
    for name in ("conveyor.drive.port", "conveyor.encoder.port", "supervisor.safety.port"):
        assert any(name in line for line in lines)


def test_stable_name_is_asked_for_when_a_port_is_named_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (LAUNCH / "hardware.params.yaml").read_text()
    path = tmp_path / "p.yaml"
    path.write_text(text.replace("/dev/serial/by-id/usb-gripper", "/dev/ttyUSB7"))
    status, lines = told(path, capsys)
    assert status == 0
    (line,) = [line for line in lines if "may be another adapter after a restart" in line]
    assert "gripper.device.port: /dev/ttyUSB7" in line
    assert "write its name below /dev/serial/by-id" in line
    assert stable_name("/dev/serial/by-id/usb-x") is None
    assert stable_name("/dev/ttyS0") is None


def test_two_names_of_one_port_are_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "usb-drive").write_text("")
    (tmp_path / "usb-cabinet").symlink_to(tmp_path / "usb-drive")
    text = (LAUNCH / "hardware.params.yaml").read_text().replace("/dev/serial/by-id", str(tmp_path))
    path = tmp_path / "p.yaml"
    path.write_text(text)
    status, lines = told(path, capsys)
    assert status == 2
    assert any("are one port" in line and "conveyor.encoder.port" in line for line in lines)


# The schema: a small validator of the keywords that it uses, so that editors' verdicts can be told from here.


def wrong(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], at: str = "") -> Iterator[str]:
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from wrong(target, value, root, at)
    if "anyOf" in schema and all(list(wrong(one, value, root, at)) for one in schema["anyOf"]):
        yield f"{at}: none fits"
    for one in schema.get("allOf", ()):
        yield from wrong(one, value, root, at)
    if "if" in schema and not list(wrong(schema["if"], value, root, at)):
        yield from wrong(schema.get("then", {}), value, root, at)
    kinds = schema.get("type")
    if kinds is not None and not any(_is(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        yield f"{at}: {value!r} is no {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        bad = value < schema.get("minimum", value) or value > schema.get("maximum", value)
        if bad or value <= schema.get("exclusiveMinimum", value - 1):
            yield f"{at}: {value} is out of range"
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} does not match"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key in schema.get("required", ()):
            if key not in value:
                yield f"{at}: {key} is missing"
        for key, inner in value.items():
            if key in properties:
                yield from wrong(properties[key], inner, root, f"{at}/{key}")
            elif schema.get("additionalProperties") is False:
                yield f"{at}/{key}: unknown"
    if isinstance(value, list):
        for index, item in enumerate(value):
            prefix = schema.get("prefixItems", ())
            inner = prefix[index] if index < len(prefix) else schema.get("items")
            if isinstance(inner, dict):
                yield from wrong(inner, item, root, f"{at}/{index}")


def _is(kind: str, value: Any) -> bool:
    if kind in ("number", "integer") and isinstance(value, bool):
        return False
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": int | float,
    }  # fmt: skip
    return isinstance(value, kinds[kind])


@pytest.mark.parametrize("name", ["cell", "hardware"])
def test_schemas_accept_the_shipped_files(name: str) -> None:
    params, launch = params_schema(), launch_schema()
    assert list(wrong(params, yaml.safe_load((LAUNCH / f"{name}.params.yaml").read_text()), params)) == []
    assert list(wrong(launch, yaml.safe_load((LAUNCH / f"{name}.launch.yaml").read_text()), launch)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("force_n: 60.0", "forc_n: 60.0"),
        ("force_n: 60.0", "force_n: 2000.0"),
        ("unit: 9", "unit: 300"),
        ("model: robotiq_2f85", "model: ls_g100"),
        ("name: spt", "name: fastest"),
        ("bins.defect: [0.60, 0.34]", "bins.defekt: [0.60, 0.34]"),
        (GRIPPER, f"{GRIPPER}      options: {{max_hz: 50.0}}\n"),
        (GRIPPER, f"{GRIPPER}      options.stroke_m: 5.0\n"),
        ("overkill: 0.045", "overkill: 0.5"),
    ],
)
def test_schema_refuses_what_the_check_refuses(old: str, new: str) -> None:
    assert SHIPPED.count(old) >= 1
    schema = params_schema()
    assert list(wrong(schema, yaml.safe_load(SHIPPED.replace(old, new, 1)), schema))


def test_every_parameter_has_a_description_and_every_length_its_unit() -> None:
    schema = params_schema()
    for title, definition in schema["$defs"].items():
        for name, value in definition.get("properties", {}).items():
            if "options." in name:
                continue
            assert value.get("description"), f"{title}.{name}"
            if name.endswith("_m") and not name.endswith("_per_m"):
                assert re.search(r"\bm\b", value["description"]), f"{title}.{name}"
    for role in ("gripper", "drive", "encoder", "safety"):
        for rule in schema["$defs"][f"Device_{role}"]["allOf"]:
            for name, option in rule["then"]["properties"]["options"]["properties"].items():
                assert option["description"], name
                assert "default" in option, name
                assert option["type"] in ("boolean", "string") or {"minimum", "maximum"} <= set(option), name


def test_schema_of_launch_files_is_printed_when_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", "--launch"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert list(wrong(schema, {"launch": [{"executable": {"cmd": "rm -rf x"}}]}, schema))
    assert list(wrong(schema, {"launch": [{"node": {}}]}, schema))
