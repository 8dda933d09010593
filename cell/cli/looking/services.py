"""``cell service``: what can be called, and one call."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cell.cli.command import positive_float
from cell.cli.looking.names import service_name
from cell.cli.looking.session import Session, add_session_flags, look_again_hint
from cell.cli.looking.text import from_yaml, load_interface, to_yaml
from perception.errors import InputError

NO_ANSWER = 1


class ListCommand:
    """The services."""

    help = "list the services"
    example = "cell service list --types"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("-t", "--types", action="store_true", help="with their types")
        parser.add_argument("--hidden", action="store_true", help="hidden ones, too (those of actions, for example)")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        with Session(args) as session:
            session.settle()
            for name, types in session.services(hidden=args.hidden).items():
                print(f"{name} [{', '.join(types)}]" if args.types else name)
            hint = look_again_hint(session)
            if hint:
                print(hint, file=sys.stderr)
        return 0


class CallCommand:
    """One call."""

    help = "call a service and print its answer"
    example = (
        "cell service call /cell/command '{command: 2}'\ncell service call /picker/get_parameters '{names: [seed]}'"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        service_name(parser)
        parser.add_argument("words", nargs="*", metavar="[TYPE] [YAML]", help="the type is found by itself")
        parser.add_argument("--timeout", type=positive_float, default=5.0, metavar="S", help="default 5 s")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        kind, text = type_and_text(args.words)
        if kind is not None:
            from_yaml(text, load_interface(kind, "srv").Request)
        with Session(args) as session:
            name = session.find("service", args.service, lambda: session.services(hidden=True))
            kind = kind or session.services(hidden=True)[name][0]
            interface = load_interface(kind, "srv")
            now = session.node.get_clock().now().to_msg()
            return call(session, interface, name, from_yaml(text, interface.Request, now=now), args.timeout)


def type_and_text(words: list[str]) -> tuple[str | None, str]:
    """An optional type and optional YAML, told apart by the braces.

    Raises:
        InputError: more than the two.
    """
    if len(words) > 2:
        raise InputError("unexpected argument; put the YAML in quotes", key=words[2])
    if len(words) == 2:
        return words[0], words[1]
    if not words:
        return None, "{}"
    word = words[0]
    is_type = "/" in word and not any(mark in word for mark in "{}[]: ")
    return (word, "{}") if is_type else (None, word)


def ask(session: Session, interface: Any, name: str, request: Any, timeout_s: float) -> Any:
    """The answer of a service, or None where none came in time."""
    client = session.node.create_client(interface, name)
    try:
        if not session.wait_for(client.service_is_ready, timeout_s):
            return None
        future = client.call_async(request)
        return future.result() if session.wait_for(future.done, timeout_s) else None
    finally:
        session.node.destroy_client(client)


def call(session: Session, interface: Any, name: str, request: Any, timeout_s: float) -> int:
    """Calls and prints; gives the exit status."""
    answer = ask(session, interface, name, request, timeout_s)
    if answer is None:
        print(f"{name} gave no answer within {timeout_s:g} s", file=sys.stderr)
        return NO_ANSWER
    print(to_yaml(answer))
    return 0
