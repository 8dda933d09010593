"""No visible mutation: what a publisher or a subscriber does to a message is never seen elsewhere."""

from __future__ import annotations

import copy
import pickle
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import PoseWithCovarianceStamped
from sensor_msgs.msg import Image, JointState, PointCloud2, PointField
from std_msgs.msg import Float64MultiArray, String, UInt8MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from cell.runtime import interfaces, messages
from cell.runtime.message_copies import MutationError, changed_field, fingerprints

BIG = 200_000


class Topic:
    """A publisher, and readers that keep what they get."""

    def __init__(self, graph: Any, interface: type, readers: int = 2) -> None:
        self.graph = graph
        self.got: list[list[Any]] = [[] for _ in range(readers)]
        self.publisher = graph.node("sender").create_publisher(interface, "/topic", 10)
        for number, got in enumerate(self.got):
            graph.node(f"reader_{number}").create_subscription(interface, "/topic", got.append, 10)

    def read(self) -> list[Any]:
        self.graph.executor.spin_until_idle()
        return [got.pop() for got in self.got]


def test_readers_see_the_message_as_it_was_when_it_is_changed_after_publish(graph: Any) -> None:
    topic = Topic(graph, JointTrajectory)
    message = JointTrajectory(
        joint_names=["a"],
        points=[JointTrajectoryPoint(positions=[1.0], time_from_start=Duration(sec=2))],
    )
    message.header.frame_id = "base"
    before = copy.deepcopy(message)
    topic.publisher.publish(message)
    message.header.frame_id = "moved"
    message.header.stamp.sec = 9
    message.joint_names.append("b")
    message.points[0].positions[0] = 5.0
    message.points[0].positions.append(6.0)
    message.points[0].time_from_start.sec = 7
    message.points.append(JointTrajectoryPoint())
    assert topic.read() == [before, before]


def test_other_readers_see_nothing_when_one_changes_its_message(graph: Any) -> None:
    topic = Topic(graph, PoseWithCovarianceStamped, readers=3)
    message = PoseWithCovarianceStamped()
    message.pose.covariance[3] = 0.5
    before = copy.deepcopy(message)
    topic.publisher.publish(message)
    first, second, third = topic.read()
    first.pose.covariance[3] = 9.0
    first.pose.pose.position.x = 4.0
    first.header.frame_id = "mine"
    assert second == third == message == before


def test_late_reader_sees_the_message_as_it_was_when_it_was_published(graph: Any) -> None:
    from rclpy.qos import DurabilityPolicy, QoSProfile

    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node = graph.node("node")
    got: list[String] = []
    message = String(data="one")
    node.create_publisher(String, "x", latched).publish(message)
    message.data = "two"
    for _ in range(2):
        node.create_subscription(String, "x", got.append, latched)
        graph.executor.spin_until_idle()
        got[-1].data += "!"
    assert [entry.data for entry in got] == ["one!", "one!"]


@pytest.mark.parametrize("size", [16, BIG])
def test_arrays_and_bytearrays_are_copied_when_published(graph: Any, size: int) -> None:
    topic = Topic(graph, UInt8MultiArray)
    buffers: tuple[Any, ...] = (array("B", bytes(size)), bytearray(size), memoryview(bytearray(size)))
    for buffer in buffers:
        topic.publisher.publish(UInt8MultiArray(data=buffer))
        buffer[0] = 7
        assert [bytes(message.data) for message in topic.read()] == [bytes(size)] * 2


def test_big_arrays_are_read_only_and_shared_when_they_arrive(graph: Any) -> None:
    topic = Topic(graph, Float64MultiArray)
    topic.publisher.publish(Float64MultiArray(data=array("d", [0.5] * BIG)))
    one, two = topic.read()
    assert isinstance(one.data, memoryview) and one.data.readonly and one.data.obj is two.data.obj
    assert one.data[3] == 0.5 and len(one.data) == BIG
    with pytest.raises(TypeError, match="read-only"):
        one.data[0] = 1.0
    mine = copy.deepcopy(one)
    mine.data[0] = 1.0
    assert mine.data[0] == 1.0 and two.data[0] == 0.5
    assert pickle.loads(pickle.dumps(one)) == one


def test_small_arrays_are_the_readers_own_when_they_arrive(graph: Any) -> None:
    topic = Topic(graph, JointState)
    topic.publisher.publish(JointState(name=["a"], position=[1.0]))
    one, two = topic.read()
    one.position[0] = 2.0
    one.position.append(3.0)
    one.name[0] = "b"
    assert two == JointState(name=["a"], position=[1.0])


@pytest.mark.parametrize("as_bytes", [True, False])
def test_image_is_the_same_buffer_when_it_is_bytes_or_an_ndarray(graph: Any, as_bytes: bool) -> None:
    pixels: Any = bytes(BIG) if as_bytes else np.zeros(BIG, np.uint8)
    topic = Topic(graph, Image)
    topic.publisher.publish(Image(data=pixels))
    assert all(message.data is pixels for message in topic.read())


def test_frame_is_read_only_when_a_view_of_it_is_published(graph: Any) -> None:
    topic = Topic(graph, Image)
    frame = np.zeros((100, 200, 3), np.uint8)
    topic.publisher.publish(Image(data=frame.reshape(-1)))
    with pytest.raises(ValueError, match="read-only"):
        frame[0, 0, 0] = 1
    (one, two) = topic.read()
    assert np.shares_memory(one.data, frame) and one.data is two.data
    with pytest.raises(ValueError, match="read-only"):
        one.data[0] = 1


def test_ndarray_is_copied_when_other_memory_lies_under_it(graph: Any) -> None:
    memory = bytearray(BIG)
    topic = Topic(graph, UInt8MultiArray)
    topic.publisher.publish(UInt8MultiArray(data=np.frombuffer(memory, np.uint8)))
    memory[0] = 9
    assert [message.data[0] for message in topic.read()] == [0, 0]


def test_received_image_keeps_its_buffer_when_it_is_published_again(graph: Any) -> None:
    pixels = np.zeros(BIG, np.uint8)
    topic = Topic(graph, Image, readers=1)
    topic.publisher.publish(Image(data=pixels))
    (received,) = topic.read()
    received.header.frame_id = "relayed"
    topic.publisher.publish(received)
    (again,) = topic.read()
    assert again.data is pixels and again.header.frame_id == "relayed"


def test_raw_reader_and_raw_publisher_meet_typed_ones_when_bytes_are_published(graph: Any) -> None:
    from rclpy._rclpy_errors import RCLError
    from rclpy.serialization import deserialize_message, serialize_message

    node = graph.node("node")
    typed: list[String] = []
    raw: list[bytes] = []
    publisher = node.create_publisher(String, "x", 10)
    node.create_subscription(String, "x", typed.append, 10)
    node.create_subscription(String, "x", raw.append, 10, raw=True)
    publisher.publish(String(data="typed"))
    publisher.publish(serialize_message(String(data="raw")))
    graph.executor.spin_until_idle()
    assert [message.data for message in typed] == ["typed", "raw"]
    assert [deserialize_message(data, String).data for data in raw] == ["typed", "raw"]
    with pytest.raises(RCLError):
        publisher.publish(b"\0\1\0\0\xff\xff\xff\xff")


def test_snapshots_share_nothing_mutable_when_any_interface_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELL_INTERFACE_PATH", str(Path(__file__).parent / "interfaces"))

    def mutable(value: Any) -> list[Any]:
        if hasattr(value, "_DEFINITION"):
            return [value, *(part for slot in value.__slots__ for part in mutable(getattr(value, slot)))]
        if isinstance(value, list):
            return [value, *(part for item in value for part in mutable(item))]
        return [value] if isinstance(value, array | np.ndarray) else []

    for package in interfaces.packages():
        for short in interfaces.type_names(package, "msg"):
            message = messages.interface(f"{package}/msg/{short}")()
            for made in (message._snapshot(), message._share()):
                assert made == message
                shared = {id(part) for part in mutable(message)} & {id(part) for part in mutable(made)}
                assert not shared, (package, short)


def test_change_is_found_when_a_field_anywhere_is_changed() -> None:
    cloud = PointCloud2(fields=[PointField(name="x")], data=np.zeros(BIG, np.uint8))
    before = fingerprints(cloud)
    assert changed_field(cloud, before) == ""
    cloud.data[BIG - 1] = 1
    assert changed_field(cloud, before) == "data"
    cloud.data[BIG - 1] = 0
    cloud.fields[0].name = "y"
    assert changed_field(cloud, before) == "fields"


def test_error_names_topic_and_field_when_a_hidden_view_is_written_to(graph: Any) -> None:
    # Nobody can know of a view that was made before: the check is there for this.
    node = graph.node("node")
    pixels = np.zeros(BIG, np.uint8)
    hidden = pixels[:]
    publisher = node.create_publisher(Image, "x", 10)
    node.create_subscription(Image, "x", lambda _: None, 10)
    publisher.publish(Image(data=pixels))
    hidden[3] = 1
    with pytest.raises(MutationError, match=r"/x: the field 'data' of a sensor_msgs/msg/Image changed before"):
        graph.executor.spin_until_idle()
    with pytest.raises(MutationError, match=r"/x: the field 'data' .* after it was published"):
        publisher.publish(Image())


def test_error_is_raised_when_a_callback_writes_through_a_hidden_view(graph: Any) -> None:
    node = graph.node("node")
    pixels = np.zeros(BIG, np.uint8)
    hidden = pixels[:]
    publisher = node.create_publisher(Image, "x", 10)

    def spoil(message: Image) -> None:
        hidden[0] += 1

    async def spoil_later(message: Image) -> None:
        hidden[1] += 1

    first = node.create_subscription(Image, "x", spoil, 10)
    publisher.publish(Image(data=pixels))
    with pytest.raises(MutationError, match="while a callback ran"):
        graph.executor.spin_until_idle()
    node.destroy_subscription(first)
    other = node.create_publisher(Image, "y", 10)
    node.create_subscription(Image, "y", spoil_later, 10)
    other.publish(Image(data=pixels))
    with pytest.raises(MutationError, match="while a callback ran"):
        graph.executor.spin_until_idle()


def test_nothing_is_hashed_when_the_check_is_off(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELL_CHECK_MUTATION")
    monkeypatch.setattr("rclpy.publisher.fingerprints", lambda message: pytest.fail("hashed"))
    monkeypatch.setattr("rclpy.subscription.fingerprints", lambda message: pytest.fail("hashed"))
    topic = Topic(graph, String)
    topic.publisher.publish(String(data="x"))
    assert topic.read() == [String(data="x")] * 2
