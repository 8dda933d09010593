"""Tells the graph which processes of the cell are away: their nodes, which cannot say so themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from cell.conditions import CAUSE
from cell.nodes.node import ERROR, OK, CellNode, status

Away = Callable[[], Iterable[tuple[str, str]]]
"""The names of nodes that are away, each with the reason in words."""


class ProcessesNode(CellNode):
    """A line on /diagnostics for each node whose process is away, and one for itself.

    Args:
        away: what is.
    """

    def __init__(self, away: Away, **kwargs: Any) -> None:
        self._away = away
        super().__init__("processes", **kwargs)

    def health(self) -> list[DiagnosticStatus]:
        """One line for each node that is away; the node's own heartbeat says when it is back."""
        gone = [status(name, ERROR, words, {CAUSE: "node_silent"}) for name, words in self._away()]
        return [*gone, status("processes", OK, "running" if not gone else f"{len(gone)} nodes away")]
