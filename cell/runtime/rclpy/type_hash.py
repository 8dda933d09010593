"""The hash of an interface, as graph queries show it (REP 2011)."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["TypeHash", "TypeHashDictionary"]

_SIZE = 32  # RIHS01 is a SHA-256
_PREFIX = "RIHS"


class TypeHashDictionary(TypedDict):
    """The form in which the middleware gives a hash."""

    version: int
    value: bytes


class TypeHash:
    """A version and 32 bytes; version -1 stands for an unknown hash."""

    __slots__ = ("_value", "_version")

    def __init__(self, version: int = -1, value: bytes = bytes(_SIZE)) -> None:
        self.version = version
        self.value = value

    @classmethod
    def parse(cls, text: str) -> TypeHash:
        """Reads `RIHS01_<64 hex digits>`; anything else gives the invalid hash."""
        head, _, digits = text.partition("_")
        number = head.removeprefix(_PREFIX)
        try:
            value = bytes.fromhex(digits)
        except ValueError:
            return cls()
        if not head.startswith(_PREFIX) or not number.isdigit() or len(value) != _SIZE:
            return cls()
        return cls(int(number), value)

    @property
    def version(self) -> int:
        return self._version

    @version.setter
    def version(self, value: int) -> None:
        assert isinstance(value, int)
        self._version = value

    @property
    def value(self) -> bytes:
        return self._value

    @value.setter
    def value(self, value: bytes) -> None:
        assert isinstance(value, bytes)
        self._value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypeHash):
            return False
        return (self._version, self._value) == (other._version, other._value)

    def __hash__(self) -> int:
        return hash((self._version, self._value))

    def __str__(self) -> str:
        if self._version <= 0 or len(self._value) != _SIZE:
            return "INVALID"
        return f"{_PREFIX}{self._version:02d}_{self._value.hex()}"

    def __repr__(self) -> str:
        return f"TypeHash(version={self._version}, value={self._value!r})"
