"""Quality of service between rclpy's profiles and DDS, both ways; defaults where a policy is left open are ROS 2's."""

from __future__ import annotations

import ctypes as ct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

from cell.runtime.wire.cyclone import INFINITE_NS, library

if TYPE_CHECKING:
    from cell.runtime.transport import Endpoint

_KEEP_LAST, _KEEP_ALL = 0, 1
_BEST_EFFORT, _RELIABLE = 0, 1
_VOLATILE, _TRANSIENT_LOCAL = 0, 1
_AUTOMATIC, _MANUAL_BY_TOPIC = 0, 2
_UNLIMITED = -1
_IGNORE_OWN_PARTICIPANT = 1

# How long a reliable write may wait for slow readers, before the message goes into a backlog.
MAX_BLOCKING_NS = 1_000_000_000


@contextmanager
def endpoint_qos(
    profile: QoSProfile, others: Sequence[Endpoint] = (), *, writer: bool, user_data: bytes = b""
) -> Iterator[Any]:
    """The `dds_qos_t` of a writer or a reader, for the time of the `with`.

    `others` are the endpoints on the other side: what "best available" means depends on them.
    """
    lib = library()
    made = lib.dds_create_qos()
    try:
        depth = _UNLIMITED if profile.history == HistoryPolicy.KEEP_ALL else max(1, profile.depth)
        history = _KEEP_ALL if profile.history == HistoryPolicy.KEEP_ALL else _KEEP_LAST
        reliable = profile.reliability != ReliabilityPolicy.BEST_EFFORT
        if profile.reliability == ReliabilityPolicy.BEST_AVAILABLE:
            reliable = all(other.qos.reliability != ReliabilityPolicy.BEST_EFFORT for other in others)
        if writer and reliable:
            # With "keep last", Cyclone overwrites what readers have not got yet, half an image for instance. Instead
            # a writer waits for them, and what does not fit the depth is dropped before it is written (see Backlog).
            lib.dds_qset_history(made, _KEEP_ALL, _UNLIMITED)
        else:
            lib.dds_qset_history(made, history, depth)
        lib.dds_qset_reliability(made, _RELIABLE if reliable else _BEST_EFFORT, MAX_BLOCKING_NS if reliable else 0)
        if keeps_samples(profile, others):
            lib.dds_qset_durability(made, _TRANSIENT_LOCAL)
            # What late readers get is a policy of its own in DDS.
            lib.dds_qset_durability_service(made, 0, history, depth, _UNLIMITED, _UNLIMITED, _UNLIMITED)
        else:
            lib.dds_qset_durability(made, _VOLATILE)
        if profile.lifespan.nanoseconds:
            lib.dds_qset_lifespan(made, profile.lifespan.nanoseconds)
        if profile.deadline.nanoseconds:
            lib.dds_qset_deadline(made, profile.deadline.nanoseconds)
        manual = profile.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
        lease_ns = profile.liveliness_lease_duration.nanoseconds or INFINITE_NS
        lib.dds_qset_liveliness(made, _MANUAL_BY_TOPIC if manual else _AUTOMATIC, lease_ns)
        # Inside the process the bus delivers.
        lib.dds_qset_ignorelocal(made, _IGNORE_OWN_PARTICIPANT)
        lib.dds_qset_writer_data_lifecycle(made, False)
        if user_data:
            lib.dds_qset_userdata(made, user_data, len(user_data))
        yield made
    finally:
        lib.dds_delete_qos(made)


def keeps_samples(profile: QoSProfile, others: Sequence[Endpoint] = ()) -> bool:
    """Whether late readers get what was written before they came."""
    if profile.durability == DurabilityPolicy.BEST_AVAILABLE:
        return all(other.qos.durability != DurabilityPolicy.VOLATILE for other in others)
    return profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


def read_profile(qos: int) -> QoSProfile:
    """The profile in a `dds_qos_t` of an endpoint elsewhere; history stays unknown, as it is not announced."""
    lib = library()
    kind, depth, time_ns = ct.c_int(), ct.c_int32(), ct.c_int64()
    history, kept = HistoryPolicy.UNKNOWN, 0
    if lib.dds_qget_history(qos, ct.byref(kind), ct.byref(depth)):
        history = HistoryPolicy.KEEP_ALL if kind.value == _KEEP_ALL else HistoryPolicy.KEEP_LAST
        kept = max(depth.value, 0)
    reliability = ReliabilityPolicy.BEST_EFFORT
    if lib.dds_qget_reliability(qos, ct.byref(kind), ct.byref(time_ns)) and kind.value == _RELIABLE:
        reliability = ReliabilityPolicy.RELIABLE
    durability = DurabilityPolicy.VOLATILE
    if lib.dds_qget_durability(qos, ct.byref(kind)) and kind.value:
        durability = DurabilityPolicy.TRANSIENT_LOCAL if kind.value == _TRANSIENT_LOCAL else DurabilityPolicy.UNKNOWN
    liveliness, lease = LivelinessPolicy.AUTOMATIC, INFINITE_NS
    if lib.dds_qget_liveliness(qos, ct.byref(kind), ct.byref(time_ns)):
        lease = time_ns.value
        if kind.value:
            manual = kind.value == _MANUAL_BY_TOPIC
            liveliness = LivelinessPolicy.MANUAL_BY_TOPIC if manual else LivelinessPolicy.UNKNOWN
    deadline = time_ns.value if lib.dds_qget_deadline(qos, ct.byref(time_ns)) else INFINITE_NS
    lifespan = time_ns.value if lib.dds_qget_lifespan(qos, ct.byref(time_ns)) else INFINITE_NS
    return QoSProfile(
        history=history,
        depth=kept,
        reliability=reliability,
        durability=durability,
        lifespan=Duration(nanoseconds=lifespan),
        deadline=Duration(nanoseconds=deadline),
        liveliness=liveliness,
        liveliness_lease_duration=Duration(nanoseconds=lease),
    )


def read_user_data(qos: int) -> bytes:
    """The user data in a `dds_qos_t`."""
    lib = library()
    data, size = ct.c_void_p(), ct.c_size_t()
    if not lib.dds_qget_userdata(qos, ct.byref(data), ct.byref(size)) or not data.value:
        return b""
    found = ct.string_at(data.value, size.value)
    lib.dds_free(data)
    return found
