"""``cell node NAME``: one node in a process of its own, as launch files start it."""

from __future__ import annotations

import argparse

from cell.plugins import NODES, nearest, node_names, registered
from perception.errors import InputError


class NodeCommand:
    """One node."""

    help = "run one node, as launch files start it"
    example = "cell node tracker --ros-args --params-file launch/hardware.params.yaml"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(node_names())}")
        parser.add_argument("words", nargs=argparse.REMAINDER, metavar="--ros-args ...", help="as ROS 2 takes them")

    def run(self, args: argparse.Namespace) -> int:
        point = registered(NODES).get(args.name)
        if point is None:
            raise InputError(f"unknown node{nearest(args.name, node_names())}", key=args.name)
        if args.words and args.words[0] != "--ros-args":
            raise InputError("unknown flag; a node's own arguments follow --ros-args", key=args.words[0])
        import rclpy  # noqa: PLC0415
        from rclpy.executors import ExternalShutdownException  # noqa: PLC0415

        rclpy.init(args=args.words)
        try:
            node = point.load()()
            try:
                rclpy.spin(node)
            except (KeyboardInterrupt, ExternalShutdownException):
                return 0
            finally:
                node.destroy_node()
        finally:
            if rclpy.ok():
                rclpy.shutdown()
        return 0
