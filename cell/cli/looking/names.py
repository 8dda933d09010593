"""Arguments that name something in the graph, with what a shell can complete them to."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any


def topic_name(parser: argparse.ArgumentParser) -> None:
    _named(parser, "topic", "TOPIC", "a topic", lambda session: session.topics())


def node_name(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    _named(parser, "node", "NODE", "a node", lambda session: session.nodes(), optional=optional)


def service_name(parser: argparse.ArgumentParser) -> None:
    _named(parser, "service", "SERVICE", "a service", lambda session: session.services())


def action_name(parser: argparse.ArgumentParser) -> None:
    _named(parser, "action", "ACTION", "an action", lambda session: session.actions())


def type_name(parser: argparse.ArgumentParser, optional: str, *, kind: str = "msg") -> None:
    """The name of an interface; with `optional` it can be left out, and the text says what happens then."""
    help_text = f"package/{kind}/Type" + (f" ({optional})" if optional else "")
    nargs = "?" if optional else None
    argument: Any = parser.add_argument("type", metavar="TYPE", help=help_text, nargs=nargs)
    argument.completer = lambda **_: _interfaces(kind)


def _named(
    parser: argparse.ArgumentParser,
    dest: str,
    metavar: str,
    help_text: str,
    known: Callable[[Any], Iterable[str]],
    *,
    optional: bool = False,
) -> None:
    argument: Any = parser.add_argument(dest, metavar=metavar, help=help_text, nargs="?" if optional else None)

    def complete(**_: Any) -> list[str]:
        from cell.cli.looking.session import Session  # noqa: PLC0415 (only while a shell completes)

        # Somebody waits with a finger on the key.
        with Session(argparse.Namespace(spin_time=0.4, wire=None)) as session:
            session.settle()
            return sorted(known(session))

    argument.completer = complete


def _interfaces(kind: str) -> list[str]:
    from cell.runtime import interfaces  # noqa: PLC0415 (only while a shell completes)

    return [
        f"{package}/{kind}/{short}"
        for package in interfaces.packages()
        for short in interfaces.type_names(package, kind)
    ]
