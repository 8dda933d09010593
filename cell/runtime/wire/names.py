"""ROS 2's names on the wire (design.ros2.org, "Topic and Service name mapping to DDS"), and what its user data say."""

from __future__ import annotations

from typing import NamedTuple

_TOPIC, _REQUEST, _REPLY = "rt", "rq", "rr"
_REQUEST_END, _REPLY_END = "Request", "Reply"

DISCOVERY_TOPIC = "ros_discovery_info"
UNKNOWN_NODE = ("_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_")


def topic(name: str, *, plain: bool = False) -> str:
    """`/chatter` is `rt/chatter`; with `plain` (`avoid_ros_namespace_conventions`) it stays as it is."""
    return name if plain else _TOPIC + name


def request(service: str, *, plain: bool = False) -> str:
    return service + _REQUEST_END if plain else f"{_REQUEST}{service}{_REQUEST_END}"


def reply(service: str, *, plain: bool = False) -> str:
    return service + _REPLY_END if plain else f"{_REPLY}{service}{_REPLY_END}"


class RosName(NamedTuple):
    """What a topic on the wire stands for: `kind` is topic, request or reply; `type_name` is `package/kind/Type`."""

    kind: str
    name: str
    type_name: str


def ros_name(dds_topic: str, dds_type: str) -> RosName | None:
    """The ROS name behind a topic and a type on the wire; None where they are not of ROS 2."""
    from cell.runtime.type_description import ros_type_name  # noqa: PLC0415 (only once the wire is used)

    prefix, _, rest = dds_topic.partition("/")
    type_name = ros_type_name(dds_type)
    if not rest or not type_name:
        return None
    if prefix == _TOPIC:
        return RosName("topic", f"/{rest}", type_name)
    for kind, own_prefix, end, type_end in (
        ("request", _REQUEST, _REQUEST_END, "_Request"),
        ("reply", _REPLY, _REPLY_END, "_Response"),
    ):
        if prefix == own_prefix and rest.endswith(end) and type_name.endswith(type_end):
            return RosName(kind, f"/{rest.removesuffix(end)}", type_name.removesuffix(type_end))
    return None


def parse_user_data(data: bytes) -> dict[str, str]:
    """`key=value;key=value;` as a dict; what is not in that form is left out."""
    found: dict[str, str] = {}
    for entry in data.decode("utf-8", "replace").split(";"):
        key, equals, value = entry.partition("=")
        if equals:
            found[key] = value
    return found


def user_data(**entries: str) -> bytes:
    return "".join(f"{key}={value};" for key, value in entries.items()).encode()


def pair_id(number: int, participant: bytes) -> str:
    """Ties the writer and the reader of one client or server together, as rmw_cyclonedds writes it.

    16 bytes in hexadecimal with dots between: the participant's GUID prefix, then `number`, big-endian.
    """
    octets = participant[:12] + number.to_bytes(4, "big")
    return ".".join(f"{octet:2x}" if index == 0 else f"{octet:x}" for index, octet in enumerate(octets))
