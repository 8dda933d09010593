"""Params files: what is set on a node, and how each fault names file, line and key."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cell.cli.main import main
from cell.config import Origin, overrides_of, read_params, resolve
from cell.launching import share_folder
from cell.parameters import OWN, Bins, NodeParameters, PickerParameters, PolicyParameters
from cell.plugins import registered
from cell.wiring import check_wiring
from perception.errors import InputError

LAUNCH = share_folder() / "launch"
ROOT = Path(__file__).resolve().parents[3]

GRIPPER = """
gripper:
  ros__parameters:
    device:
      model: robotiq_2f85
      port: sim:gripper
      unit: 9
"""


def write(folder: Path, text: str, name: str = "cell.params.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def fault(path: Path) -> InputError:
    """What is wrong with one file, by itself."""
    with pytest.raises(InputError) as caught:
        params = read_params(path)
        check_wiring([resolve(name, [params], whole=False) for name in params.nodes if name in OWN])
    return caught.value


@pytest.mark.parametrize("name", ["cell.params.yaml", "hardware.params.yaml"])
def test_shipped_params_set_what_the_schema_has_as_default_or_must_have(name: str) -> None:
    params = read_params(LAUNCH / name)
    configs = [resolve(node, [params]) for node in params.nodes if node in OWN]
    check_wiring(configs)
    policy = next(config for config in configs if config.name == "policy")
    assert isinstance(policy.parameters, PolicyParameters)
    assert policy.parameters.bins == Bins()


def test_values_are_flat_and_defaults_are_filled_when_a_node_is_resolved(tmp_path: Path) -> None:
    config = resolve("gripper", [read_params(write(tmp_path, GRIPPER))])
    assert dict(config.values) == {"device.model": "robotiq_2f85", "device.port": "sim:gripper", "device.unit": 9}
    assert config.parameters.model_dump()["device"]["baudrate"] == 115200
    assert config.origin("device.unit").line == 7


def test_later_and_nearer_values_win(tmp_path: Path) -> None:
    first = read_params(
        write(
            tmp_path, "policy:\n  ros__parameters: {grip_s: 1.0, name: fifo}\n/**:\n  ros__parameters: {grip_s: 9.0}\n"
        )
    )
    second = read_params(write(tmp_path, "/**:\n  ros__parameters: {release_s: 2.0}\n", "b.yaml"))
    third = overrides_of({"release_s": 3.0, "bins.defect": [0.5, 0.3]}, Origin())
    config = resolve("policy", [first, second], third)
    assert isinstance(config.parameters, PolicyParameters)
    assert (config.parameters.name, config.parameters.grip_s, config.parameters.release_s) == ("fifo", 1.0, 3.0)
    assert config.parameters.bins == Bins(defect=(0.5, 0.3))


def test_shared_value_reaches_only_nodes_that_know_it(tmp_path: Path) -> None:
    params = read_params(write(tmp_path, "/**:\n  ros__parameters: {window_m: [0.4, 0.8], px_per_m: 5000.0}\n"))
    assert dict(resolve("picker", [params]).values) == {"window_m": [0.4, 0.8]}
    assert dict(resolve("tracker", [params]).values) == {"px_per_m": 5000.0}


def test_dotted_and_nested_keys_are_one_parameter(tmp_path: Path) -> None:
    nested = read_params(write(tmp_path, "picker:\n  ros__parameters:\n    geometry:\n      base_height_m: 0.8\n"))
    flat = read_params(write(tmp_path, "/picker:\n  ros__parameters:\n    geometry.base_height_m: 0.8\n", "b.yaml"))
    for params in (nested, flat):
        model = resolve("picker", [params]).parameters
        assert isinstance(model, PickerParameters)
        assert model.geometry.base_height_m == 0.8


def test_whole_number_does_where_a_number_is_wanted(tmp_path: Path) -> None:
    config = resolve("picker", [read_params(write(tmp_path, "picker:\n  ros__parameters: {force_n: 60}\n"))])
    assert isinstance(config.parameters, PickerParameters)
    assert config.parameters.force_n == 60.0


@pytest.mark.parametrize(
    ("text", "line", "key", "part"),
    [
        ("just text\n", 1, None, "node names"),
        ("- a\n", 1, None, "node names"),
        ("griper:\n  ros__parameters: {}\n", 1, "griper", "did you mean 'gripper'"),
        ("gripper: 5\n", 1, "gripper", "ros__parameters"),
        ("gripper:\n  parameters: {}\n", 1, "gripper", "ros__parameters"),
        ("gripper:\n  ros__parameters: {}\n  more: 1\n", 3, "gripper.more", "only ros__parameters"),
        ("gripper:\n  ros__parameters: [1]\n", 2, "gripper.ros__parameters", "with their values"),
        ("policy:\n  ros__parameters: {}\n/policy:\n  ros__parameters: {}\n", 3, "/policy", "twice"),
        (
            "policy:\n  ros__parameters:\n    name: spt\n    gripp_s: 1.0\n",
            4,
            "policy.gripp_s",
            "did you mean 'grip_s'",
        ),
        ("policy:\n  ros__parameters:\n    grip_s: fast\n", 3, "policy.grip_s", "must be a number, not 'fast'"),
        ("policy:\n  ros__parameters:\n    grip_s: -1\n", 3, "policy.grip_s", "above 0"),
        ("policy:\n  ros__parameters:\n    grip_s: .nan\n", 3, "policy.grip_s", "finite"),
        ("policy:\n  ros__parameters:\n    grip_s: true\n", 3, "policy.grip_s", "must be a number, not true"),
        ("policy:\n  ros__parameters:\n    grip_s:\n", 3, "policy.grip_s", "not empty"),
        ("policy:\n  ros__parameters:\n    name: 5\n", 3, "policy.name", "must be text"),
        ("policy:\n  ros__parameters:\n    name: ''\n", 3, "policy.name", "empty"),
        ("policy:\n  ros__parameters:\n    window_m: [0.8, 0.4]\n", 3, "policy.window_m", "upstream"),
        ("policy:\n  ros__parameters:\n    window_m: [0.8]\n", 3, "policy.window_m[1]", "missing"),
        ("policy:\n  ros__parameters:\n    window_m: [1, 2, 3]\n", 3, "policy.window_m", "2 entries"),
        ("policy:\n  ros__parameters:\n    window_m: 0.5\n", 3, "policy.window_m", "must be a list"),
        (
            "policy:\n  ros__parameters:\n    window_m:\n    - 0.3\n    - x\n",
            3,
            "policy.window_m[1]",
            "must be a number",
        ),
        ("policy:\n  ros__parameters:\n    bins:\n      defekt: [1, 2]\n", 4, "policy.bins.defekt", "'defect'"),
        ("policy:\n  ros__parameters:\n    bins: 3\n", 3, "policy.bins", "group of keys"),
        (
            "policy:\n  ros__parameters:\n    grip_s: 1.0\n    grip_s: 2.0\n",
            4,
            "policy.ros__parameters.grip_s",
            "twice",
        ),
        (
            "policy:\n  ros__parameters:\n    bins.defect: [1, 2]\n    bins:\n      defect: [1, 2]\n",
            5,
            "policy.bins.defect",
            "twice",
        ),
        ("policy:\n  ros__parameters:\n    bins..defect: 1\n", 3, "policy.bins..defect", "empty"),
        ("detector:\n  ros__parameters:\n    overkill: 0.5\n", 3, "detector.overkill", "at most 0.2"),
        ("detector:\n  ros__parameters:\n    threads: 1.5\n", 3, "detector.threads", "whole number"),
        ("detector:\n  ros__parameters:\n    backend: tensorrt\n", 3, "detector.backend", "onnxruntime"),
        ("/**:\n  ros__parameters:\n    overkil: 0.1\n", 3, "/**.overkil", "did you mean 'overkill'"),
        ("/**:\n  ros__parameters:\n    overkill: 9\n", 3, "detector.overkill", "at most"),
        ("gripper:\n  ros__parameters:\n    device.unit: 300\n", 3, "gripper.device.unit", "at most 247"),
        ("gripper:\n  ros__parameters:\n    device.options: {a: [1]}\n", 3, "gripper.device.options.a", "one value"),
        ("gripper:\n  ros__parameters:\n    device.baudrate: 1234\n", 3, "gripper.device.baudrate", "115200"),
        (GRIPPER.replace("robotiq_2f85", "robotic_2f85"), 5, "gripper.device.model", "did you mean 'robotiq_2f85'"),
        (GRIPPER.replace("sim:gripper", "ttyUSB0"), 6, "gripper.device.port", "/dev/ttyUSB0"),
        (GRIPPER.replace("sim:gripper", "simm:gripper"), 6, "gripper.device.port", "did you mean 'sim'"),
    ],
)
def test_fault_names_line_and_key_when_a_params_file_is_wrong(
    text: str, line: int, key: str | None, part: str, tmp_path: Path
) -> None:
    path = write(tmp_path, text)
    error = fault(path)
    assert (error.file, error.line, error.key) == (str(path), line, key)
    assert part in error.message
    assert "\n" not in str(error)


CONVEYOR = """
conveyor:
  ros__parameters:
    drive: {model: ls_g100, port: "sim:line", unit: 1, baudrate: 9600}
    encoder: {model: modbus_io, port: "sim:line", unit: 2, baudrate: 9600}
supervisor:
  ros__parameters:
    safety: {model: modbus_io, port: "sim:line", unit: 2, baudrate: 9600}
    autostart: true
"""


def test_encoder_and_safety_may_be_one_block_and_a_bus_may_have_two_units(tmp_path: Path) -> None:
    params = read_params(write(tmp_path, CONVEYOR))
    check_wiring([resolve(name, [params]) for name in params.nodes])


@pytest.mark.parametrize(
    ("old", "new", "key", "part"),
    [
        ("unit: 1", "unit: 2", "conveyor.encoder.port", "already conveyor.drive"),
        ("unit: 2, baudrate: 9600}\nsup", "unit: 2, baudrate: 19200}\nsup", "conveyor.encoder.baudrate", "9600 baud"),
        ("sim:line", "/dev/ttyUSB0", "supervisor.autostart", "real port /dev/ttyUSB0"),
    ],
)
def test_fault_is_found_when_devices_do_not_go_together(
    old: str, new: str, key: str, part: str, tmp_path: Path
) -> None:
    error = fault(write(tmp_path, CONVEYOR.replace(old, new)))
    assert error.key == key
    assert part in error.message
    assert error.line is not None


def test_missing_value_is_named_when_the_whole_node_is_asked_for(tmp_path: Path) -> None:
    place = Origin("cell.launch.yaml", 12)
    with pytest.raises(InputError, match=r"cell\.launch\.yaml:12: gripper\.device: is missing"):
        resolve("gripper", [], place=place)
    partly = read_params(write(tmp_path, "gripper:\n  ros__parameters:\n    device.port: sim:gripper\n"))
    with pytest.raises(InputError, match=r"params\.yaml:3: gripper\.device\.model: is missing"):
        resolve("gripper", [partly], place=place)


def test_check_command_prints_one_line_for_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path, GRIPPER)
    bad = write(tmp_path, "policy:\n  ros__parameters:\n    grip_s: x\n", "bad.yaml")
    assert main(["config", "check", str(good)]) == 0
    assert capsys.readouterr().out.startswith(f"{good}: ")
    assert main(["config", "check", str(bad), str(good), str(bad)]) == 2
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert re.findall(r"^cell: .*bad\.yaml:3: policy\.grip_s: .*$", captured.err, re.MULTILINE)[1:]


def test_schema_accepts_the_shipped_params(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    for name in ("cell.params.yaml", "hardware.params.yaml"):
        written = yaml.safe_load((LAUNCH / name).read_text())
        assert set(written) <= set(schema["properties"])
    gripper = schema["properties"]["gripper"]["properties"]["ros__parameters"]["$ref"].rpartition("/")[2]
    assert schema["$defs"][gripper]["additionalProperties"] is False
    assert "px_per_m" in schema["properties"]["/**"]["properties"]["ros__parameters"]["properties"]


def flat_defaults(schema: type[BaseModel], above: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in schema.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            found |= flat_defaults(type(default), f"{above}{name}.")
        found[f"{above}{name}"] = list(default) if isinstance(default, tuple) else default
    return found


@pytest.mark.parametrize("node", sorted(OWN))
def test_node_reads_the_parameters_and_defaults_of_its_schema(node: str) -> None:
    module = registered("cellwright.nodes")[node].module
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    defaults = flat_defaults(OWN[node])
    for call in (found for found in ast.walk(tree) if isinstance(found, ast.Call)):
        if not (isinstance(call.func, ast.Attribute) and call.func.attr in {"setting", "numbers"}):
            continue
        if isinstance(call.args[0], ast.Constant):
            name = call.args[0].value
            assert name in defaults, f"{node} reads {name}, which its schema does not have"
            if isinstance(call.args[1], (ast.Constant, ast.Tuple, ast.List, ast.UnaryOp)):
                default = ast.literal_eval(call.args[1])
                assert (list(default) if isinstance(default, tuple) else default) == defaults[name], f"{node}.{name}"


def test_every_node_has_sim_time() -> None:
    assert all(issubclass(schema, NodeParameters) for schema in OWN.values())


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.sampled_from(["spt", "sim:gripper", "/dev/a", "x.y", ""]),
)
names = st.sampled_from(
    [
        "ros__parameters",
        "device",
        "model",
        "port",
        "unit",
        "bins",
        "bins.defect",
        "window_m",
        "name",
        "a..b",
        "drive",
        "x",
    ]
)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=6
)
files = st.dictionaries(
    st.sampled_from(["/**", "/policy", *sorted(OWN)]),
    trees | st.fixed_dictionaries({"ros__parameters": st.dictionaries(names, trees, max_size=4)}),
    max_size=3,
)


@settings(max_examples=80, deadline=None)
@given(files)
def test_nothing_but_an_input_error_comes_out_whatever_the_file_holds(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.params.yaml"
    path.write_text(yaml.safe_dump(content))
    try:
        params = read_params(path)
        check_wiring([resolve(name, [params], whole=False) for name in params.nodes if name in OWN])
    except InputError as error:
        assert error.file == str(path)
        assert error.line is not None or error.message == "is empty"
