"""The table of topics is the contract of the design."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cell.topics import ACTIONS, SERVICES, TOPICS

ROOT = Path(__file__).resolve().parents[3]


def test_names_and_types_are_those_of_the_design() -> None:
    assert {name: topic.type for name, topic in TOPICS.items()} == {
        "/clock": "rosgraph_msgs/Clock",
        "/camera/image": "sensor_msgs/Image",
        "/camera/camera_info": "sensor_msgs/CameraInfo",
        "/detections": "vision_msgs/Detection2DArray",
        "/conveyor/state": "sensor_msgs/JointState",
        "/parts": "cell_msgs/PartArray",
        "/decisions": "cell_msgs/PickDecision",
        "/outcomes": "cell_msgs/PartOutcome",
        "/joint_states": "sensor_msgs/JointState",
        "/gripper/state": "sensor_msgs/JointState",
        "/cell/state": "cell_msgs/CellState",
        "/alarms": "cell_msgs/AlarmArray",
        "/heartbeats": "std_msgs/Header",
        "/diagnostics": "diagnostic_msgs/DiagnosticArray",
    }
    assert {endpoint.name for endpoint in SERVICES} == {"/cell/command", "/alarms/command"}
    assert {endpoint.name for endpoint in ACTIONS} == {"/arm/follow_joint_trajectory", "/gripper/command"}


@pytest.mark.parametrize(
    ("kind", "type_name"),
    [
        *(("msg", topic.type) for topic in TOPICS.values()),
        *(("srv", service.type) for service in SERVICES),
        *(("action", action.type) for action in ACTIONS),
    ],
)
def test_type_can_be_imported(kind: str, type_name: str) -> None:
    package, name = type_name.split("/")
    assert hasattr(importlib.import_module(f"{package}.{kind}"), name)


def graph_calls() -> Iterator[tuple[str, str, list[ast.expr]]]:
    """Every publisher and subscription that the nodes make: the file, the method, its arguments."""
    for folder in ("cell/nodes", "sim/nodes"):
        for path in sorted((ROOT / folder).glob("*.py")):
            for call in ast.walk(ast.parse(path.read_text())):
                name = call.func.attr if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else ""
                if isinstance(call, ast.Call) and name in {"create_publisher", "create_subscription"}:
                    yield path.name, name, call.args


def test_nodes_use_the_topics_types_and_depths_of_the_table() -> None:
    written: set[str] = set()
    for file, method, (kind, name, *_, depth) in graph_calls():
        assert isinstance(kind, ast.Name) and isinstance(name, ast.Constant)
        action, inside, _ = str(name.value).partition("/_action/")
        if inside:
            assert action in {endpoint.name for endpoint in ACTIONS}, f"{file} uses {name.value}"
            continue
        topic = TOPICS.get(str(name.value))
        assert topic is not None, f"{file} uses {name.value}"
        assert topic.type.endswith(f"/{kind.id}"), f"{file}: {name.value} is {topic.type}, not {kind.id}"
        if method == "create_publisher":
            written.add(topic.name)
            if isinstance(depth, ast.Constant):
                assert depth.value == topic.depth, f"{file}: depth of {topic.name}"
    # Simulated time is told by whoever conducts it, the command line among them.
    assert written | {"/clock"} == set(TOPICS)
