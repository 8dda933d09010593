"""Cyclone DDS's C library, as the PyPI package `cyclonedds` brings it, called through ctypes.

The package's own Python types are passed by: they check a sample against a declared type (a stamped image is refused
as a byte sequence), hold the interpreter's lock while the network is written, announce a type of their own to ROS 2,
and copy a sample twice. Here a sample is CDR, whatever its type: the topic's descriptor holds a name and one octet.
The functions are those of `dds/dds.h` and `dds/ddsi/ddsi_serdata.h` (Cyclone DDS 11.0); what of them is not public is
tried once before it is used.
"""

from __future__ import annotations

import ctypes as ct
from functools import cache
from typing import Any

_FIRST, _END = (11, 0, 1), (12,)

INFINITE_NS = 2**63 - 1
TIMEOUT = -10
# dds_builtin topics' pseudo handles (dds.h).
PARTICIPANTS, PUBLICATIONS, SUBSCRIPTIONS = 0x7FFF0001, 0x7FFF0003, 0x7FFF0004
ANY_STATE = 0x7F
ALIVE = 16
PUBLICATION_MATCHED = 1 << 13

_SAMPLE_KIND = 2
_XCDR1 = 1
_RESTRICT_REPRESENTATION = 1 << 7
# One octet, then the end (dds_opcodes.h): every ROS 2 message is at least that long.
_OPERATIONS = (ct.c_uint32 * 3)(0x01 << 24 | 0x01 << 16, 0, 0)


class WireError(RuntimeError):
    """The wire cannot be used, or Cyclone DDS refused a call."""


class Span(ct.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ct.c_void_p), ("size", ct.c_size_t))


class SampleInfo(ct.Structure):
    """`dds_sample_info_t`; the time is in ns of the system clock."""

    _fields_ = (
        ("sample_state", ct.c_uint),
        ("view_state", ct.c_uint),
        ("instance_state", ct.c_uint),
        ("valid_data", ct.c_bool),
        ("source_timestamp", ct.c_int64),
        ("instance_handle", ct.c_uint64),
        ("publication_handle", ct.c_uint64),
        ("disposed_generation_count", ct.c_uint32),
        ("no_writers_generation_count", ct.c_uint32),
        ("sample_rank", ct.c_uint32),
        ("generation_rank", ct.c_uint32),
        ("absolute_generation_rank", ct.c_uint32),
    )


class ParticipantData(ct.Structure):
    """`dds_builtintopic_participant_t`."""

    _fields_ = (("key", ct.c_ubyte * 16), ("qos", ct.c_void_p))


class EndpointData(ct.Structure):
    """`dds_builtintopic_endpoint_t`."""

    _fields_ = (
        ("key", ct.c_ubyte * 16),
        ("participant_key", ct.c_ubyte * 16),
        ("participant_handle", ct.c_uint64),
        ("topic_name", ct.c_char_p),
        ("type_name", ct.c_char_p),
        ("qos", ct.c_void_p),
    )


class _TypeMeta(ct.Structure):
    _fields_ = (("data", ct.c_void_p), ("size", ct.c_uint32))


class _TopicDescriptor(ct.Structure):
    """`dds_topic_descriptor_t`, without type information: ROS 2 endpoints then match by the type's name."""

    _fields_ = (
        ("size", ct.c_uint32),
        ("align", ct.c_uint32),
        ("flags", ct.c_uint32),
        ("key_count", ct.c_uint32),
        ("type_name", ct.c_char_p),
        ("keys", ct.c_void_p),
        ("operation_count", ct.c_uint32),
        ("operations", ct.POINTER(ct.c_uint32)),
        ("meta", ct.c_char_p),
        ("type_information", _TypeMeta),
        ("type_mapping", _TypeMeta),
        ("representations", ct.c_uint32),
    )


_entity, _pointer, _ns, _size = ct.c_int32, ct.c_void_p, ct.c_int64, ct.c_size_t
_out = ct.POINTER(ct.c_void_p)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "dds_create_domain": (_entity, [ct.c_uint32, ct.c_char_p]),
    "dds_create_participant": (_entity, [ct.c_uint32, _pointer, _pointer]),
    "dds_create_topic": (_entity, [_entity, ct.POINTER(_TopicDescriptor), ct.c_char_p, _pointer, _pointer]),
    "dds_create_writer": (_entity, [_entity, _entity, _pointer, _pointer]),
    "dds_create_reader": (_entity, [_entity, _entity, _pointer, _pointer]),
    "dds_create_readcondition": (_entity, [_entity, ct.c_uint32]),
    "dds_create_guardcondition": (_entity, [_entity]),
    "dds_create_waitset": (_entity, [_entity]),
    "dds_set_guardcondition": (_entity, [_entity, ct.c_bool]),
    "dds_set_status_mask": (_entity, [_entity, ct.c_uint32]),
    "dds_take_status": (_entity, [_entity, ct.POINTER(ct.c_uint32), ct.c_uint32]),
    "dds_waitset_attach": (_entity, [_entity, _entity, ct.c_ssize_t]),
    "dds_waitset_detach": (_entity, [_entity, _entity]),
    "dds_waitset_wait": (_entity, [_entity, ct.POINTER(ct.c_ssize_t), _size, _ns]),
    "dds_delete": (_entity, [_entity]),
    "dds_get_guid": (_entity, [_entity, ct.c_ubyte * 16]),
    "dds_get_instance_handle": (_entity, [_entity, ct.POINTER(ct.c_uint64)]),
    "dds_get_matched_subscriptions": (_entity, [_entity, ct.POINTER(ct.c_uint64), _size]),
    "dds_get_matched_publications": (_entity, [_entity, ct.POINTER(ct.c_uint64), _size]),
    "dds_get_entity_sertype": (_entity, [_entity, _out]),
    "dds_assert_liveliness": (_entity, [_entity]),
    "dds_wait_for_acks": (_entity, [_entity, _ns]),
    "dds_writecdr": (_entity, [_entity, _pointer]),
    "dds_takecdr": (_entity, [_entity, _out, ct.c_uint32, ct.POINTER(SampleInfo), ct.c_uint32]),
    "dds_take": (_entity, [_entity, _out, ct.POINTER(SampleInfo), _size, ct.c_uint32]),
    "dds_return_loan": (_entity, [_entity, _out, ct.c_int32]),
    "dds_strretcode": (ct.c_char_p, [ct.c_int32]),
    "ddsi_serdata_from_ser_iov": (_pointer, [_pointer, ct.c_int, _size, ct.POINTER(Span), _size]),
    "ddsi_serdata_size": (ct.c_uint32, [_pointer]),
    "ddsi_serdata_to_ser_ref": (_pointer, [_pointer, _size, _size, ct.POINTER(Span)]),
    "ddsi_serdata_to_ser_unref": (None, [_pointer, ct.POINTER(Span)]),
    "ddsi_serdata_unref": (None, [_pointer]),
    "ddsi_serdata_ref": (_pointer, [_pointer]),
    "dds_create_qos": (_pointer, []),
    "dds_delete_qos": (None, [_pointer]),
    "dds_qset_history": (None, [_pointer, ct.c_int, ct.c_int32]),
    "dds_qset_reliability": (None, [_pointer, ct.c_int, _ns]),
    "dds_qset_durability": (None, [_pointer, ct.c_int]),
    "dds_qset_durability_service": (
        None,
        [_pointer, _ns, ct.c_int, ct.c_int32, ct.c_int32, ct.c_int32, ct.c_int32],
    ),
    "dds_qset_lifespan": (None, [_pointer, _ns]),
    "dds_qset_deadline": (None, [_pointer, _ns]),
    "dds_qset_liveliness": (None, [_pointer, ct.c_int, _ns]),
    "dds_qset_ignorelocal": (None, [_pointer, ct.c_int]),
    "dds_qset_writer_data_lifecycle": (None, [_pointer, ct.c_bool]),
    "dds_qset_userdata": (None, [_pointer, ct.c_char_p, _size]),
    "dds_qget_history": (ct.c_bool, [_pointer, ct.POINTER(ct.c_int), ct.POINTER(ct.c_int32)]),
    "dds_qget_reliability": (ct.c_bool, [_pointer, ct.POINTER(ct.c_int), ct.POINTER(_ns)]),
    "dds_qget_durability": (ct.c_bool, [_pointer, ct.POINTER(ct.c_int)]),
    "dds_qget_lifespan": (ct.c_bool, [_pointer, ct.POINTER(_ns)]),
    "dds_qget_deadline": (ct.c_bool, [_pointer, ct.POINTER(_ns)]),
    "dds_qget_liveliness": (ct.c_bool, [_pointer, ct.POINTER(ct.c_int), ct.POINTER(_ns)]),
    "dds_qget_userdata": (ct.c_bool, [_pointer, _out, ct.POINTER(_size)]),
    "dds_free": (None, [_pointer]),
}


@cache
def library() -> Any:
    """The C library, with all that is used of it declared.

    Raises:
        WireError: the package is missing, of another version, or lacks a function.
    """
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 (only for the wire)

    try:
        found = version("cyclonedds")
    except PackageNotFoundError:
        raise WireError("the wire needs the package cyclonedds: pip install 'cellwright[dds]'") from None
    numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    if not _FIRST <= numbers < _END:
        raise WireError(f"the wire needs cyclonedds >=11.0.1,<12, and {found} is installed")
    try:
        # A handle of our own, so that the package's declarations stay its own.
        loaded = ct.CDLL(_path())
    except (ImportError, OSError) as error:
        raise WireError(f"cyclonedds {found} cannot be loaded: {error}") from error
    missing = [name for name in _FUNCTIONS if not hasattr(loaded, name)]
    if missing:
        raise WireError(f"cyclonedds {found} lacks {', '.join(missing)}")
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _path() -> str:
    """Where the C library is: beside the package, in a wheel, which then need not be imported (0.2 s)."""
    from importlib.util import find_spec  # noqa: PLC0415 (only for the wire)
    from pathlib import Path  # noqa: PLC0415 (only for the wire)

    spec = find_spec("cyclonedds")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for file in sorted(Path(place).with_name("cyclonedds.libs").glob("libddsc*.so*")):
            return str(file)
    from cyclonedds.internal import DDS  # noqa: PLC0415 (a build of one's own; its loader knows where)

    return str(DDS._dll_handle._name)


def check(code: int, what: str) -> int:
    """Gives the entity or the count back.

    Raises:
        WireError: it is an error code.
    """
    if code < 0:
        raise WireError(f"cannot {what}: {library().dds_strretcode(code).decode()}")
    return code


def create_topic(participant: int, name: str, type_name: str) -> int:
    """A topic of any ROS 2 type, plain CDR (XCDR1) only.

    Raises:
        WireError: Cyclone refuses, for one because the name has another type in this participant.
    """
    descriptor = _TopicDescriptor(
        size=1,
        align=1,
        flags=_RESTRICT_REPRESENTATION,
        type_name=type_name.encode(),
        operation_count=len(_OPERATIONS) - 1,
        operations=_OPERATIONS,
        meta=b"",
        representations=_XCDR1,
    )
    made = library().dds_create_topic(participant, ct.byref(descriptor), name.encode(), None, None)
    return check(made, f"create the topic {name} of {type_name}")


def sample_type(entity: int) -> int:
    """The `ddsi_sertype` that samples of a writer, a reader or a topic have."""
    found = ct.c_void_p()
    check(library().dds_get_entity_sertype(entity, ct.byref(found)), "ask for a sample type")
    return int(found.value or 0)


def make_sample(kind: int, spans: Any, count: int, size: int) -> int:
    """A sample with the bytes of `count` spans, copied; its owner is whoever takes it.

    Raises:
        WireError: it is no CDR.
    """
    made = library().ddsi_serdata_from_ser_iov(kind, _SAMPLE_KIND, count, spans, size)
    if not made:
        raise WireError(f"{size} bytes that are no CDR")
    return int(made)


def guid(entity: int) -> bytes:
    found = (ct.c_ubyte * 16)()
    check(library().dds_get_guid(entity, found), "ask for a GUID")
    return bytes(found)


def instance_handle(entity: int) -> int:
    found = ct.c_uint64()
    check(library().dds_get_instance_handle(entity, ct.byref(found)), "ask for an instance handle")
    return found.value


def matched(entity: int, *, writer: bool) -> list[int]:
    """The instance handles of the readers that a writer reaches, or of the writers that reach a reader."""
    ask = library().dds_get_matched_subscriptions if writer else library().dds_get_matched_publications
    room = 16
    while True:
        found = (ct.c_uint64 * room)()
        count = ask(entity, found, room)
        if count <= room:
            return list(found[: max(count, 0)])
        room = count
