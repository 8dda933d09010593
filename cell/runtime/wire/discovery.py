"""What else is in the DDS domain: participants, writers and readers, as Cyclone's built-in topics tell."""

from __future__ import annotations

import ctypes as ct
from typing import Any, NamedTuple

from rclpy.qos import QoSProfile

from cell.runtime.wire import cyclone, names
from cell.runtime.wire.cyclone import ALIVE, ANY_STATE, EndpointData, ParticipantData, SampleInfo, check, library
from cell.runtime.wire.policies import read_profile, read_user_data

# The key in a participant's user data that says which process of ours it is (see `transport.Endpoint.gid`).
PROCESS_KEY = "cellwright"

_TAKE = 32


class Found(NamedTuple):
    """A writer or a reader of another participant; `handle` is what Cyclone calls it in this process."""

    handle: int
    guid: bytes
    participant: bytes
    is_writer: bool
    topic: str
    type_name: str
    ros: names.RosName | None
    profile: QoSProfile
    user_data: dict[str, str]


class Changes(NamedTuple):
    """What one look brought. Participants are GUIDs, new ones with the id of the process, if ours, and the enclave."""

    added: list[Found]
    removed: list[Found]
    participants_added: list[tuple[bytes, bytes, str]]
    participants_removed: list[bytes]


class Discovery:
    """Reads the built-in topics; for one thread. Own endpoints are left out."""

    def __init__(self, participant: int) -> None:
        lib = library()
        self._own = cyclone.guid(participant)
        self._readers: dict[int, int] = {}
        self.conditions: list[int] = []
        # Participants first: an endpoint's participant is then known.
        for topic in (cyclone.PARTICIPANTS, cyclone.PUBLICATIONS, cyclone.SUBSCRIPTIONS):
            reader = check(lib.dds_create_reader(participant, topic, None, None), "read the built-in topics")
            self._readers[topic] = reader
            self.conditions.append(check(lib.dds_create_readcondition(reader, ANY_STATE), "wait for discovery"))
        self.endpoints: dict[int, Found] = {}
        self._participants: dict[int, bytes] = {}
        self._samples = (ct.c_void_p * _TAKE)()
        self._infos = (SampleInfo * _TAKE)()

    def poll(self) -> Changes:
        """All that has changed since the last look."""
        changes = Changes([], [], [], [])
        for topic, reader in self._readers.items():
            while True:
                # None in the first place asks Cyclone for its own memory, which is given back below.
                ct.memset(self._samples, 0, ct.sizeof(self._samples))
                count = library().dds_take(reader, self._samples, self._infos, _TAKE, _TAKE)
                if count <= 0:
                    break
                for index in range(count):
                    self._note(topic, self._infos[index], self._samples[index] or 0, changes)
                library().dds_return_loan(reader, self._samples, count)
        return changes

    def _note(self, topic: int, info: Any, address: int, changes: Changes) -> None:
        alive = info.instance_state == ALIVE
        if topic == cyclone.PARTICIPANTS:
            gone = None if alive else self._participants.pop(info.instance_handle, None)
            if gone is not None:
                changes.participants_removed.append(gone)
            elif alive and info.valid_data:
                data = ParticipantData.from_address(address)
                guid = bytes(data.key)
                if guid != self._own and info.instance_handle not in self._participants:
                    self._participants[info.instance_handle] = guid
                    changes.participants_added.append((guid, *_told(data.qos)))
            return
        if not alive:
            lost = self.endpoints.pop(info.instance_handle, None)
            if lost is not None:
                changes.removed.append(lost)
        elif info.valid_data and info.instance_handle not in self.endpoints:
            found = _endpoint(EndpointData.from_address(address), info.instance_handle, topic == cyclone.PUBLICATIONS)
            if found.participant != self._own:
                self.endpoints[found.handle] = found
                changes.added.append(found)


def _told(qos: int | None) -> tuple[bytes, str]:
    """The process id and the enclave in a participant's user data."""
    words = names.parse_user_data(read_user_data(qos)) if qos else {}
    try:
        return bytes.fromhex(words.get(PROCESS_KEY, "")), words.get("enclave", "")
    except ValueError:
        return b"", words.get("enclave", "")


def _endpoint(data: Any, handle: int, is_writer: bool) -> Found:
    topic = (data.topic_name or b"").decode("utf-8", "replace")
    type_name = (data.type_name or b"").decode("utf-8", "replace")
    return Found(
        handle=handle,
        guid=bytes(data.key),
        participant=bytes(data.participant_key),
        is_writer=is_writer,
        topic=topic,
        type_name=type_name,
        ros=names.ros_name(topic, type_name),
        profile=read_profile(data.qos),
        user_data=names.parse_user_data(read_user_data(data.qos)),
    )
