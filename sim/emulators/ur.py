"""A control box of Universal Robots as its ports show it: RTDE (30004), dashboard (29999), scripts (30002, 30003).

RTDE after "Real-Time Data Exchange (RTDE) Guide", protocol version 2: packages of a length (2 bytes), a type, and a
payload, all big-endian. The script that ``ur-rtde`` uploads is not run; what it does for the driver stands here: it
takes commands from input registers (11 servoJ, 16 servo stop) and answers in output register 0 (1 ready, 2 done), as
the script in ur-rtde 1.6 has it.
Without I/O; ``sim.emulators.ur_ports`` puts it behind sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

HZ = 125.0
VERSION = (5, 11, 1, 108318)
READY, DONE = 1, 2
SERVO_J, SERVO_STOP = 11, 16
RUNNING, PLAYING = 7, 2
NORMAL = 1
SIZES = {"VECTOR6D": "6d", "DOUBLE": "d", "INT32": "i", "UINT32": "I", "UINT64": "Q", "UINT8": "B", "BOOL": "?"}
VECTORS = ("actual_q", "actual_qd", "target_q", "target_qd", "target_qdd", "actual_TCP_pose", "actual_current")
WORDS = {
    "robot_mode": "INT32",
    "safety_mode": "INT32",
    "safety_status_bits": "UINT32",
    "robot_status_bits": "UINT32",
    "runtime_state": "UINT32",
    "timestamp": "DOUBLE",
    "speed_slider_mask": "UINT32",
    "speed_slider_fraction": "DOUBLE",
}


def type_of(name: str) -> str:
    """The type of a variable of RTDE, as the guide's tables have it."""
    if name in VECTORS or name == "external_force_torque":
        return "VECTOR6D"
    if name in WORDS:
        return WORDS[name]
    for part, kind in (("_int_register_", "INT32"), ("_double_register_", "DOUBLE"), ("_bit_registers", "UINT32")):
        if part in name:
            return kind
    if name.endswith("_mask") or name.startswith(("standard_digital_output", "tool_digital_output")):
        return "UINT8"
    return "DOUBLE" if name.startswith("standard_analog_output_") else "NOT_FOUND"


class UrArmDevice:
    """The arm: it is where a servo command says at its next cycle.

    Attributes:
        joints_rad, rates_radps: where it is, and how fast.
        safety_bits, mode: as RTDE shows them.
        program: the uploaded script runs.
        commands: the numbers of the commands that its script has taken.
    """

    def __init__(self, joints_rad: tuple[float, ...]) -> None:
        self.joints_rad = joints_rad
        self.rates_radps: tuple[float, ...] = (0.0,) * 6
        self.safety_bits = NORMAL
        self.mode = RUNNING
        self.program = False
        self.commands: list[int] = []
        self.inputs: dict[str, float] = {}
        self._cycles = 0
        self._answer = READY
        self._target: tuple[float, ...] | None = None

    def upload(self, script: str) -> None:
        """A script came: it runs."""
        if script.strip():
            self.program = True
            self._answer = READY

    def look(self) -> None:
        """The script looks at its registers: a command is done once, and taken back before the next; a position of the
        servo mode is obeyed as often as it comes, and leaves the script ready."""
        if not self.program:
            return
        command = int(self.inputs.get("input_int_register_0", 0))
        if command == 0:
            self._answer = READY
        elif command == SERVO_J:
            self._obey(command)
        elif self._answer == READY:
            self._obey(command)
            self._answer = DONE

    def cycle(self) -> None:
        """One cycle of the control box."""
        self._cycles += 1
        before, target = self.joints_rad, self._target
        if target is not None and self.mode == RUNNING and self.safety_bits == NORMAL:
            self.joints_rad = target
        self.rates_radps = tuple((b - a) * HZ for a, b in zip(before, self.joints_rad, strict=True))

    def _obey(self, command: int) -> None:
        self.commands.append(command)
        if command == SERVO_J:
            self._target = tuple(self.inputs.get(f"input_double_register_{joint}", 0.0) for joint in range(6))
        elif command == SERVO_STOP:
            self._target = None

    def value(self, name: str) -> tuple[float, ...]:
        """A variable; what is not modelled is 0."""
        known: dict[str, tuple[float, ...]] = {
            "timestamp": (self._cycles / HZ,),
            "actual_q": self.joints_rad,
            "target_q": self.joints_rad,
            "actual_qd": self.rates_radps,
            "robot_mode": (self.mode,),
            "safety_mode": (1,),
            "safety_status_bits": (self.safety_bits,),
            "robot_status_bits": (0b1 | self.program << 1,),
            "runtime_state": (PLAYING if self.program else 1,),
            "output_int_register_0": (self._answer if self.program else 0,),
        }
        return known.get(name, (0.0,) * (6 if type_of(name) == "VECTOR6D" else 1))


class RtdeSession:
    """One RTDE connection."""

    def __init__(self, arm: UrArmDevice) -> None:
        self.streaming = False
        self._arm = arm
        self._received = bytearray()
        self._outputs: list[str] = []
        self._inputs: list[list[str]] = []

    def feed(self, data: bytes) -> bytes:
        """What came; returns the answers."""
        self._received += data
        out = b""
        while len(self._received) >= 3:
            (size,) = struct.unpack_from(">H", self._received)
            if len(self._received) < size or size < 3:
                break
            kind, payload = self._received[2], bytes(self._received[3:size])
            del self._received[:size]
            out += self._answer(chr(kind), payload)
        return out

    def cycle(self) -> bytes:
        """The package of this cycle."""
        if not self.streaming:
            return b""
        body = b"\x01" + b"".join(_packed(type_of(name), self._arm.value(name)) for name in self._outputs)
        return _package("U", body)

    def _answer(self, kind: str, payload: bytes) -> bytes:
        answers: dict[str, Callable[[bytes], bytes | None]] = {
            "V": lambda body: b"\x01" if struct.unpack(">H", body)[0] == 2 else b"\x00",
            "v": lambda body: struct.pack(">4I", *VERSION),
            "O": self._on_outputs,
            "I": self._on_inputs,
            "S": self._on_start,
            "P": self._on_pause,
            "U": self._on_data,
        }
        answer = answers[kind](payload) if kind in answers else None
        return b"" if answer is None else _package(kind, answer)

    def _on_outputs(self, body: bytes) -> bytes:
        # Clients end the list with a comma.
        self._outputs = [name for name in body[8:].decode("ascii").split(",") if name]
        return b"\x01" + ",".join(map(type_of, self._outputs)).encode("ascii")

    def _on_inputs(self, body: bytes) -> bytes:
        names = [name for name in body.decode("ascii").split(",") if name]
        self._inputs.append(names)
        return bytes((len(self._inputs),)) + ",".join(map(type_of, names)).encode("ascii")

    def _on_start(self, body: bytes) -> bytes:
        self.streaming = True
        return b"\x01"

    def _on_pause(self, body: bytes) -> bytes:
        self.streaming = False
        return b"\x01"

    def _on_data(self, body: bytes) -> None:
        if not 1 <= body[0] <= len(self._inputs):
            return
        at = 1
        for name in self._inputs[body[0] - 1]:
            form = ">" + SIZES[type_of(name)]
            values = struct.unpack_from(form, body, at)
            at += struct.calcsize(form)
            self._arm.inputs[name] = values[0]
        # The real script looks every cycle and its client waits for it; here no package is missed.
        self._arm.look()


class Dashboard:
    """One connection to the dashboard server."""

    GREETING = b"Connected: Universal Robots Dashboard Server\n"

    def __init__(self, arm: UrArmDevice) -> None:
        self._arm = arm
        self._received = b""

    def feed(self, data: bytes) -> bytes:
        """Lines in, lines out."""
        self._received += data
        out = b""
        while b"\n" in self._received:
            line, _, self._received = self._received.partition(b"\n")
            out += self._answer(line.decode("ascii", "replace").strip().lower()).encode() + b"\n"
        return out

    def _answer(self, line: str) -> str:
        answers = {
            "polyscopeversion": "URSoftware 5.11.1.108318 (Oct 27 2021)",
            "is in remote control": "true",
            "running": f"Program running: {str(self._arm.program).lower()}",
            "robotmode": "Robotmode: RUNNING",
            "safetystatus": "Safetystatus: NORMAL",
            "get serial number": "20215000001",
            "get robot model": "UR5",
            "stop": "Stopped",
        }
        return answers.get(line, f"could not understand: '{line}'")


def _packed(kind: str, values: tuple[float, ...]) -> bytes:
    if kind == "NOT_FOUND":
        return b""
    numbers = values if kind in ("VECTOR6D", "DOUBLE") else tuple(int(value) for value in values)
    return struct.pack(">" + SIZES[kind], *numbers)


def _package(kind: str, body: bytes) -> bytes:
    return struct.pack(">HB", len(body) + 3, ord(kind)) + body
