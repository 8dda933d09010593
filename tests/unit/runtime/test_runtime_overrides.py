"""Overrides: which entry of a parameter file wins, what its scalars mean, and QoS policies that parameters override."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy._parameter_file import load
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import (
    InvalidQosOverridesError,
    QosCallbackResult,
    QoSOverridingOptions,
    QoSPolicyKind,
)
from std_msgs.msg import String

FILE = """
/line/camera:
  ros__parameters: {by_name: full, a: full, b: full, c: full}
camera:
  ros__parameters: {by_bare_name: true}
/line/**:
  ros__parameters: {a: stars, b: stars, below: true}
/*/camera:
  ros__parameters: {b: star, c: star, d: star}
/**:
  ros__parameters: {a: every, d: every, e: every}
"""


def values(node_name: str, namespace: str, arguments: list[str], own: list[str] | None = None) -> dict[str, Any]:
    context = Context()
    rclpy.init(context=context, args=["--ros-args", *arguments], domain_id=94)
    node = Node(
        node_name,
        namespace=namespace,
        context=context,
        cli_args=own,
        automatically_declare_parameters_from_overrides=True,
    )
    found = {name: entry.value for name, entry in node.get_parameters_by_prefix("").items()}
    node.destroy_node()
    context.shutdown()
    # What every node declares.
    return {
        name: value for name, value in found.items() if name not in {"use_sim_time", "start_type_description_service"}
    }


def test_last_pattern_wins_when_several_fit(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(FILE)
    assert values("camera", "/line", ["--params-file", str(file)]) == {
        "by_name": "full",
        "a": "every",
        "b": "star",
        "c": "star",
        "d": "every",
        "e": "every",
        "below": True,
    }
    assert values("camera", "/", ["--params-file", str(file)]) == {
        "by_bare_name": True,
        "a": "every",
        "d": "every",
        "e": "every",
    }
    assert values("deep", "/line/two", ["--params-file", str(file)])["b"] == "stars"


def test_pattern_keeps_its_place_when_it_comes_again(tmp_path: Path) -> None:
    # As in rcl: what `-p` says goes to `/**`, which stands before the node's own entry.
    file = tmp_path / "params.yaml"
    file.write_text("/**:\n  ros__parameters: {a: every, b: every}\n/camera:\n  ros__parameters: {a: own}\n")
    found = values("camera", "/", ["--params-file", str(file), "-p", "a:=argument", "-p", "b:=argument"])
    assert found == {"a": "own", "b": "argument"}


def test_own_arguments_win_when_process_has_others(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(FILE)
    found = values(
        "camera", "/line", ["--params-file", str(file), "-p", "e:=process"], ["-p", "e:=own", "-p", "a:=own"]
    )
    assert found["e"] == "own" and found["a"] == "own"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("0x1F", 31),
        ("010", 8),
        ("-7", -7),
        ("9223372036854775808", 9223372036854775808.0),
        ("yes", True),
        ("n", False),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1_000", "1_000"),
        ("2026-11-21", "2026-11-21"),
        ("~", "~"),
        ("-.inf", -math.inf),
        ("[1, 2]", [1, 2]),
        ("{a: {b: 1.5}}", {"a": {"b": 1.5}}),
        ("", None),
    ],
)
def test_scalar_is_read_as_rcl_does_when_in_a_file(text: str, value: Any) -> None:
    found = load(text)
    assert found == value and type(found) is type(value)


def test_not_a_number_is_read_when_written_so() -> None:
    assert math.isnan(load(".nan"))


def test_policies_are_overridden_when_options_allow(graph: Any) -> None:
    node = graph.node(
        "node",
        parameter_overrides=[
            Parameter("qos_overrides./image.publisher.depth", value=7),
            Parameter("qos_overrides./image.publisher.deadline", value=2_000_000),
            Parameter("qos_overrides./image.subscription_left.reliability", value="best_effort"),
        ],
    )
    kinds = (QoSPolicyKind.DEPTH, QoSPolicyKind.DEADLINE, QoSPolicyKind.LIFESPAN)
    publisher = node.create_publisher(
        String, "image", QoSProfile(depth=1), qos_overriding_options=QoSOverridingOptions(kinds)
    )
    assert publisher.qos_profile.depth == 7
    assert publisher.qos_profile.deadline == Duration(nanoseconds=2_000_000)
    descriptor = node.describe_parameter("qos_overrides./image.publisher.depth")
    assert descriptor.read_only and "depth for publisher `/image`" in descriptor.description
    subscription = node.create_subscription(
        String,
        "image",
        lambda message: None,
        QoSProfile(depth=1),
        qos_overriding_options=QoSOverridingOptions(
            [QoSPolicyKind.RELIABILITY, QoSPolicyKind.LIFESPAN], entity_id="left"
        ),
    )
    assert subscription.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
    # A subscription has no lifespan.
    assert not node.has_parameter("qos_overrides./image.subscription_left.lifespan")


def test_profile_is_refused_when_callback_says_so(graph: Any) -> None:
    def check(qos: QoSProfile) -> Any:
        return QosCallbackResult(successful=qos.depth > 1, reason="too shallow")

    options = QoSOverridingOptions.with_default_policies(callback=check)
    node = graph.node("node")
    with pytest.raises(InvalidQosOverridesError, match="too shallow"):
        node.create_publisher(String, "a", QoSProfile(depth=1), qos_overriding_options=options)
    node.create_publisher(String, "b", QoSProfile(depth=2), qos_overriding_options=options)


def test_error_names_the_policy_when_override_is_no_value_of_it(graph: Any) -> None:
    name = "qos_overrides./a.publisher.history"
    node = graph.node("node", parameter_overrides=[Parameter(name, value="nonsense")])
    with pytest.raises(RuntimeError, match="policy `history`: `nonsense`"):
        node.create_publisher(
            String,
            "a",
            QoSProfile(depth=1),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
