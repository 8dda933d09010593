"""Checksums, golden frames, and a framer that finds the one reply that fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cell.drivers.crc import crc16, with_crc
from cell.drivers.frames import Request, exchange, find_reply, holds_frame

STATUS = Request(9, 4, 0x07D0, 3)


def test_checksum_is_the_catalogued_one_when_the_digits_are_summed() -> None:
    # CRC-16/MODBUS of "123456789" in the CRC catalogue.
    assert crc16(b"123456789") == 0x4B37


@pytest.mark.parametrize(
    ("request_", "frame"),
    [
        (STATUS, "09 04 07D0 0003 B1CE"),
        (Request(9, 16, 0x03E8, values=(0x0900, 0x00FF, 0xFFFF)), "09 10 03E8 0003 06 0900 00FF FFFF 4229"),
        # Example of the Modbus over Serial Line guide: read ten holding registers of unit 1.
        (Request(1, 3, 0, 10), "01 03 0000 000A C5CD"),
        (Request(1, 6, 1, values=(3,)), "01 06 0001 0003 980B"),
        (Request(0x11, 3, 0x006B, 3), "11 03 006B 0003 7687"),
    ],
)
def test_request_is_the_golden_frame_when_framed(request_: Request, frame: str) -> None:
    assert exchange(request_).frame == bytes.fromhex(frame)


def test_read_write_request_has_its_layout_when_framed() -> None:
    # Modbus Application Protocol V1.1b3, 6.17: read 6 from 3, write 3 at 14.
    request = Request(1, 23, 3, 6, values=(0xFF, 0xFF, 0xFF), write_address=14)
    assert exchange(request).frame[:-2] == bytes.fromhex("01 17 0003 0006 000E 0003 06 00FF 00FF 00FF")


def test_golden_reply_is_read_when_it_is_alone() -> None:
    match = find_reply(bytes.fromhex("09 04 06 F900 0000 0D00 17AA"), exchange(STATUS))
    assert match is not None
    assert match.values == (0xF900, 0, 0x0D00)


def test_golden_acknowledgement_is_taken_when_it_echoes_the_write() -> None:
    write = Request(9, 16, 0x03E8, values=(0x0900, 0x00FF, 0xFFFF))
    assert find_reply(bytes.fromhex("09 10 03E8 0003 0130"), exchange(write)) is not None
    assert find_reply(with_crc(bytes.fromhex("09 10 03E8 0002")), exchange(write)) is None


def test_exception_is_found_when_it_follows_noise() -> None:
    match = find_reply(b"\x00\xff" + with_crc(b"\x09\x84\x02"), exchange(STATUS))
    assert match is not None
    assert (match.start, match.exception, match.values) == (2, 2, ())


@given(noise=st.binary(max_size=40), tail=st.binary(max_size=10), values=st.tuples(*[st.integers(0, 0xFFFF)] * 3))
def test_reply_is_found_when_noise_surrounds_it(noise: bytes, tail: bytes, values: tuple[int, ...]) -> None:
    reply = with_crc(b"\x09\x04\x06" + b"".join(value.to_bytes(2, "big") for value in values))
    match = find_reply(noise + reply + tail, exchange(STATUS))
    assert match is not None
    assert match.values == values


@given(data=st.binary(max_size=64), count=st.integers(1, 8))
def test_only_a_sound_reply_is_found_when_bytes_are_random(data: bytes, count: int) -> None:
    match = find_reply(data, exchange(Request(9, 4, 0, count)))
    if match is not None:
        assert crc16(data[match.start : match.end]) == 0
        assert data[match.start] == 9


@given(bit=st.integers(0, 8 * 11 - 1))
def test_reply_is_refused_when_one_bit_is_flipped(bit: int) -> None:
    reply = bytearray.fromhex("09 04 06 F900 0000 0D00 17AA")
    reply[bit // 8] ^= 1 << bit % 8
    assert find_reply(reply, exchange(STATUS)) is None
    assert not holds_frame(reply)


def test_reply_of_one_tag_is_refused_when_another_was_sent() -> None:
    request = Request(9, 4, 0x07D0, 3, spare=2, twin=True)
    assert request.tags == 6
    tagged = [exchange(request, tag) for tag in range(request.tags)]
    assert len({option.header for option in tagged}) == 6
    for sent in tagged:
        reply = with_crc(sent.header + bytes(sent.header[2]))
        assert [find_reply(reply, option) is not None for option in tagged] == [option is sent for option in tagged]


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": 0},
        {"unit": 248},
        {"function": 5},
        {"count": 0},
        {"count": 126},
        {"count": 120, "spare": 6},
        {"address": 0xFFFF},
        {"values": (1,)},
        {"function": 6, "count": 0, "values": (1, 2)},
        {"function": 6, "count": 0, "values": (0x10000,)},
        {"function": 16, "count": 0, "values": (1,), "twin": True},
    ],
)
def test_request_is_refused_when_no_frame_can_say_it(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Request(**({"unit": 9, "function": 4, "address": 0x07D0, "count": 3} | wrong))  # type: ignore[arg-type]
