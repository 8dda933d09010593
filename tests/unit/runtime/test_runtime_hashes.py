"""Type hashes and descriptions: equal to rosbags' for messages, to published ones for services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from control_msgs.action import FollowJointTrajectory
from rcl_interfaces.srv import GetParameters, GetParameterTypes, ListParameters, SetParameters
from std_msgs.msg import Header, String

from cell.runtime import interfaces, messages
from cell.runtime.interfaces import InterfaceError
from cell.runtime.type_description import (
    dds_type_name,
    description,
    description_message,
    ros_type_name,
    type_hash,
)

UNUSUAL = Path(__file__).parent / "interfaces"


@pytest.fixture(autouse=True)
def unusual_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELL_INTERFACE_PATH", str(UNUSUAL))


def test_hashes_are_those_of_rosbags_when_messages_are_compared() -> None:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for package in interfaces.packages():
        for short in interfaces.type_names(package, "msg"):
            name = f"{package}/msg/{short}"
            if name not in store.fielddefs and package != "unusual_msgs":
                text = interfaces.load(name).file.read_text()
                store.register(get_types_from_msg(text, name))
    # The char of a .msg file is IDL's uint8, and so the published hashes of services have it (their event holds a
    # char[16]); rosbags hashes it as IDL's char.
    store.fielddefs = {
        name: (constants, _without_char(fields)) for name, (constants, fields) in store.fielddefs.items()
    }
    compared = 0
    for package in interfaces.packages():
        for short in interfaces.type_names(package, "msg"):
            name = f"{package}/msg/{short}"
            if package != "unusual_msgs":  # it has wide strings, which rosbags cannot hash
                assert type_hash(messages.interface(name)) == store.hash_rihs01(name), name
                compared += 1
    assert compared > 150


def _without_char(description: Any) -> Any:
    if isinstance(description, list | tuple):
        return type(description)(_without_char(entry) for entry in description)
    return "uint8" if description == "char" else description


@pytest.mark.parametrize(
    ("interface", "known"),
    [
        # As the code that speaks rmw_zenoh's wire lists them; made by rosidl in ROS 2 Jazzy.
        (GetParameters, "bf9803d5c74cf989a5de3e0c2e99444599a627c7ff75f97b8c05b01003675cbc"),
        (SetParameters, "56eed9a67e169f9cb6c1f987bc88f868c14a8fc9f743a263bc734c154015d7e0"),
        (ListParameters, "3e6062bfbb27bfb8730d4cef2558221f51a11646d78e7bb30a1e83afac3aad9d"),
        (GetParameterTypes, "da199c878688b3e530bdfe3ca8f74cb9fa0c303101e980a9e8f260e25e1c80ca"),
        (String, "df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"),
    ],
)
def test_hashes_are_the_published_ones_when_known(interface: Any, known: str) -> None:
    assert type_hash(interface) == f"RIHS01_{known}"


def test_hash_of_a_service_is_the_published_one_when_its_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "example_interfaces" / "srv"
    folder.mkdir(parents=True)
    (folder / "AddTwoInts.srv").write_text("int64 a\nint64 b\n---\nint64 sum\n")
    monkeypatch.setenv("CELL_INTERFACE_PATH", str(tmp_path))
    known = "RIHS01_e118de6bf5eeb66a2491b5bda11202e7b68f198d6f67922cf30364858239c81a"
    assert type_hash(messages.interface("example_interfaces/srv/AddTwoInts")) == known


def test_action_is_described_with_all_its_parts_when_asked() -> None:
    whole = description(FollowJointTrajectory)
    assert [field["name"] for field in whole["type_description"]["fields"]] == [
        "goal",
        "result",
        "feedback",
        "send_goal_service",
        "get_result_service",
        "feedback_message",
    ]
    names = [entry["type_name"] for entry in whole["referenced_type_descriptions"]]
    assert names == sorted(names)
    head = "control_msgs/action/FollowJointTrajectory"
    for suffix in ("_SendGoal", "_SendGoal_Event", "_GetResult_Response", "_FeedbackMessage", "_Goal"):
        assert head + suffix in names
    assert "service_msgs/msg/ServiceEventInfo" in names and "unique_identifier_msgs/msg/UUID" in names
    parts = {type_hash(FollowJointTrajectory), type_hash(FollowJointTrajectory.Impl.SendGoalService)}
    parts |= {type_hash(FollowJointTrajectory.Goal), type_hash(FollowJointTrajectory.Impl.SendGoalService.Request)}
    assert len(parts) == 4


def test_defaults_are_described_but_not_hashed_when_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "default_msgs" / "msg"
    folder.mkdir(parents=True)
    (folder / "One.msg").write_text("int32 a 5\n")
    (folder / "Two.msg").write_text("int32 a\n")
    monkeypatch.setenv("CELL_INTERFACE_PATH", str(tmp_path))
    one, two = (description(messages.interface(f"default_msgs/msg/{name}")) for name in ("One", "Two"))
    assert one["type_description"]["fields"][0]["default_value"] == "5"
    assert one["type_description"]["fields"][0]["type"] == two["type_description"]["fields"][0]["type"]


def test_description_is_a_message_when_asked_for_one() -> None:
    made = description_message(Header)
    assert made.type_description.type_name == "std_msgs/msg/Header"
    assert [field.name for field in made.type_description.fields] == ["stamp", "frame_id"]
    assert made.type_description.fields[0].type.nested_type_name == "builtin_interfaces/msg/Time"
    assert [entry.type_name for entry in made.referenced_type_descriptions] == ["builtin_interfaces/msg/Time"]


def test_wire_names_go_both_ways_when_converted() -> None:
    assert dds_type_name("std_msgs/msg/String") == "std_msgs::msg::dds_::String_"
    assert ros_type_name("std_msgs::msg::dds_::String_") == "std_msgs/msg/String"
    assert ros_type_name("HelloWorld") == "" and ros_type_name("a::b::String_") == ""


def test_other_classes_are_refused_when_hashed() -> None:
    with pytest.raises(InterfaceError):
        type_hash(int)
