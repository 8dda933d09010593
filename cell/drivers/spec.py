"""A device as the config names it, and a reader of its options that accepts nothing it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perception.errors import InputError


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device of the config.

    Attributes:
        name: its role, for example ``gripper``.
        model: an entry point of the group ``cellwright.drivers``.
        port: a path, or ``SCHEME:NAME``.
        unit: its Modbus unit, 1..247.
        baudrate: of its line.
        options: what the model's driver documents, and ``parity`` (N, E, O), ``stopbits`` (1, 2), ``reply_timeout_s``.
        key: where in the config it stands, for messages; the name if empty.
    """

    name: str
    model: str
    port: str
    unit: int = 1
    baudrate: int = 115200
    options: Mapping[str, object] = field(default_factory=dict)
    key: str = ""

    def wrong(self, field_name: str, message: str) -> InputError:
        """The error that says what is wrong with one field of this device."""
        return InputError(f"device '{self.name}': {message}", key=f"{self.key or self.name}.{field_name}")


@dataclass(frozen=True, slots=True)
class Option:
    """One option as a driver asks for it: its kind (number, whole, flag, choice), default, and bounds or choices."""

    name: str
    kind: str
    default: object
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


class OptionsAsked(dict[str, object]):
    """Options of a spec that note what a driver asks for, so that nobody has to write it down a second time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked: list[Option] = []


class Options:
    """Reads a spec's options one by one; ``finish`` refuses those that nobody asked for."""

    def __init__(self, spec: DeviceSpec) -> None:
        self._spec = spec
        self._left = dict(spec.options)
        self._known: list[str] = []
        self._asked = spec.options.asked if isinstance(spec.options, OptionsAsked) else None

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number within ``low``..``high``.

        Raises:
            InputError: it is not.
        """
        self._note(Option(key, "number", default, low, high))
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self._wrong(key, f"{value!r} is not a number within {low:g}..{high:g}")
        return float(value)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number within ``low``..``high``.

        Raises:
            InputError: it is not.
        """
        self._note(Option(key, "whole", default, low, high))
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key, f"{value!r} is not a whole number within {low}..{high}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false.

        Raises:
            InputError: it is neither.
        """
        self._note(Option(key, "flag", default))
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, f"{value!r} is neither true nor false")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        """One of a few words.

        Raises:
            InputError: it is none of them.
        """
        self._note(Option(key, "choice", default, choices=choices))
        value = self._take(key, default)
        if not isinstance(value, str) or value not in choices:
            raise self._wrong(key, f"{value!r} is not one of {', '.join(choices)}")
        return value

    def finish(self) -> None:
        """Raises InputError for the first option that the model does not have."""
        for key in self._left:
            raise self._wrong(key, f"model '{self._spec.model}' has no such option (it has: {', '.join(self._known)})")

    def rest(self) -> dict[str, object]:
        """The options that nobody has asked for so far."""
        return dict(self._left)

    def _note(self, option: Option) -> None:
        if self._asked is not None:
            self._asked.append(option)

    def _take(self, key: str, default: object) -> object:
        self._known.append(key)
        return self._left.pop(key, default)

    def _wrong(self, key: str, message: str) -> InputError:
        return self._spec.wrong(f"options.{key}", message)
