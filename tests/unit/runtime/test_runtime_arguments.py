"""--ros-args: remaps, parameters, parameter files, log levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.logging import LoggingSeverity, get_logger
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

FILE = """
/**:
  ros__parameters:
    use_sim_time: true
    gain: 1.0
    name: everyone
/line/*:
  ros__parameters:
    name: line
/line/camera:
  ros__parameters:
    rate: 10
    window:
      low: 0.35
      high: 0.85
    labels: [a, b]
line:
  detector:
    ros__parameters:
      rate: 5
camera:
  ros__parameters:
    by_bare_name: true
"""


def overrides(arguments: list[str], name: str, namespace: str) -> dict[str, Any]:
    context = Context()
    context.init(["prog", "--ros-args", *arguments], domain_id=90)
    try:
        found = context._arguments.overrides_for(name, namespace)
    finally:
        context.shutdown()
    return found


def test_parameters_reach_their_nodes_when_read_from_file(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(FILE)
    camera = overrides(["--params-file", str(file)], "camera", "/line")
    assert camera == {
        "use_sim_time": True,
        "gain": 1.0,
        "name": "line",
        "rate": 10,
        "window.low": 0.35,
        "window.high": 0.85,
        "labels": ["a", "b"],
        "by_bare_name": True,
    }
    detector = overrides(["--params-file", str(file)], "detector", "/line")
    assert detector["rate"] == 5 and detector["name"] == "line" and "labels" not in detector
    assert overrides(["--params-file", str(file)], "other", "/") == {
        "use_sim_time": True,
        "gain": 1.0,
        "name": "everyone",
    }


def test_last_one_wins_when_file_and_rule_disagree(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(FILE)
    found = overrides(["--params-file", str(file), "-p", "gain:=2.5", "-p", "other:gain:=7.0"], "camera", "/")
    assert found["gain"] == 2.5
    assert overrides(["-p", "other:gain:=7.0"], "other", "/") == {"gain": 7.0}
    assert overrides(["-p", "words:=[x, y]", "-p", "flag:=false"], "a", "/") == {"words": ["x", "y"], "flag": False}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "not YAML"),
        ("- 1\n", "node names"),
        ("camera:\n  rate: 5\n", "camera/rate"),
        ("camera: 5\n", "camera"),
    ],
)
def test_error_names_the_file_when_params_file_is_bad(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=problem) as caught:
        overrides(["--params-file", str(file)], "camera", "/")
    assert "bad.yaml" in str(caught.value)


@pytest.mark.parametrize("arguments", [["-r", "a:b"], ["-p", "x"], ["--log-level", "loud"], ["-p"]])
def test_error_is_raised_when_rule_is_bad(arguments: list[str]) -> None:
    with pytest.raises(ValueError, match=r"rule|needs a value"):
        overrides(arguments, "a", "/")


def test_unknown_argument_is_named_when_in_ros_section() -> None:
    with pytest.raises(Exception, match="--nonsense"):
        overrides(["--nonsense"], "a", "/")


def test_names_are_remapped_when_rules_say_so() -> None:
    context = Context()
    rules = ["-r", "image:=picture", "-r", "other:/x:=/never", "-r", "/x:=~/y", "-r", "first:__node:=second"]
    rclpy.init(context=context, args=["prog", "--ros-args", *rules, "-r", "__ns:=/line"], domain_id=91)
    node = Node("first", context=context)
    try:
        assert node.get_fully_qualified_name() == "/line/second"
        assert node.create_publisher(String, "image", 1).topic_name == "/line/picture"
        assert node.create_publisher(String, "/x", 1).topic_name == "/line/second/y"
        assert node.resolve_topic_name("image", only_expand=True) == "/line/image"
    finally:
        node.destroy_node()
        context.shutdown()


def test_own_arguments_win_when_node_has_some(graph: Any) -> None:
    node = graph.node("node", cli_args=["-r", "a:=b", "-p", "gain:=3.0", "-r", "__node:=renamed"])
    assert node.get_name() == "renamed"
    assert node.resolve_topic_name("a") == "/b"
    assert node.declare_parameter("gain", 1.0).value == 3.0


def test_global_arguments_do_not_count_when_switched_off() -> None:
    context = Context()
    rclpy.init(context=context, args=["--ros-args", "-r", "a:=b"], domain_id=92)
    node = Node("node", context=context, use_global_arguments=False)
    assert node.resolve_topic_name("a") == "/a"
    node.destroy_node()
    context.shutdown()


def test_level_is_set_when_argument_names_a_logger() -> None:
    context = Context()
    context.init(["--ros-args", "--log-level", "argument_test:=debug"], domain_id=93)
    context.shutdown()
    assert get_logger("argument_test").get_effective_level() == LoggingSeverity.DEBUG
    assert get_logger("argument_test").get_child("x").is_enabled_for(LoggingSeverity.DEBUG)
    assert not get_logger("argument_tes").is_enabled_for(LoggingSeverity.DEBUG)


def test_other_arguments_are_left_when_ros_ones_are_removed() -> None:
    arguments = ["prog", "--a", "--ros-args", "-p", "x:=1", "--", "rest", "--ros-args", "-r", "a:=b"]
    assert remove_ros_args(arguments) == ["prog", "--a", "rest"]
