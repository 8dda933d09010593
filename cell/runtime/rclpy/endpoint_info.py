"""What the graph says of one publisher, subscription, server or client."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .qos import HistoryPolicy, QoSPresetProfiles, QoSProfile
from .type_hash import TypeHash, TypeHashDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from cell.runtime.transport import Endpoint

__all__ = ["EndpointTypeEnum", "ServiceEndpointInfo", "TopicEndpointInfo", "TopicEndpointTypeEnum"]


class EndpointTypeEnum(IntEnum):
    """The numbers of rmw/types.h."""

    INVALID = 0
    PUBLISHER = 1
    SUBSCRIPTION = 2
    CLIENT = 3
    SERVER = 4


TopicEndpointTypeEnum = EndpointTypeEnum


class _EndpointInfo:
    """Fields that can be read, set, compared and printed; what is set is checked by an assertion, as in rclpy."""

    _fields: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return False
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"


def _field(name: str, convert: Callable[[Any], Any]) -> Any:
    slot = f"_{name}"

    def get(self: _EndpointInfo) -> Any:
        return getattr(self, slot)

    def put(self: _EndpointInfo, value: Any) -> None:
        setattr(self, slot, convert(value))

    return property(get, put)


def _text(value: Any) -> str:
    assert isinstance(value, str)
    return value


def _whole(value: Any) -> int:
    assert isinstance(value, int)
    return value


def _hash(value: Any) -> TypeHash:
    assert isinstance(value, (TypeHash, dict))
    return TypeHash(**value) if isinstance(value, dict) else value


def _kind(value: Any) -> EndpointTypeEnum:
    assert isinstance(value, int)
    return EndpointTypeEnum(value)


def _gid(value: Any) -> list[int]:
    assert all(isinstance(entry, int) for entry in value)
    return value  # type: ignore[no-any-return]


def _gids(value: Any) -> list[list[int]]:
    assert isinstance(value, list)
    return [_gid(entry) for entry in value]


def _profile(value: Any) -> QoSProfile:
    assert isinstance(value, (QoSProfile, dict))
    return QoSProfile(**value) if isinstance(value, dict) else value


def _profiles(value: Any) -> list[QoSProfile]:
    assert isinstance(value, list)
    return [_profile(entry) for entry in value]


class TopicEndpointInfo(_EndpointInfo):
    """A publisher or a subscription."""

    _fields = (
        "node_name",
        "node_namespace",
        "topic_type",
        "topic_type_hash",
        "endpoint_type",
        "endpoint_gid",
        "qos_profile",
    )

    node_name: str = _field("node_name", _text)
    node_namespace: str = _field("node_namespace", _text)
    topic_type: str = _field("topic_type", _text)
    topic_type_hash: TypeHash = _field("topic_type_hash", _hash)
    endpoint_type: EndpointTypeEnum = _field("endpoint_type", _kind)
    endpoint_gid: list[int] = _field("endpoint_gid", _gid)
    qos_profile: QoSProfile = _field("qos_profile", _profile)

    def __init__(  # noqa: PLR0917 (as in rclpy)
        self,
        node_name: str = "",
        node_namespace: str = "",
        topic_type: str = "",
        topic_type_hash: TypeHash | TypeHashDictionary | None = None,
        endpoint_type: EndpointTypeEnum | int = EndpointTypeEnum.INVALID,
        endpoint_gid: list[int] | None = None,
        qos_profile: QoSProfile | dict[str, Any] = QoSPresetProfiles.UNKNOWN.value,
    ) -> None:
        self.node_name = node_name
        self.node_namespace = node_namespace
        self.topic_type = topic_type
        self.topic_type_hash = TypeHash() if topic_type_hash is None else _hash(topic_type_hash)
        self.endpoint_type = EndpointTypeEnum(endpoint_type)
        self.endpoint_gid = [] if endpoint_gid is None else endpoint_gid
        self.qos_profile = _profile(qos_profile)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"Node name: {self.node_name}",
                f"Node namespace: {self.node_namespace}",
                f"Topic type: {self.topic_type}",
                f"Topic type hash: {self.topic_type_hash}",
                f"Endpoint type: {self.endpoint_type.name}",
                f"GID: {_dotted(self.endpoint_gid)}",
                "QoS profile:",
                *_lines(self.qos_profile, "  "),
            ]
        )


class ServiceEndpointInfo(_EndpointInfo):
    """A server or a client; where a middleware makes it of two topics, with the reader's and the writer's profile."""

    _fields = (
        "node_name",
        "node_namespace",
        "service_type",
        "service_type_hash",
        "qos_profiles",
        "endpoint_gids",
        "endpoint_type",
        "endpoint_count",
    )

    node_name: str = _field("node_name", _text)
    node_namespace: str = _field("node_namespace", _text)
    service_type: str = _field("service_type", _text)
    service_type_hash: TypeHash = _field("service_type_hash", _hash)
    qos_profiles: list[QoSProfile] = _field("qos_profiles", _profiles)
    endpoint_gids: list[list[int]] = _field("endpoint_gids", _gids)
    endpoint_type: EndpointTypeEnum = _field("endpoint_type", _kind)
    endpoint_count: int = _field("endpoint_count", _whole)

    def __init__(  # noqa: PLR0917 (as in rclpy)
        self,
        node_name: str = "",
        node_namespace: str = "",
        service_type: str = "",
        service_type_hash: TypeHash | TypeHashDictionary | None = None,
        qos_profiles: list[QoSProfile] | list[dict[str, Any]] | None = None,
        endpoint_gids: list[list[int]] | None = None,
        endpoint_type: EndpointTypeEnum | int = EndpointTypeEnum.INVALID,
        endpoint_count: int = 0,
    ) -> None:
        self.node_name = node_name
        self.node_namespace = node_namespace
        self.service_type = service_type
        self.service_type_hash = TypeHash() if service_type_hash is None else _hash(service_type_hash)
        self.qos_profiles = _profiles([] if qos_profiles is None else qos_profiles)
        self.endpoint_gids = [] if endpoint_gids is None else endpoint_gids
        self.endpoint_type = EndpointTypeEnum(endpoint_type)
        self.endpoint_count = endpoint_count

    def __str__(self) -> str:
        lines = [
            f"Node name: {self.node_name}",
            f"Node namespace: {self.node_namespace}",
            f"Service type: {self.service_type}",
            f"Service type hash: {self.service_type_hash}",
            f"Endpoint type: {self.endpoint_type.name}",
            f"Endpoint count: {self.endpoint_count}",
        ]
        if self.endpoint_count == 1:
            lines += [f"GID: {_dotted(self.endpoint_gids[0])}", "QoS profile:", *_lines(self.qos_profiles[0], "  ")]
        elif self.endpoint_count == 2:
            parts = [("Request Reader", 0), ("Response Writer", 1)]
            if self.endpoint_type == EndpointTypeEnum.CLIENT:
                parts = [("Request Writer", 1), ("Response Reader", 0)]
            lines += ["GIDs:", *(f" - {name} : {_dotted(self.endpoint_gids[number])}" for name, number in parts)]
            lines.append("QoS profiles:")
            for name, number in parts:
                lines += [f" - {name} :", *_lines(self.qos_profiles[number], "      ")]
        return "\n".join(lines)


def _dotted(gid: list[int]) -> str:
    return ".".join(f"{byte:02x}" for byte in gid)


def _lines(profile: QoSProfile, indent: str) -> list[str]:
    history = profile.history.name
    if profile.history == HistoryPolicy.KEEP_LAST:
        history += f" ({profile.depth})"
    return [
        f"{indent}Reliability: {profile.reliability.name}",
        f"{indent}History (Depth): {history}",
        f"{indent}Durability: {profile.durability.name}",
        f"{indent}Lifespan: {profile.lifespan}",
        f"{indent}Deadline: {profile.deadline}",
        f"{indent}Liveliness: {profile.liveliness.name}",
        f"{indent}Liveliness lease duration: {profile.liveliness_lease_duration}",
    ]


_KINDS = {
    "publisher": EndpointTypeEnum.PUBLISHER,
    "subscription": EndpointTypeEnum.SUBSCRIPTION,
    "client": EndpointTypeEnum.CLIENT,
    "service": EndpointTypeEnum.SERVER,
}


def topic_info(endpoint: Endpoint) -> TopicEndpointInfo:
    return TopicEndpointInfo(
        endpoint.node_name,
        endpoint.node_namespace,
        endpoint.type_name,
        _type_hash(endpoint),
        _KINDS[endpoint.kind],
        list(endpoint.gid),
        endpoint.qos,
    )


def service_info(endpoint: Endpoint) -> ServiceEndpointInfo:
    return ServiceEndpointInfo(
        endpoint.node_name,
        endpoint.node_namespace,
        endpoint.type_name,
        _type_hash(endpoint),
        [endpoint.qos],
        [list(endpoint.gid)],
        _KINDS[endpoint.kind],
        1,
    )


def _type_hash(endpoint: Endpoint) -> TypeHash:
    """Of a foreign endpoint, what its transport heard of it, else what a class of that name gives here."""
    told = getattr(endpoint, "type_hash", "")
    if told:
        return TypeHash.parse(told)
    if endpoint.interface is None:
        return TypeHash()
    from cell.runtime.interfaces import InterfaceError  # noqa: PLC0415 (only for graph queries)
    from cell.runtime.type_description import type_hash  # noqa: PLC0415 (see above)

    try:
        return TypeHash.parse(type_hash(endpoint.interface))
    except InterfaceError:
        return TypeHash()
