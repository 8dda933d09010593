"""What the graph says of one publisher, subscription, server or client."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from cell.runtime.transport import Endpoint

from .qos import QoSProfile

__all__ = ["EndpointTypeEnum", "ServiceEndpointInfo", "TopicEndpointInfo"]


class EndpointTypeEnum(IntEnum):
    INVALID = 0
    PUBLISHER = 1
    SUBSCRIPTION = 2
    SERVER = 3
    CLIENT = 4


class TopicEndpointInfo(NamedTuple):
    """A publisher or a subscription."""

    node_name: str
    node_namespace: str
    topic_type: str
    endpoint_type: EndpointTypeEnum
    qos_profile: QoSProfile


class ServiceEndpointInfo(NamedTuple):
    """A server or a client."""

    node_name: str
    node_namespace: str
    service_type: str
    endpoint_type: EndpointTypeEnum
    qos_profile: QoSProfile


def topic_info(endpoint: Endpoint) -> TopicEndpointInfo:
    kind = EndpointTypeEnum.PUBLISHER if endpoint.kind == "publisher" else EndpointTypeEnum.SUBSCRIPTION
    return TopicEndpointInfo(endpoint.node_name, endpoint.node_namespace, endpoint.type_name, kind, endpoint.qos)


def service_info(endpoint: Endpoint) -> ServiceEndpointInfo:
    kind = EndpointTypeEnum.SERVER if endpoint.kind == "service" else EndpointTypeEnum.CLIENT
    return ServiceEndpointInfo(endpoint.node_name, endpoint.node_namespace, endpoint.type_name, kind, endpoint.qos)
