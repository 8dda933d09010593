"""Copies of messages: a request that its client changes afterwards arrives as it was when it was sent."""

from __future__ import annotations

from typing import Any


def snapshot(message: Any) -> Any:
    """A copy that shares nothing mutable with the original."""
    return message._snapshot()
