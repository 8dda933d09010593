"""CDR of every interface, byte for byte beside rosbags, PyPI's Cyclone DDS and a plain reading of the standard."""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from control_msgs.action import FollowJointTrajectory
from geometry_msgs.msg import PoseArray
from rcl_interfaces.msg import ParameterEvent
from sensor_msgs.msg import CameraInfo, Image, JointState, LaserScan
from std_msgs.msg import Empty, Header, String
from std_srvs.srv import SetBool

from cell.runtime import cdr, interfaces, messages
from cell.runtime.cdr import CdrError
from cell.runtime.interfaces import FLOATS, INTEGER_RANGES, FieldType

UNUSUAL = Path(__file__).parent / "interfaces"
TEXTS = ["", "a", "part 7", "결함", "ñandú", "\U0001f916 robot", "x" * 40]


def structures() -> Iterator[str]:
    """Every message, and every part of every service and action, that is found."""
    for package in interfaces.packages():
        for kind in interfaces.KINDS:
            for short in interfaces.type_names(package, kind):
                name = f"{package}/{kind}/{short}"
                if kind == "msg":
                    yield name
                elif kind == "srv":
                    yield from (f"{name}_{part}" for part in ("Request", "Response", "Event"))
                else:
                    yield from (f"{name}_{part}" for part in ("Goal", "Result", "Feedback", "FeedbackMessage"))
                    for call in ("SendGoal", "GetResult"):
                        yield from (f"{name}_{call}_{part}" for part in ("Request", "Response", "Event"))


def random_message(cls: Any, rng: random.Random) -> Any:
    return cls(**{field.name: random_value(field.type, rng) for field in cls._DEFINITION.fields})


def random_value(kind: FieldType, rng: random.Random) -> Any:
    if kind.container:
        count = kind.size if kind.container == "array" else rng.choice([0, 1, 2, 3, 5])
        count = min(count, kind.size) if kind.container == "bounded" else count
        item = FieldType(kind.base, string_bound=kind.string_bound)
        return [random_value(item, rng) for _ in range(count)]
    if kind.is_message:
        return random_message(messages.interface(kind.base), rng)
    if kind.base == "bool":
        return rng.random() < 0.5
    if kind.base == "byte":
        return bytes([rng.randrange(256)])
    if kind.base in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind.base]
        return rng.choice([low, high, rng.randint(low, high)])
    if kind.base in FLOATS:
        return float(np.float32(rng.uniform(-1e6, 1e6)))
    text = rng.choice(TEXTS)
    # A bound counts characters here and bytes on the wire.
    return text[: kind.string_bound] if not kind.string_bound or text.isascii() else ""


def plain(message: Any) -> bytes:
    """XCDR1 by the letter of the standard: one value after the other."""
    out = bytearray()

    def put(code: str, value: Any) -> None:
        size = struct.calcsize(code)
        out.extend(bytes(-len(out) % size) + struct.pack("<" + code, value))

    def write(kind: FieldType, value: Any) -> None:
        if kind.container:
            if kind.container != "array":
                put("I", len(value))
            for item in value:
                write(FieldType(kind.base), item)
        elif kind.is_message:
            structure(value)
        elif kind.base == "string":
            encoded = value.encode() + b"\0"
            put("I", len(encoded))
            out.extend(encoded)
        elif kind.base == "wstring":
            units = array("H", value.encode("utf-16-le"))
            put("I", len(units))
            for unit in units:
                put("I", unit)
        elif kind.base in ("bool", "byte"):
            put("B", value[0] if kind.base == "byte" else value)
        elif kind.base in FLOATS:
            put("f" if kind.base == "float32" else "d", value)
        else:
            size = INTEGER_RANGES[kind.base]
            bits = (size[1] - size[0]).bit_length()
            code = {8: "b", 16: "h", 32: "i", 64: "q"}[bits]
            put(code if size[0] else code.upper(), int(value))

    def structure(message: Any) -> None:
        fields = message._DEFINITION.fields
        for field in fields:
            write(field.type, getattr(message, field.name))
        if not fields:
            out.append(0)

    structure(message)
    return b"\0\1\0\0" + bytes(out)


@cache
def rosbags_store(name: str) -> Any:
    """rosbags' typestore with our definition of the type and of all that it holds."""
    from rosbags.interfaces import Nodetype
    from rosbags.typesys import Stores, get_typestore

    def describe(kind: FieldType) -> Any:
        base: Any = (Nodetype.NAME, kind.base) if kind.is_message else (Nodetype.BASE, (kind.base, kind.string_bound))
        if kind.base in ("char", "byte"):  # rosbags takes a byte for a signed number
            base = (Nodetype.BASE, ("uint8", 0))
        if kind.container == "array":
            return (Nodetype.ARRAY, (base, kind.size))
        return (Nodetype.SEQUENCE, (base, kind.size)) if kind.container else base

    found: dict[str, Any] = {}

    def collect(cls: Any) -> None:
        fields = cls._DEFINITION.fields
        for field in fields:
            if field.type.is_message:
                collect(messages.interface(field.type.base))
        described = [(field.name, describe(field.type)) for field in fields]
        described = described or [("structure_needs_at_least_one_member", (Nodetype.BASE, ("uint8", 0)))]
        found[cls._TYPE_NAME] = ([], described)

    collect(messages.interface(name))
    store = get_typestore(Stores.EMPTY)
    store.register(found)
    return store


def as_rosbags(store: Any, message: Any) -> Any:
    def convert(kind: FieldType, value: Any) -> Any:
        if kind.is_message:
            return [as_rosbags(store, item) for item in value] if kind.container else as_rosbags(store, value)
        if kind.base == "byte":
            octets = [item[0] for item in value] if kind.container else value[0]
            return np.array(octets, np.uint8) if kind.container else octets
        if kind.container and kind.base != "string":
            return np.array(value, {"char": "uint8"}.get(kind.base, kind.base))
        return value

    values = {field.name: convert(field.type, getattr(message, field.name)) for field in message._DEFINITION.fields}
    return store.types[message._TYPE_NAME](**values)


def has_wide_strings(cls: Any) -> bool:
    return any(
        field.type.base == "wstring"
        or (field.type.is_message and has_wide_strings(messages.interface(field.type.base)))
        for field in cls._DEFINITION.fields
    )


@pytest.fixture(autouse=True)
def unusual_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELL_INTERFACE_PATH", str(UNUSUAL))


def test_bytes_are_those_of_rosbags_and_of_the_standard_when_contents_are_random() -> None:
    rng = random.Random(7)
    compared = 0
    for name in structures():
        cls = messages.interface(name)
        for _ in range(3):
            message = random_message(cls, rng)
            data = cdr.serialize(message)
            assert data == plain(message), name
            if not has_wide_strings(cls):
                store = rosbags_store(name)
                assert data == bytes(store.serialize_cdr(as_rosbags(store, message), name)), name
                compared += 1
            assert cdr.deserialize(cls, data) == message, name
            assert cdr.serialized_size(message) == len(data), name
    assert compared > 500


def test_bytes_are_those_of_cyclone_when_it_is_installed() -> None:
    pytest.importorskip("cyclonedds.idl")
    rng = random.Random(8)
    compared = 0
    for name in structures():
        cls = messages.interface(name)
        if has_wide_strings(cls):
            continue  # Cyclone's Python binding has none.
        message = random_message(cls, rng)
        assert cdr.serialize(message) == cyclone_bytes(message), name
        compared += 1
    assert compared > 200


def cyclone_bytes(message: Any) -> bytes:
    from cyclonedds.idl._support import Endianness

    made = as_cyclone(message)
    return bytes(made.serialize(endianness=Endianness.Little, use_version_2=False))
    # The last two bits of the options count the padding at the end, which a DDS writer adds for itself.


def as_cyclone(message: Any) -> Any:
    def convert(kind: FieldType, value: Any) -> Any:
        if kind.is_message:
            return [as_cyclone(item) for item in value] if kind.container else as_cyclone(value)
        if kind.base == "byte":
            return [item[0] for item in value] if kind.container else value[0]
        return list(value) if kind.container else value

    cls = cyclone_class(message._TYPE_NAME)
    values = {field.name: convert(field.type, getattr(message, field.name)) for field in message._DEFINITION.fields}
    return cls(**(values or {"structure_needs_at_least_one_member": 0}))


@cache
def cyclone_class(name: str) -> Any:
    from cyclonedds.idl import make_idl_struct, types

    def describe(kind: FieldType) -> Any:
        if kind.is_message:
            base = cyclone_class(kind.base)
        elif kind.base == "string":
            base = types.bounded_str[kind.string_bound + 4] if kind.string_bound else str
        else:
            base = {"bool": bool, "char": types.uint8}.get(kind.base) or getattr(types, kind.base)
        if kind.container == "array":
            return types.array[base, kind.size]
        if kind.container == "bounded":
            return types.sequence[base, kind.size]
        return types.sequence[base] if kind.container else base

    fields = {field.name: describe(field.type) for field in messages.interface(name)._DEFINITION.fields}
    fields = fields or {"structure_needs_at_least_one_member": types.uint8}
    return make_idl_struct(name.replace("/", "_"), name.replace("/", "."), fields)


def test_big_endian_data_are_read_when_another_machine_sent_them() -> None:
    rng = random.Random(9)
    for name in structures():
        cls = messages.interface(name)
        message = random_message(cls, rng)
        if has_wide_strings(cls):
            continue
        store = rosbags_store(name)
        swapped = bytes(store.serialize_cdr(as_rosbags(store, message), name, little_endian=False))
        assert cdr.deserialize(cls, swapped) == message, name
        assert cdr.serialize(cdr.deserialize(cls, swapped)) == cdr.serialize(message), name


@pytest.mark.parametrize("name", ["sensor_msgs/msg/JointState", "vision_msgs/msg/Detection2DArray"])
def test_every_truncation_is_refused_when_the_data_end_early(name: str) -> None:
    message = random_message(messages.interface(name), random.Random(3))
    data = cdr.serialize(message)
    for size in range(len(data)):
        with pytest.raises(CdrError, match=name):
            cdr.deserialize(type(message), data[:size])


def test_hostile_lengths_are_refused_when_they_exceed_the_data() -> None:
    huge = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(CdrError):
        cdr.deserialize(String, cdr.HEADER + huge + b"abc\0")
    stamp_and_frame = cdr.serialize(Header())[:17] + b"\0\0\0"
    for cls in (JointState, PoseArray):
        with pytest.raises(CdrError):
            cdr.deserialize(cls, stamp_and_frame + huge + bytes(64))
    with pytest.raises(CdrError):
        cdr.deserialize(ParameterEvent, cdr.HEADER + bytes(8) + struct.pack("<I", 2) + b"a\0\0\0" + huge * 8)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1", b"\0\1\0\0", b"\0\3\0\0aaaa", b"\1\0\0\0aaaa"])
def test_other_encapsulations_and_rubbish_are_refused_when_read(data: bytes) -> None:
    with pytest.raises(CdrError, match=r"std_msgs/msg/String|plain CDR"):
        cdr.deserialize(String, data)


def test_random_bytes_give_a_message_or_an_error_when_read() -> None:
    rng = random.Random(11)
    for name in structures():
        cls = messages.interface(name)
        for size in (8, 60, 400):
            try:
                read = cdr.deserialize(cls, cdr.HEADER + rng.randbytes(size))
            except CdrError:
                continue
            assert type(read) is cls


def test_image_is_a_view_when_read_and_a_copy_when_asked_for() -> None:
    pixels = np.arange(60_000, dtype=np.uint32).view(np.uint8)
    data = cdr.serialize(Image(height=100, width=800, encoding="rgb8", step=2400, data=pixels))
    seen = cdr.deserialize(Image, data)
    assert isinstance(seen.data, memoryview) and seen.data.readonly and seen.data.obj is data
    assert np.array_equal(np.frombuffer(seen.data, np.uint8), pixels)
    own = cdr.deserialize(Image, data, copy=True)
    assert isinstance(own.data, array) and own.data.tobytes() == pixels.tobytes()
    own.data[0] = 7
    assert data[-len(pixels)] == 0
    assert cdr.serialize(own) != data and cdr.serialize(seen) == data


def test_views_of_wide_numbers_are_right_when_they_start_unaligned() -> None:
    ranges = np.linspace(0.0, 5.0, 20_000, dtype=np.float32)
    data = b"x" + cdr.serialize(LaserScan(header=Header(frame_id="abc"), ranges=ranges))
    seen = cdr.deserialize(LaserScan, memoryview(data)[1:])
    assert isinstance(seen.ranges, memoryview) and seen.ranges.format == "f"
    assert np.array_equal(np.asarray(seen.ranges), ranges)


@pytest.mark.parametrize(
    "make",
    [
        lambda values: array("d", values),
        np.array,
        lambda values: memoryview(np.array(values)),
        lambda values: np.array([value for value in values for _ in "ab"])[::2],
        list,
        tuple,
    ],
)
def test_bytes_are_the_same_when_numbers_come_in_another_container(make: Any) -> None:
    values = [1.0, -2.5, 3e300]
    assert cdr.serialize(JointState(position=make(values))) == plain(JointState(position=values))


def test_message_fills_a_slot_when_written_into_a_buffer() -> None:
    message = random_message(CameraInfo, random.Random(5))
    data = cdr.serialize(message)
    slot = memoryview(bytearray(len(data) + 20))
    assert cdr.serialize_into(message, slot, 7) == len(data)
    assert bytes(slot[7 : 7 + len(data)]) == data and not any(slot[:7]) and not any(slot[7 + len(data) :])
    with pytest.raises(CdrError, match="do not fit"):
        cdr.serialize_into(message, slot, 21)


def test_writing_is_refused_when_a_list_was_spoiled_behind_the_checks() -> None:
    joints = JointState(name=["a"])
    joints.name.append(3)  # type: ignore[arg-type]
    with pytest.raises(CdrError, match="sensor_msgs/msg/JointState"):
        cdr.serialize(joints)
    with pytest.raises(CdrError, match="no message class"):
        cdr.serialize(3)


def test_parts_of_services_and_actions_are_written_when_they_are_messages_too() -> None:
    assert cdr.serialize(SetBool.Request(data=True)) == b"\0\1\0\0\1"
    assert cdr.serialize(Empty()) == b"\0\1\0\0\0"
    request = FollowJointTrajectory.Impl.SendGoalService.Request()
    request.goal.trajectory.joint_names = ["a", "b"]
    assert cdr.deserialize(type(request), cdr.serialize(request)) == request


def test_text_that_is_no_utf8_is_read_with_replacements_when_it_comes_from_elsewhere() -> None:
    assert cdr.deserialize(String, cdr.HEADER + struct.pack("<I", 3) + b"\xff\xfe\0").data == "\ufffd\ufffd"
    assert cdr.deserialize(String, cdr.HEADER + struct.pack("<I", 0)).data == ""
