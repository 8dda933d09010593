"""``cell nodes``: who is there, and what a node publishes, reads, serves and calls."""

from __future__ import annotations

import argparse
import sys

from cell.cli.looking.names import node_name
from cell.cli.looking.session import Session, add_session_flags, look_again_hint

PARTS = (
    ("publishers", "get_publisher_names_and_types_by_node"),
    ("subscriptions", "get_subscriber_names_and_types_by_node"),
    ("services", "get_service_names_and_types_by_node"),
    ("clients", "get_client_names_and_types_by_node"),
)


class NodesCommand:
    """The nodes, or one of them."""

    help = "list the nodes, or show what one of them publishes, reads, serves and calls"
    example = "cell nodes\ncell nodes /picker"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        node_name(parser, optional=True)
        parser.add_argument("--hidden", action="store_true", help="hidden nodes, topics and services, too")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        with Session(args) as session:
            session.settle()
            if args.node is None:
                for name in session.nodes(hidden=args.hidden):
                    print(name)
                hint = look_again_hint(session)
                if hint:
                    print(hint, file=sys.stderr)
                return 0
            full = session.find("node", args.node, lambda: session.nodes(hidden=True))
            namespace, _, name = full.rpartition("/")
            print(full)
            for title, query in PARTS:
                found = getattr(session.node, query)(name, namespace or "/")
                shown = [entry for entry in found if args.hidden or "/_" not in entry[0]]
                print(f"  {title}: {'' if shown else 'none'}".rstrip())
                for topic, types in shown:
                    print(f"    {topic}: {', '.join(types)}")
        return 0
