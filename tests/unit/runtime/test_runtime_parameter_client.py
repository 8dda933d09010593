"""The parameter services of a node, asked through the client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.msg import IntegerRange, ParameterDescriptor
from rclpy.parameter import Parameter, parameter_dict_from_yaml_file
from rclpy.parameter_client import AsyncParameterClient

FILE = """
/**:
  ros__parameters:
    gain: 1.5
    everyone: true
/line/*:
  ros__parameters:
    gain: 2.5
/line/target:
  ros__parameters:
    window: {low: 1, high: 2}
    words: [a, b]
other:
  ros__parameters:
    gain: 9.5
"""


class Pair:
    """A node with parameters and a client of them in another node."""

    def __init__(self, graph: Any, **options: Any) -> None:
        self.executor = graph.executor
        self.target = graph.node("target", namespace="/line", **options)
        self.client = AsyncParameterClient(graph.node("asking", namespace="/line"), "target")

    def ask(self, future: Any) -> Any:
        self.executor.spin_until_future_complete(future, 10)
        return future.result()


@pytest.fixture
def pair(graph: Any) -> Pair:
    made = Pair(graph)
    ranged = ParameterDescriptor(description="how fast", integer_range=[IntegerRange(from_value=0, to_value=10)])
    made.target.declare_parameter("speed", 3, ranged)
    made.target.declare_parameter("arm.joint.first", [1.0, 2.0])
    made.target.declare_parameter("arm.name", "delta", ParameterDescriptor(read_only=True))
    made.target.declare_parameter("free", 1, ParameterDescriptor(dynamic_typing=True))
    made.target.declare_parameter("unset", Parameter.Type.STRING)
    return made


def test_values_come_back_when_declared(pair: Pair) -> None:
    assert pair.client.wait_for_services(1.0)
    found = pair.ask(pair.client.get_parameters(["speed", "arm.joint.first", "arm.name"])).values
    assert found[0].integer_value == 3 and list(found[1].double_array_value) == [1.0, 2.0]
    assert found[2].string_value == "delta"
    assert list(pair.ask(pair.client.get_parameter_types(["speed", "free", "unset"])).types) == [2, 2, 0]


def test_answer_is_empty_when_one_is_not_declared_or_unset(pair: Pair) -> None:
    assert pair.ask(pair.client.get_parameters(["speed", "nope"])).values == []
    assert pair.ask(pair.client.get_parameters(["speed", "unset"])).values == []
    assert pair.ask(pair.client.describe_parameters(["speed", "nope"])).descriptors == []
    assert len(pair.ask(pair.client.get_parameter_types(["nope"])).types) == 0


def test_description_is_given_when_asked_for(pair: Pair) -> None:
    speed, name, unset = pair.ask(pair.client.describe_parameters(["speed", "arm.name", "unset"])).descriptors
    assert (speed.name, speed.type, speed.description) == ("speed", 2, "how fast")
    assert speed.integer_range[0].to_value == 10
    assert name.read_only and unset.type == 4


@pytest.mark.parametrize(
    ("prefixes", "depth", "names", "found"),
    [
        (None, 1, {"speed", "free", "unset", "use_sim_time"}, set()),
        (None, 2, {"speed", "free", "unset", "use_sim_time", "arm.name"}, {"arm"}),
        (["arm"], None, {"arm.name", "arm.joint.first"}, {"arm", "arm.joint"}),
        (["arm"], 1, {"arm.name"}, {"arm"}),
        (["arm.joint", "speed"], None, {"arm.joint.first", "speed"}, {"arm.joint"}),
        (["ar"], None, set(), set()),
    ],
)
def test_names_are_listed_when_prefixes_and_depth_are_given(
    pair: Pair, prefixes: list[str] | None, depth: int | None, names: set[str], found: set[str]
) -> None:
    result = pair.ask(pair.client.list_parameters(prefixes, depth)).result
    assert names <= set(result.names)
    if prefixes is not None:
        assert names == set(result.names)
    assert found == set(result.prefixes)


def test_each_has_its_result_when_set_one_by_one(pair: Pair) -> None:
    wanted = [
        Parameter("speed", value=5),
        Parameter("speed", value=11).to_parameter_msg(),
        Parameter("arm.name", value="scara"),
        Parameter("nope", value=1),
    ]
    results = pair.ask(pair.client.set_parameters(wanted)).results
    assert [result.successful for result in results] == [True, False, False, False]
    assert "out of range" in results[1].reason and "read-only" in results[2].reason
    assert "undeclared" in results[3].reason and "nope" in results[3].reason
    assert pair.target.get_parameter("speed").value == 5


def test_nothing_is_set_when_one_of_all_is_refused(pair: Pair) -> None:
    wanted = [Parameter("speed", value=5), Parameter("free", value="x"), Parameter("speed", value="x")]
    assert not pair.ask(pair.client.set_parameters_atomically(wanted)).result.successful
    assert pair.target.get_parameter("speed").value == 3
    assert pair.ask(pair.client.set_parameters_atomically(wanted[:2])).result.successful
    assert pair.target.get_parameter("free").value == "x"


def test_only_dynamic_ones_are_unset_when_deleted(pair: Pair) -> None:
    results = pair.ask(pair.client.delete_parameters(["speed", "free"])).results
    assert [result.successful for result in results] == [False, True]
    assert results[0].reason == "Static parameter cannot be undeclared"
    assert not pair.target.has_parameter("free")


def test_callback_gets_the_future_when_done(pair: Pair) -> None:
    done: list[Any] = []
    future = pair.client.get_parameters(["speed"], done.append)
    pair.ask(future)
    pair.executor.spin_until_idle()
    assert done == [future]


def test_services_are_missed_when_the_node_has_none(graph: Any) -> None:
    pair = Pair(graph, start_parameter_services=False)
    assert not pair.client.services_are_ready()
    assert not pair.client.wait_for_services(0.05)


def test_file_is_loaded_when_it_fits(graph: Any, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(FILE)
    pair = Pair(graph, allow_undeclared_parameters=True)
    results = pair.ask(pair.client.load_parameter_file(str(file), use_wildcard=True)).results
    assert results and all(result.successful for result in results)
    assert pair.target.get_parameter("window.high").value == 2
    assert pair.ask(pair.client.load_parameter_file_atomically(str(file))).result.successful
    assert pair.target.get_parameter("gain").value == 9.5


def test_entries_are_chosen_when_nodes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(FILE)
    name = str(file)

    def read(*arguments: Any, **options: Any) -> dict[str, Any]:
        found = parameter_dict_from_yaml_file(name, *arguments, **options)
        return {key: Parameter.from_parameter_msg(message).value for key, message in found.items()}

    assert read(False, ["/line/target"]) == {"window.low": 1, "window.high": 2, "words": ["a", "b"]}
    assert read(True, ["/line/target"])["gain"] == 2.5
    assert read(True, ["other"]) == {"everyone": True, "gain": 9.5}
    assert read(False, ["other"], namespace="p.") == {"p.gain": 9.5}
    with pytest.raises(RuntimeError, match="does not contain any valid parameters"):
        read(False, ["/line/other"])
    with pytest.raises(FileNotFoundError):
        parameter_dict_from_yaml_file(str(tmp_path / "none.yaml"))
    file.write_text("other: 5\n")
    with pytest.raises(RuntimeError, match="not a valid ROS parameter file"):
        read()
