"""CRC-16/MODBUS as the master computes it: reflected polynomial 0xA001, start 0xFFFF.

Source: Modbus over Serial Line V1.02, 6.2.2.
"""

from __future__ import annotations

POLYNOMIAL = 0xA001
START = 0xFFFF


def _entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ POLYNOMIAL if value & 1 else value >> 1
    return value


_TABLE = tuple(_entry(index) for index in range(256))


def crc16(data: bytes | bytearray) -> int:
    """The checksum of ``data``; on the wire its low byte goes first."""
    crc = START
    table = _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def with_crc(body: bytes) -> bytes:
    """``body`` with its checksum behind it: a frame as it goes onto the wire."""
    return body + crc16(body).to_bytes(2, "little")
