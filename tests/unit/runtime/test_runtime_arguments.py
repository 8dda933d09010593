"""--ros-args: remaps, parameters, parameter files, log levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import LoggingSeverity, get_logger
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

RCLInvalidROSArgsError = rclpy_implementation.RCLInvalidROSArgsError
UnknownROSArgsError = rclpy_implementation.UnknownROSArgsError

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
/**:
  camera:
    ros__parameters:
      everywhere: 010
"""


def overrides(arguments: list[str], name: str, namespace: str) -> dict[str, Any]:
    context = Context()
    context.init(["prog", "--ros-args", *arguments], domain_id=90)
    try:
        found = {entry.name: entry.value for entry in context._arguments.overrides_for(name, namespace)}
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
        "everywhere": 8,
    }
    bare = overrides(["--params-file", str(file)], "camera", "/")
    assert bare == {"use_sim_time": True, "gain": 1.0, "name": "everyone", "by_bare_name": True, "everywhere": 8}
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
    assert found["gain"] == 2.5 and found["name"] == "everyone"
    # Entries of one pattern stand together: the file spoke to every node first, and to this node after that.
    found = overrides(["--params-file", str(file), "-p", "name:=argument"], "camera", "/line")
    assert found["name"] == "line"
    assert overrides(["-p", "other:gain:=7.0"], "other", "/") == {"gain": 7.0}
    assert overrides(["-p", "words:=[a, b]", "-p", "flag:=false"], "a", "/") == {"words": ["a", "b"], "flag": False}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "not YAML"),
        ("- 1\n", "node names"),
        ("camera:\n  rate: 5\n", "camera/rate"),
        ("camera: 5\n", "camera"),
        ("camera:\n  ros__parameters:\n    a: [1, 2.0]\n", "same type.*line 3"),
        ("camera:\n  ros__parameters:\n    a:\n", "no value.*line 3"),
        ("ros__parameters:\n  a: 1\n", "without a node"),
    ],
)
def test_error_names_the_file_when_params_file_is_bad(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(RCLInvalidROSArgsError, match=problem) as caught:
        overrides(["--params-file", str(file)], "camera", "/")
    assert "bad.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-r", "a:b"],
        ["-r", "a:="],
        ["-r", ":=b"],
        ["-r", "__ns:=relative"],
        ["-r", "__node:=a/b"],
        ["-r", "a:=b c"],
        ["-p", "x"],
        ["-p", "x:="],
        ["-p", "x:=[1, a]"],
        ["-p", "x:=[1, [2]]"],
        ["-p", "x:={a: 1}"],
        ["-p", "x:=[1"],
        ["-p", ":=1"],
        ["--log-level", "loud"],
        ["--log-level", "a b:=info"],
        ["--enclave", "/a//b"],
        ["--params-file", "/nowhere.yaml"],
        ["-p"],
        ["--remap"],
    ],
)
def test_error_is_raised_when_rule_is_bad(arguments: list[str]) -> None:
    with pytest.raises(RCLInvalidROSArgsError, match="failed to initialize rcl: Couldn't parse") as caught:
        overrides(arguments, "a", "/")
    assert all(word in str(caught.value) for word in arguments)


@pytest.mark.parametrize("word", ["--nonsense", "a:=b", "positional"])
def test_unknown_argument_is_named_when_in_ros_section(word: str) -> None:
    with pytest.raises(UnknownROSArgsError, match=f"'{word}'") as caught:
        overrides([word, "-r", "a:=b"], "a", "/")
    assert caught.value.unknown_args == [word]


def test_error_names_the_rule_when_node_gets_bad_arguments(graph: Any) -> None:
    with pytest.raises(RCLInvalidROSArgsError, match=r"Failed to parse ROS arguments:.*'-r not-a-remap'"):
        graph.node("node", cli_args=["-r", "not-a-remap"])
    assert graph.nodes == []


def test_switches_are_off_when_arguments_say_so() -> None:
    context = Context()
    switches = ["--disable-rosout-logs", "--enable-stdout-logs", "--enclave", "line", "--log-file-name", "name"]
    rclpy.init(context=context, args=["--ros-args", *switches], domain_id=94)
    node = Node("node", context=context)
    try:
        arguments = context._arguments
        assert (arguments.rosout_logs, arguments.stdout_logs, arguments.external_lib_logs) == (False, True, None)
        assert node.count_publishers("/rosout") == 0
        assert ("node", "/", "/line") in node.get_node_names_and_namespaces_with_enclaves()
    finally:
        node.destroy_node()
        context.shutdown()


@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 8), ("0x1F", 31), ("1e3", 1000.0), ("1.", 1.0), ("on", True), ("'on'", "on"), ("~", "~"), ("[]", [])],
)
def test_scalars_are_those_of_rcl_when_given_by_argument(text: str, value: Any) -> None:
    found = overrides(["-p", f"x:={text}"], "a", "/")["x"]
    assert found == value and type(found) is type(value)


def test_rules_follow_kind_and_node_when_prefixed() -> None:
    context = Context()
    rules = ["rostopic://x:=topic", "rosservice://x:=service", "n:y:=mine", "n:rostopic://z:=zz", "m:y:=never"]
    words = [word for rule in rules for word in ("-r", rule)]
    rclpy.init(context=context, args=["--ros-args", *words, "--", "ignored"], domain_id=95)
    node = Node("n", context=context)
    try:
        assert (node.resolve_topic_name("x"), node.resolve_service_name("x")) == ("/topic", "/service")
        assert (node.resolve_topic_name("y"), node.resolve_topic_name("z")) == ("/mine", "/zz")
        assert node.resolve_service_name("z") == "/z"
    finally:
        node.destroy_node()
        context.shutdown()


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
