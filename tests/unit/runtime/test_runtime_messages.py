"""Generated message classes: rclpy's surface, checks and buffers."""

from __future__ import annotations

import copy
import pickle
from array import array

import numpy as np
import pytest
from cell_msgs.msg import Part
from cell_msgs.srv import StateCommand
from control_msgs.action import FollowJointTrajectory, ParallelGripperCommand
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point, PoseWithCovariance, Quaternion
from rcl_interfaces.msg import IntegerRange, ParameterDescriptor
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float32, Header, String, UInt8
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from unique_identifier_msgs.msg import UUID


def test_defaults_are_those_of_the_definition_when_nothing_is_given() -> None:
    assert Quaternion().w == 1.0
    assert Header().frame_id == "" and Header().stamp.sec == 0
    assert DiagnosticStatus().level == b"\0"
    assert isinstance(JointState().position, array)
    assert CameraInfo().k.shape == (9,) and CameraInfo().k.dtype == np.float64
    assert Part.DEFECTIVE == 2 and Part().covariance.tolist() == [0.0] * 4


def test_defaults_are_not_shared_when_two_messages_are_made() -> None:
    one, two = JointTrajectory(), JointTrajectory()
    one.points.append(JointTrajectoryPoint())
    one.header.frame_id = "x"
    first, second = CameraInfo(), CameraInfo()
    first.k[0] = 5.0
    assert not two.points and two.header.frame_id == "" and second.k[0] == 0.0


def test_unknown_names_are_refused_when_given_or_set() -> None:
    with pytest.raises(AssertionError, match="frame"):
        Header(frame="x")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Header().frame = "x"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (Point, "x", 1),
        (UInt8, "data", 256),
        (UInt8, "data", -1),
        (UInt8, "data", 1.0),
        (Float32, "data", 1e39),
        (String, "data", b"x"),
        (Header, "stamp", 3),
        (DiagnosticStatus, "level", 0),
        (JointState, "name", "joint"),
        (JointState, "name", [1]),
        (JointState, "position", "12"),
        (JointState, "position", [1]),
        (JointState, "position", 1.0),
        (Image, "data", [256]),
        (Image, "data", np.zeros((2, 2), np.uint8)),
        (JointTrajectory, "points", [Point()]),
        (UUID, "uuid", [0] * 15),
        (ParameterDescriptor, "integer_range", [IntegerRange(), IntegerRange()]),
    ],
)
def test_wrong_values_are_refused_when_set(make: type, field: str, value: object) -> None:
    message = make()
    before = copy.deepcopy(message)
    with pytest.raises(AssertionError):
        setattr(message, field, value)
    assert message == before


@pytest.mark.parametrize(
    "buffer",
    [
        bytes(range(6)),
        bytearray(range(6)),
        memoryview(bytes(range(6))),
        array("B", range(6)),
        np.arange(6, dtype=np.uint8),
    ],
)
def test_octet_buffers_stay_as_given_when_set(buffer: object) -> None:
    assert Image(data=buffer).data is buffer


def test_numbers_become_arrays_when_given_as_lists() -> None:
    values = [1.0, 2.5]
    message = JointState(position=values, velocity=(0.5,), effort=np.array([1.0, 2.0], np.float32))
    values[0] = 9.0
    assert message.position == array("d", [1.0, 2.5])
    assert message.velocity == array("d", [0.5])
    assert message.effort == array("d", [1.0, 2.0])
    vector = np.array([3.0, 4.0])
    message.position = vector
    assert message.position is vector


def test_fixed_arrays_take_lists_and_arrays_when_length_fits() -> None:
    pose = PoseWithCovariance(covariance=[0.5] * 36)
    assert pose.covariance.sum() == 18.0
    assert bytes(UUID(uuid=bytes(range(16))).uuid) == bytes(range(16))
    exact = np.zeros(9)
    assert CameraInfo(k=exact).k is exact


def test_messages_compare_by_value_when_buffers_differ_in_kind() -> None:
    pixels = np.arange(12, dtype=np.uint8)
    assert Image(data=pixels) == Image(data=pixels.tobytes()) == Image(data=bytearray(pixels))
    assert Image(data=pixels) != Image(data=pixels[:-1])
    assert Image(data=pixels) != Image(data=pixels + np.uint8(1))
    assert Point(x=1.0) == Point(x=1.0)
    assert Point(x=1.0) != Point(x=2.0)
    assert Point() != Quaternion()


def test_messages_survive_when_copied_and_pickled() -> None:
    part = Part(part_id=7, defects=["scratch"], covariance=[1.0, 0.0, 0.0, 1.0])
    assert copy.deepcopy(part) == part
    assert pickle.loads(pickle.dumps(part)) == part


def test_fields_and_repr_name_the_types_when_asked() -> None:
    assert Point.get_fields_and_field_types() == {"x": "double", "y": "double", "z": "double"}
    fields = JointTrajectory.get_fields_and_field_types()
    assert fields["header"] == "std_msgs/Header"
    assert fields["points"] == "sequence<trajectory_msgs/JointTrajectoryPoint>"
    assert UUID.get_fields_and_field_types() == {"uuid": "uint8[16]"}
    assert repr(Point(x=1.5)) == "geometry_msgs.msg.Point(x=1.5, y=0.0, z=0.0)"
    assert len(Point.SLOT_TYPES) == 3


def test_services_and_actions_hold_their_parts_when_imported() -> None:
    assert StateCommand.Request(command=2, by="test").command == 2
    assert StateCommand.Response().accepted is False
    assert FollowJointTrajectory.Result.PATH_TOLERANCE_VIOLATED == -4
    assert list(FollowJointTrajectory.Goal.get_fields_and_field_types()) == [
        "trajectory",
        "multi_dof_trajectory",
        "path_tolerance",
        "component_path_tolerance",
        "goal_tolerance",
        "component_goal_tolerance",
        "goal_time_tolerance",
    ]
    assert ParallelGripperCommand.Goal().command.name == []
    request = FollowJointTrajectory.Impl.SendGoalService.Request()
    assert isinstance(request.goal, FollowJointTrajectory.Goal)


def test_classes_are_the_same_when_imported_in_two_ways() -> None:
    import std_msgs.msg

    import cell.runtime.messages as generated

    assert std_msgs.msg.Header is Header is generated.interface("std_msgs/msg/Header")
    assert "Header" in dir(std_msgs.msg)
    with pytest.raises(ImportError):
        from std_msgs.msg import Nonsense  # noqa: F401
