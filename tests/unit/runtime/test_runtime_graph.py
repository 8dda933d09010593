"""What nodes learn of the graph: names, types, counts, endpoints, enclaves; foreign ones stand beside their own."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rclpy.endpoint_info import EndpointTypeEnum, ServiceEndpointInfo, TopicEndpointInfo
from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.type_hash import TypeHash
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cell.runtime.transport import Endpoint

STRING_HASH = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"


def foreign(kind: Any, name: str, type_name: str, **more: Any) -> Endpoint:
    return Endpoint(
        kind, name, None, QoSProfile(depth=3), node=("far", "/away"), type_name=type_name, location="wire", **more
    )


def test_endpoints_are_described_when_they_are_here_and_elsewhere(graph: Any) -> None:
    node = graph.node("node", namespace="/line")
    node.create_publisher(String, "text", qos_profile_sensor_data)
    told = f"RIHS01_{'ab' * 32}"
    node._rcl_bus.add_foreign(
        foreign("publisher", "/line/text", "std_msgs/msg/String", gid=bytes(range(16)), type_hash=told)
    )
    here, there = node.get_publishers_info_by_topic("text")
    assert (here.node_name, here.node_namespace, here.topic_type) == ("node", "/line", "std_msgs/msg/String")
    assert here.endpoint_type is EndpointTypeEnum.PUBLISHER and len(here.endpoint_gid) == 16
    assert here.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
    assert str(here.topic_type_hash) == STRING_HASH
    assert (there.node_name, there.node_namespace, str(there.topic_type_hash)) == ("far", "/away", told)
    assert there.endpoint_gid == list(range(16))
    assert "GID: 00.01.02.03" in str(there)
    assert node.count_publishers("text") == 2 and node.count_subscribers("text") == 0
    assert node.get_subscriptions_info_by_topic("text") == []


def test_services_are_described_when_asked_for(graph: Any) -> None:
    node = graph.node("node")
    node.create_service(Trigger, "go", lambda request, response: response)
    node.create_client(Trigger, "go")
    [server] = node.get_servers_info_by_service("go")
    [client] = node.get_clients_info_by_service("/go")
    assert (server.endpoint_type, client.endpoint_type) == (EndpointTypeEnum.SERVER, EndpointTypeEnum.CLIENT)
    assert server.service_type == "std_srvs/srv/Trigger" and server.endpoint_count == 1
    assert str(server.service_type_hash).startswith("RIHS01_")
    assert "Endpoint type: SERVER" in str(server)
    assert (node.count_services("go"), node.count_clients("go")) == (1, 1)
    with pytest.raises(ValueError, match="is invalid"):
        node.count_clients("42")


def test_names_are_those_of_dds_when_not_demangled(graph: Any) -> None:
    node = graph.node("node", start_parameter_services=False, enable_rosout=False)
    node.create_publisher(String, "text", 1)
    node.create_service(Trigger, "go", lambda request, response: response)
    plain = dict(node.get_topic_names_and_types())
    assert plain["/text"] == ["std_msgs/msg/String"] and "/go" not in plain
    raw = dict(node.get_topic_names_and_types(no_demangle=True))
    assert raw["rt/text"] == ["std_msgs::msg::dds_::String_"]
    assert raw["rq/goRequest"] == ["std_srvs::srv::dds_::Trigger_Request_"]
    assert raw["rr/goReply"] == ["std_srvs::srv::dds_::Trigger_Response_"]
    assert len(node.get_publishers_info_by_topic("rt/text", no_mangle=True)) == 1
    assert node.get_publishers_info_by_topic("/text", no_mangle=True) == []
    assert ("rt/text", ["std_msgs::msg::dds_::String_"]) in node.get_publisher_names_and_types_by_node(
        "node", "/", no_demangle=True
    )


def test_node_is_asked_for_its_endpoints_when_it_exists(graph: Any) -> None:
    node = graph.node("node")
    other = graph.node("other", namespace="/line", start_parameter_services=False)
    other.create_subscription(String, "text", print, 1)
    other.create_client(Trigger, "go")
    node._rcl_bus.add_node("far", "/away", local=False)
    node._rcl_bus.add_foreign(foreign("subscription", "/text", "std_msgs/msg/String"))
    assert ("/line/text", ["std_msgs/msg/String"]) in node.get_subscriber_names_and_types_by_node("other", "/line")
    assert node.get_client_names_and_types_by_node("other", "/line") == [("/line/go", ["std_srvs/srv/Trigger"])]
    assert node.get_subscriber_names_and_types_by_node("far", "/away") == [("/text", ["std_msgs/msg/String"])]
    assert node.get_service_names_and_types_by_node("far", "/away") == []
    with pytest.raises(rclpy_implementation.NodeNameNonExistentError):
        node.get_service_names_and_types_by_node("nobody", "/")
    node._rcl_bus.remove_node("far", "/away", local=False)


def test_nodes_are_listed_when_they_are_there(graph: Any) -> None:
    node = graph.node("node")
    graph.node("other", namespace="/line")
    assert node.get_node_names() == ["node", "other"]
    assert node.get_fully_qualified_node_names() == ["/node", "/line/other"]
    assert node.get_node_names_and_namespaces() == [("node", "/"), ("other", "/line")]
    assert node.get_node_names_and_namespaces_with_enclaves() == [("node", "/", "/"), ("other", "/line", "/")]


def test_waiting_ends_when_node_comes(graph: Any) -> None:
    node = graph.node("node")
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(node.wait_for_node("/line/late", 60.0)))
    thread.start()
    late = graph.node("late", namespace="/line", spin=False)
    thread.join(60.0)
    assert found == [True]
    late.destroy_node()
    assert not node.wait_for_node("line/late", 0.0)


@pytest.mark.parametrize("name", ["42", "a b", "a/", ""])
def test_query_is_refused_when_name_is_not_allowed(graph: Any, name: str) -> None:
    node = graph.node("node")
    for query in (node.count_publishers, node.count_services, node.get_publishers_info_by_topic):
        with pytest.raises(ValueError, match="is invalid"):
            query(name)
    with pytest.raises(RuntimeError, match="failed to resolve name"):
        node.resolve_topic_name(name)
    with pytest.raises(TypeError):
        node.count_publishers(1)


def test_query_is_refused_when_node_is_destroyed(graph: Any) -> None:
    node = graph.node("node")
    node.destroy_node()
    for query in (node.get_node_names, node.get_topic_names_and_types, node.get_name):
        with pytest.raises(InvalidHandle):
            query()


def test_infos_are_equal_when_their_fields_are() -> None:
    info = TopicEndpointInfo(node_name="a", topic_type_hash={"version": 1, "value": bytes(32)}, endpoint_type=1)
    same = TopicEndpointInfo()
    assert info != same
    same.node_name, same.endpoint_type = "a", EndpointTypeEnum.PUBLISHER
    same.topic_type_hash = TypeHash(1, bytes(32))
    assert info == same
    with pytest.raises(AssertionError):
        same.node_name = 5
    two = ServiceEndpointInfo(
        endpoint_type=EndpointTypeEnum.CLIENT,
        endpoint_count=2,
        endpoint_gids=[[1], [2]],
        qos_profiles=[QoSProfile(depth=1), QoSProfile(depth=2)],
    )
    assert " - Request Writer : 02\n - Response Reader : 01" in str(two)


@pytest.mark.parametrize("text", ["", "RIHS01_", "RIHS01_zz", "MD5_00", f"RIHSx_{'00' * 32}"])
def test_hash_is_invalid_when_text_is_none(text: str) -> None:
    assert str(TypeHash.parse(text)) == "INVALID"
    assert str(TypeHash.parse(STRING_HASH)) == STRING_HASH
