"""Errors that the original raises from its C layer; programs catch them by RuntimeError or by name."""

__all__ = ["NodeNameNonExistentError", "RCLError"]


class RCLError(RuntimeError):
    """An operation on the graph failed."""


class NodeNameNonExistentError(RCLError):
    """No node of that name is known."""
