"""Cyclone DDS with raw CDR: a type of one octet sequence, written and taken without a walk over its elements."""

# No postponed annotations here: the binding reads the type of a field when its class is made.
import os
import time
from dataclasses import dataclass
from typing import Any, Literal

from cell.cli.bench.peers import WAIT_S, Role

# One fragment per datagram of 64 KB instead of 1.3 KB, and socket buffers that hold a picture.
_CONFIG = """<CycloneDDS><Domain Id="any">
<General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
<AllowMulticast>false</AllowMulticast><MaxMessageSize>65500B</MaxMessageSize><FragmentSize>64000B</FragmentSize></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers></Discovery>
<Internal><SocketReceiveBufferSize max="64MB"/></Internal>
</Domain></CycloneDDS>"""
_DOMAIN = 199
_HEADER = b"\x00\x01\x00\x00"  # CDR, little endian


class CyclonePeer:
    """One end: a writer on one topic, a reader on the other."""

    def __init__(self, role: Role | Literal["alone"], key: str) -> None:
        os.environ["CYCLONEDDS_URI"] = _CONFIG
        from cyclonedds import _clayer  # noqa: PLC0415 (reads the configuration when it is loaded)
        from cyclonedds.core import (  # noqa: PLC0415
            InstanceState,
            Policy,
            Qos,
            ReadCondition,
            SampleState,
            ViewState,
            WaitSet,
        )
        from cyclonedds.domain import DomainParticipant  # noqa: PLC0415
        from cyclonedds.idl import IdlStruct, types  # noqa: PLC0415
        from cyclonedds.pub import DataWriter  # noqa: PLC0415
        from cyclonedds.sub import DataReader  # noqa: PLC0415
        from cyclonedds.topic import Topic  # noqa: PLC0415
        from cyclonedds.util import duration  # noqa: PLC0415

        @dataclass
        class Octets(IdlStruct, typename="bench::Octets"):  # type: ignore[call-arg, misc]
            data: types.sequence[types.uint8]

        self._layer: Any = _clayer
        self._participant = DomainParticipant(_DOMAIN)
        qos = Qos(Policy.Reliability.Reliable(duration(seconds=10)), Policy.History.KeepLast(1))
        there, back = (Topic(self._participant, f"{os.path.basename(key)}_{way}", Octets) for way in ("to", "from"))  # noqa: PTH119
        out, into = (there, back) if role == "parent" else (back, there)
        if role == "alone":
            into = out
        self._writer = DataWriter(self._participant, out, qos=qos)
        self._reader = DataReader(self._participant, into, qos=qos)
        self._mask = SampleState.Any | ViewState.Any | InstanceState.Any
        self._condition = ReadCondition(self._reader, self._mask)
        self._waitset: Any = WaitSet(self._participant)
        self._waitset.attach(self._condition)
        self._wait = duration(seconds=WAIT_S)
        until_s = time.monotonic() + WAIT_S
        while not (
            self._writer.get_publication_matched_status().current_count
            and self._reader.get_subscription_matched_status().current_count
        ):
            if time.monotonic() > until_s:
                raise TimeoutError("the other end did not open")
            time.sleep(0.01)

    def send(self, payload: bytes) -> None:
        padding = bytes(-len(payload) % 4)
        sample = b"".join((_HEADER, len(payload).to_bytes(4, "little"), payload, padding))
        self._layer.ddspy_write(self._writer._ref, sample)

    def receive(self) -> memoryview:
        while True:
            taken = self._layer.ddspy_take(self._reader._ref, self._mask, 1)
            if isinstance(taken, list) and taken:
                sample = memoryview(taken[0][0])
                size = int.from_bytes(sample[4:8], "little")
                return sample[8 : 8 + size]
            if not self._waitset.wait(self._wait):
                raise TimeoutError("nothing came over DDS")

    def close(self) -> None:
        return None


def open_loop() -> CyclonePeer:
    """One end that hears itself."""
    return CyclonePeer("alone", "loop")


def open_peer(role: Role, key: str) -> CyclonePeer:
    return CyclonePeer(role, key)
