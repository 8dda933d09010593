"""rclpy.serialization, rclpy.type_support and the service that describes types."""

from __future__ import annotations

from typing import Any

import pytest
from control_msgs.action import FollowJointTrajectory
from rclpy.exceptions import NoTypeSupportImportedException
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.type_support import (
    check_for_type_support,
    check_is_valid_action_type,
    check_is_valid_msg_type,
    check_is_valid_srv_type,
)
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool
from type_description_interfaces.srv import GetTypeDescription

from cell.runtime.type_description import type_hash


def test_message_is_the_same_when_it_went_through_bytes() -> None:
    image = Image(height=2, width=2, data=bytes(range(4)))
    data = serialize_message(image)
    assert isinstance(data, bytes) and data[:4] == b"\0\1\0\0"
    read = deserialize_message(data, Image)
    assert read == image
    read.data[0] = 9
    assert deserialize_message(data, Image) == image


def test_errors_are_those_of_rclpy_when_bytes_or_types_are_wrong() -> None:
    with pytest.raises(RuntimeError, match="deserialize"):
        deserialize_message(b"\0\1\0\0\xff\xff\xff\xffabc", String)
    with pytest.raises(TypeError):
        deserialize_message("text", String)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="ROS 1 message"):
        serialize_message("text")
    with pytest.raises(AttributeError, match="ROS 1 message"):
        deserialize_message(b"", int)


def test_kinds_of_interfaces_are_told_apart_when_checked() -> None:
    for kind in (String, SetBool, FollowJointTrajectory, SetBool.Request):
        check_for_type_support(kind)
    check_is_valid_msg_type(String)
    check_is_valid_msg_type(SetBool.Event)
    check_is_valid_srv_type(SetBool)
    check_is_valid_srv_type(FollowJointTrajectory.Impl.SendGoalService)
    check_is_valid_action_type(FollowJointTrajectory)
    for check, wrong in (
        (check_is_valid_msg_type, SetBool),
        (check_is_valid_srv_type, String),
        (check_is_valid_action_type, SetBool),
    ):
        with pytest.raises(RuntimeError, match="not valid"):
            check(wrong)


def test_class_without_support_is_refused_when_loading_gives_none() -> None:
    class Kind(type):
        _TYPE_SUPPORT = None

        @classmethod
        def __import_type_support__(cls) -> None:
            pass

    class Unsupported(metaclass=Kind):
        pass

    with pytest.raises(NoTypeSupportImportedException):
        check_for_type_support(Unsupported)


def test_node_describes_its_types_when_asked(graph: Any) -> None:
    graph.node("told")
    client = graph.node("asking").create_client(GetTypeDescription, "/told/get_type_description")

    def ask(**fields: Any) -> Any:
        future = client.call_async(GetTypeDescription.Request(**fields))
        graph.executor.spin_until_idle()
        return future.result()

    answer = ask(type_name="sensor_msgs/msg/Image", type_hash=type_hash(Image))
    assert answer.successful and answer.type_description.type_description.type_name == "sensor_msgs/msg/Image"
    sources = {source.type_name: source for source in answer.type_sources}
    assert sources["std_msgs/msg/Header"].encoding == "msg"
    assert "string encoding" in sources["sensor_msgs/msg/Image"].raw_file_contents
    assert not ask(type_name="sensor_msgs/msg/Image", include_type_sources=False).type_sources
    assert "not known" in ask(type_name="sensor_msgs/msg/Nothing").failure_reason
    assert not ask(type_name="sensor_msgs/msg/Image", type_hash="RIHS01_00").successful


def test_service_is_missing_when_the_parameter_turns_it_off(graph: Any) -> None:
    from rclpy.parameter import Parameter

    off = Parameter("start_type_description_service", value=False)
    node = graph.node("quiet", parameter_overrides=[off])
    assert "/quiet/get_type_description" not in dict(node.get_service_names_and_types())
