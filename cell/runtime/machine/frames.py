"""What travels over a connection between two processes: a head of fixed size, then CDR or JSON.

One frame is one SEQPACKET datagram; a longer one is cut into parts. Everything is checked: a peer that sends something
else is let go.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

from cell.runtime.transport import Endpoint

# Raised by one when an older process could not read it.
VERSION = 2

# kind, flags, 2 free bytes, number of an endpoint, serial, sequence, stamp in ns. A multiple of 8 bytes, which keeps
# the CDR behind it aligned.
HEAD = struct.Struct("<BBHIqqq")
HELLO, NODE, NODE_GONE, ENDPOINT, ENDPOINT_GONE, MATCHED, DATA, SLOT, OFFER, READY, REQUEST, REPLY, PART = range(1, 14)
# SYNC of a writer comes back as SYNCED with its serial: what was sent before has been taken. ALIVE: serial 0 or 1.
SYNC, SYNCED, ALIVE = range(14, 17)
# A replayed sample: the body begins with the number of the only reader that gets it.
REPLAYED = 1
# The last part of a frame that was cut.
LAST = 1
TARGET = struct.Struct("<q")
# What a SLOT frame holds: the generation of the memory, and the size of the message.
PLACE = struct.Struct("<qq")
CLIENT_GID_BYTES = 16
# What stands before a message in shared memory: the serial, and the size of the message.
SLOT_PREFIX = struct.Struct("<qq")
# So many messages may wait in shared memory for one process; what a slower one needs is lost, and counted.
DEPTH_LIMIT = 128

# The longest datagram.
DATAGRAM_BYTES = 61_440
PART_BYTES = DATAGRAM_BYTES - HEAD.size
# A frame that says it is longer is an attack or a fault.
FRAME_LIMIT_BYTES = 1 << 32

_KINDS = ("publisher", "subscription", "service", "client")

# What reading a frame that is none of ours can raise.
BAD_FRAME = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, struct.error, RecursionError)


def frame(kind: int, number: int = 0, serial: int = 0, body: Any = None) -> bytes:
    """A frame with a body in JSON."""
    head = HEAD.pack(kind, 0, 0, number, serial, 0, 0)
    return head if body is None else head + json.dumps(body, separators=(",", ":")).encode()


def body(data: bytes) -> Any:
    """The JSON body of a frame.

    Raises:
        ValueError: it is none.
    """
    return json.loads(data[HEAD.size :])


def endpoint_body(endpoint: Endpoint, type_hash: Callable[[Endpoint], str]) -> list[Any]:
    qos = endpoint.qos
    policies = [
        int(qos.history),
        qos.depth,
        int(qos.reliability),
        int(qos.durability),
        qos.lifespan.nanoseconds,
        qos.deadline.nanoseconds,
        int(qos.liveliness),
        qos.liveliness_lease_duration.nanoseconds,
        int(qos.avoid_ros_namespace_conventions),
    ]
    return [
        _KINDS.index(endpoint.kind),
        endpoint.name,
        endpoint.type_name,
        type_hash(endpoint),
        endpoint.gid.hex(),
        endpoint.node_name,
        endpoint.node_namespace,
        policies,
    ]


def endpoint_of(value: list[Any], interface: Callable[[str], Any]) -> Endpoint:
    """The foreign endpoint that a body describes; `interface` gives the class of a type, or None.

    Raises:
        BAD_FRAME: it describes none.
    """
    kind, name, type_name, type_hash, gid, node_name, namespace, policies = value
    for text in (name, type_name, type_hash, node_name, namespace):
        if not isinstance(text, str):
            raise TypeError("a name is no text")
    history, depth, reliability, durability, lifespan, deadline, liveliness, lease, avoid = map(int, policies)
    qos = QoSProfile(
        history=HistoryPolicy(history),
        depth=depth,
        reliability=ReliabilityPolicy(reliability),
        durability=DurabilityPolicy(durability),
        lifespan=Duration(nanoseconds=lifespan),
        deadline=Duration(nanoseconds=deadline),
        liveliness=LivelinessPolicy(liveliness),
        liveliness_lease_duration=Duration(nanoseconds=lease),
        avoid_ros_namespace_conventions=bool(avoid),
    )
    return Endpoint(
        _KINDS[kind],  # type: ignore[arg-type]
        name,
        interface(type_name),
        qos,
        node=(node_name, namespace),
        type_name=type_name,
        location="machine",
        gid=bytes.fromhex(gid),
        type_hash=type_hash,
    )
