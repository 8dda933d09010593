"""Which transports a domain gets: between processes on this machine, and on the wire.

`ROS_AUTOMATIC_DISCOVERY_RANGE` (SUBNET, LOCALHOST, OFF) and the older `ROS_LOCALHOST_ONLY` mean what they mean in
ROS 2: with OFF, nothing leaves the process. The wire is off unless `CELL_WIRE=dds` asks for it (`--wire dds`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from cell.runtime.transport import Bus

DiscoveryRange = Literal["OFF", "LOCALHOST", "SUBNET"]


def discovery_range() -> DiscoveryRange:
    """How far the domain reaches, from the environment.

    Raises:
        ValueError: the variable holds another word.
    """
    word = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper()
    if word in ("", "SYSTEM_DEFAULT"):
        return "LOCALHOST" if os.environ.get("ROS_LOCALHOST_ONLY") == "1" else "SUBNET"
    if word == "OFF":
        return "OFF"
    if word == "LOCALHOST":
        return "LOCALHOST"
    if word == "SUBNET":
        return "LOCALHOST" if os.environ.get("ROS_LOCALHOST_ONLY") == "1" else "SUBNET"
    raise ValueError(f"ROS_AUTOMATIC_DISCOVERY_RANGE must be SUBNET, LOCALHOST or OFF, not {word!r}")


def wire_wanted() -> bool:
    """Whether the environment asks for ROS 2's wire.

    Raises:
        ValueError: `CELL_WIRE` names another one than dds.
    """
    word = os.environ.get("CELL_WIRE", "").lower()
    if word not in ("", "off", "dds"):
        raise ValueError(f"CELL_WIRE must be dds or off, not {word!r}")
    return word == "dds"


def start(bus: Bus, domain_id: int) -> list[Callable[[], None]]:
    """Starts the transports that the environment asks for; gives what stops each of them."""
    reach = discovery_range()
    if reach == "OFF":
        return []
    stops: list[Callable[[], None]] = []
    stop_machine = _start_machine(bus, domain_id)
    if stop_machine is not None:
        stops.append(stop_machine)
    if wire_wanted():
        from cell.runtime.wire.transport import start as start_wire  # noqa: PLC0415 (Cyclone DDS, and only if asked for)

        stops.append(start_wire(bus, domain_id))
    return stops


def _start_machine(bus: Bus, domain_id: int) -> Callable[[], None] | None:
    """Joins the domain's other processes on this machine; None, with a warning, where their folder cannot be used."""
    from cell.runtime.machine.folder import FolderError  # noqa: PLC0415 (not with OFF)
    from cell.runtime.machine.transport import start as start_machine  # noqa: PLC0415 (not with OFF)

    try:
        return start_machine(bus, domain_id)
    except FolderError as error:
        from rclpy.logging import get_logger  # noqa: PLC0415 (only for faults)

        get_logger("rclpy.machine").warning(f"no connection with other processes of this machine: {error}")
        return None
