"""``cell topic``: what is published and who reads it, what it says, and a message of one's own."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Final

from cell.cli.command import positive_float, positive_int
from cell.cli.looking.names import topic_name, type_name
from cell.cli.looking.rates import Rate
from cell.cli.looking.session import Session, add_session_flags, look_again_hint
from cell.cli.looking.text import from_yaml, load_interface, to_plain, to_yaml
from perception.errors import InputError

TELL_EVERY_S: Final = 1.0
NOTHING_CAME: Final = 1


class ListCommand:
    """The topics."""

    help = "list the topics that somebody publishes or reads"
    example = "cell topic list --types"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("-t", "--types", action="store_true", help="with their types")
        parser.add_argument("--hidden", action="store_true", help="hidden ones, too (those of actions, for example)")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        with Session(args) as session:
            session.settle()
            for name, types in session.topics(hidden=args.hidden).items():
                print(f"{name} [{', '.join(types)}]" if args.types else name)
            hint = look_again_hint(session)
            if hint:
                print(hint, file=sys.stderr)
        return 0


class InfoCommand:
    """One topic: its type, who publishes and who reads it, with which quality of service."""

    help = "show who publishes and who reads a topic"
    example = "cell topic info /camera/image"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        topic_name(parser)
        parser.add_argument("-v", "--verbose", action="store_true", help="with the whole quality of service")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        with Session(args) as session:
            session.settle()
            kind = session.type_of(args.topic)
            topic = args.topic if args.topic.startswith("/") else f"/{args.topic}"
            print(f"type: {kind}")
            for title, found in (
                ("publishers", session.publishers(topic)),
                ("subscriptions", session.subscriptions(topic)),
            ):
                print(f"{title}: {len(found)}")
                for endpoint in found:
                    node = f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
                    print(f"  {node}  {_quality(endpoint.qos_profile)}")
                    if args.verbose:
                        for line in _whole_quality(endpoint):
                            print(f"    {line}")
        return 0


class EchoCommand:
    """Messages as they come."""

    help = "print the messages of a topic"
    example = "cell topic echo /decisions --once\ncell topic echo /cell/state --field state"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        topic_name(parser)
        type_name(parser, "found by itself where somebody publishes")
        parser.add_argument("--once", action="store_true", help="end after one message")
        parser.add_argument("--count", type=positive_int, metavar="N", help="end after N messages")
        parser.add_argument("--timeout", type=positive_float, metavar="S", help="end with status 1 after S seconds")
        parser.add_argument("--field", metavar="NAME[.NAME...]", help="only this field")
        parser.add_argument("--csv", action="store_true", help="one line a message, values divided by commas")
        parser.add_argument("--full-length", action="store_true", help="do not cut long sequences and strings")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        wanted = 1 if args.once else args.count
        limit = None if args.full_length else 128
        shown = 0

        def show(message: Any) -> None:
            nonlocal shown
            if wanted is None or shown < wanted:
                value = _field(message, args.field) if args.field else message
                print(_csv(to_plain(value, limit=limit)) if args.csv else f"{to_yaml(value, limit=limit)}\n---")
                sys.stdout.flush()
                shown += 1

        with Session(args) as session:
            _subscribe(session, args, show)
            until_s = None if args.timeout is None else time.monotonic() + args.timeout
            while wanted is None or shown < wanted:
                left_s = 0.1 if until_s is None else until_s - time.monotonic()
                if left_s <= 0.0:
                    print(f"no message on {args.topic} within {args.timeout:g} s", file=sys.stderr)
                    return NOTHING_CAME
                session.spin(min(left_s, 0.1))
        return 0


class HzCommand:
    """The rate of a topic."""

    help = "measure how often a topic is published"
    example = "cell topic hz /camera/image --duration 5"
    measures_size = False

    def configure(self, parser: argparse.ArgumentParser) -> None:
        topic_name(parser)
        type_name(parser, "found by itself where somebody publishes")
        parser.add_argument("--window", type=positive_int, default=10_000, metavar="N", help="over N messages")
        parser.add_argument("--duration", type=positive_float, metavar="S", help="end after S seconds")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        rate = Rate(args.window)

        def take(message: Any) -> None:
            size = len(message) if isinstance(message, bytes | bytearray | memoryview) else 0
            rate.add(time.monotonic(), size)

        with Session(args) as session:
            _subscribe(session, args, take, raw=self.measures_size)
            began_s = told_s = time.monotonic()
            while args.duration is None or time.monotonic() < began_s + args.duration:
                session.spin(0.05)
                if time.monotonic() >= told_s + TELL_EVERY_S:
                    told_s += TELL_EVERY_S
                    print(rate.bandwidth() if self.measures_size else rate.frequency(), flush=True)
        return 0 if rate.count else NOTHING_CAME


class BwCommand(HzCommand):
    """The bytes of a topic."""

    help = "measure how many bytes a topic carries"
    example = "cell topic bw /camera/image --duration 5"
    measures_size = True


class PubCommand:
    """Messages of one's own."""

    help = "publish messages on a topic"
    example = "cell topic pub /note std_msgs/msg/String '{data: hello}' --once"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        topic_name(parser)
        type_name(parser, "")
        parser.add_argument("message", nargs="?", default="{}", metavar="YAML", help="the fields (default: all zero)")
        parser.add_argument("--once", action="store_true", help="publish one message, once somebody reads the topic")
        parser.add_argument("-r", "--rate", type=positive_float, default=1.0, metavar="HZ", help="default 1 Hz")
        parser.add_argument("--times", type=positive_int, metavar="N", help="end after N messages")
        parser.add_argument("-w", "--wait-matching", type=int, metavar="N", help="readers to wait for (with --once: 1)")
        parser.add_argument("--timeout", type=positive_float, metavar="S", help="how long to wait for readers at most")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        interface = load_interface(args.type, "msg")
        from_yaml(args.message, interface)  # wrong input is known before anything is published
        times = 1 if args.once else args.times
        readers = args.wait_matching if args.wait_matching is not None else int(args.once)
        with Session(args) as session:
            publisher = session.node.create_publisher(interface, args.topic, 10)
            timeout_s = args.timeout if args.timeout is not None else float("inf")
            if not session.wait_for(lambda: publisher.get_subscription_count() >= readers, timeout_s):
                found = publisher.get_subscription_count()
                print(f"{found} of {readers} readers after {args.timeout:g} s; nothing published", file=sys.stderr)
                return NOTHING_CAME
            sent, began_s = 0, time.monotonic()
            while times is None or sent < times:
                message = from_yaml(args.message, interface, now=session.node.get_clock().now().to_msg())
                publisher.publish(message)
                sent += 1
                print(f"publishing #{sent}: {to_yaml(message, flow=True)}", flush=True)
                if sent != times:
                    session.wait_for(_never, began_s + sent / args.rate - time.monotonic())
            # What was published last still has to leave this process.
            session.wait_for(_never, 0.1)
        return 0


def _subscribe(session: Session, args: argparse.Namespace, callback: Any, *, raw: bool = False) -> None:
    from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy  # noqa: PLC0415

    kind = args.type or session.type_of(args.topic)
    interface = load_interface(kind, "msg")
    topic = args.topic if args.topic.startswith("/") else f"/{args.topic}"
    offered = [endpoint.qos_profile for endpoint in session.publishers(topic)]
    # What every publisher can give: a stricter wish would shut some of them out.
    reliable = all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered) and bool(offered)
    latched = all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered) and bool(offered)
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=100,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
    session.node.create_subscription(interface, topic, callback, profile, raw=raw)


def _never() -> bool:
    return False


def _field(message: Any, path: str) -> Any:
    value = message
    for name in path.split("."):
        if not hasattr(value, "get_fields_and_field_types") or name not in value.get_fields_and_field_types():
            known = value.get_fields_and_field_types() if hasattr(value, "get_fields_and_field_types") else {}
            raise InputError(f"no such field; there is {', '.join(known) or 'none'}", key=path)
        value = getattr(value, name)
    return value


def _csv(plain: Any) -> str:
    import csv  # noqa: PLC0415
    import io  # noqa: PLC0415

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for item in value.values() for leaf in leaves(item)]
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]

    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(leaves(plain))
    return out.getvalue()


def _quality(profile: Any) -> str:
    depth = f", depth {profile.depth}" if profile.history.name == "KEEP_LAST" and profile.depth else ""
    return f"{profile.reliability.name.lower()}, {profile.durability.name.lower()}{depth}"


def _whole_quality(endpoint: Any) -> list[str]:
    profile = endpoint.qos_profile
    lines = [f"history {profile.history.name.lower()}, liveliness {profile.liveliness.name.lower()}"]
    for name in ("deadline", "lifespan", "liveliness_lease_duration"):
        nanoseconds = getattr(profile, name).nanoseconds
        # 0 and the greatest duration both mean that there is no limit.
        words = "none" if nanoseconds in (0, 2**63 - 1) else f"{nanoseconds / 1e9:g} s"
        lines.append(f"{name.replace('_', ' ')} {words}")
    kind_hash = getattr(endpoint, "topic_type_hash", None)
    if kind_hash:
        lines.append(f"type hash {kind_hash}")
    return lines
