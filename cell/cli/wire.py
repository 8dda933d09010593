"""``--wire dds``: puts a command's nodes, and those of the processes that it starts, on ROS 2's own wire."""

from __future__ import annotations

import argparse
import os
from typing import Final

from perception.errors import InputError

VARIABLE: Final = "CELL_WIRE"


def add_wire_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wire",
        choices=("dds", "off"),
        help=f"talk to ROS 2 nodes over DDS, with the extra dds (default: what {VARIABLE} says, else off)",
    )


def switch_wire(args: argparse.Namespace) -> None:
    """Does what the flag says, before rclpy is initialised.

    Raises:
        InputError: the wire is asked for and cannot be used.
    """
    if args.wire is not None:
        os.environ[VARIABLE] = args.wire
    from cell.runtime.transports import wire_wanted  # noqa: PLC0415 (quick commands do without the runtime)

    try:
        wanted = wire_wanted()
    except ValueError as error:
        raise InputError(str(error), key=VARIABLE) from None
    if wanted:
        from cell.runtime.wire.cyclone import WireError, library  # noqa: PLC0415 (only where it is wanted)

        try:
            library()
        except WireError as error:
            raise InputError(str(error), key="--wire dds") from None
