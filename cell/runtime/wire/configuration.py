"""Cyclone's configuration for a ROS domain: how far it reaches, and datagrams and buffers that fit images."""

from __future__ import annotations

import os
from xml.sax.saxutils import quoteattr

from cell.runtime.transports import DiscoveryRange, discovery_range

# Datagrams near UDP's limit, as Fast DDS sends them too: a 1080p image is 96 of them instead of 4,600.
_MESSAGE_BYTES = 65_500
_FRAGMENT_BYTES = 65_000
# The kernel grants at most net.core.rmem_max.
_BUFFER = "64MB"
# More unacknowledged bytes than that make a reliable writer wait for its readers.
_WRITER_HIGH = "500kB"
_NACK_DELAY, _ACK_DELAY = "5ms", "1ms"
_PARTICIPANTS_PER_MACHINE = 99


def configuration() -> str:
    """The XML for `dds_create_domain`, from ROS 2's variables; what `CYCLONEDDS_URI` says comes last, and wins.

    `ROS_AUTOMATIC_DISCOVERY_RANGE` SUBNET searches by multicast, LOCALHOST on this machine only; the hosts of
    `ROS_STATIC_PEERS` (separated by semicolons) are asked in both. `ROS_LOCALHOST_ONLY=1` binds to 127.0.0.1.

    Raises:
        ValueError: the variable for the range holds another word.
    """
    own = _xml(
        discovery_range(),
        [peer.strip() for peer in os.environ.get("ROS_STATIC_PEERS", "").split(";") if peer.strip()],
        loopback=os.environ.get("ROS_LOCALHOST_ONLY") == "1",
    )
    users = os.environ.get("CYCLONEDDS_URI", "")
    return f"{own},{users}" if users else own


def _xml(reach: DiscoveryRange, peers: list[str], *, loopback: bool) -> str:
    general = [f"<MaxMessageSize>{_MESSAGE_BYTES}B</MaxMessageSize><FragmentSize>{_FRAGMENT_BYTES}B</FragmentSize>"]
    discovery = []
    if loopback:
        general.append('<Interfaces><NetworkInterface address="127.0.0.1"/></Interfaces>')
        peers = []
    if reach == "LOCALHOST":
        general.append("<AllowMulticast>false</AllowMulticast>")
        peers = ["localhost", *peers]
    if peers:
        discovery.append("<ParticipantIndex>auto</ParticipantIndex>")
        discovery.append(f"<MaxAutoParticipantIndex>{_PARTICIPANTS_PER_MACHINE}</MaxAutoParticipantIndex>")
        discovery.append(f"<Peers>{''.join(f'<Peer address={quoteattr(peer)}/>' for peer in peers)}</Peers>")
    internal = (
        f'<SocketReceiveBufferSize min="default" max="{_BUFFER}"/><SocketSendBufferSize min="default" max="{_BUFFER}"/>'
        # A lost fragment is asked for at once: the usual 100 ms are three images.
        f"<NackDelay>{_NACK_DELAY}</NackDelay><AckDelay>{_ACK_DELAY}</AckDelay>"
        f"<Watermarks><WhcHigh>{_WRITER_HIGH}</WhcHigh></Watermarks>"
    )
    return (
        f'<CycloneDDS><Domain Id="any"><General>{"".join(general)}</General>'
        f"<Discovery>{''.join(discovery)}</Discovery><Internal>{internal}</Internal></Domain></CycloneDDS>"
    )
