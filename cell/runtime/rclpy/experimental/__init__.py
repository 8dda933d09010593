"""What rclpy offers on trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .events_executor import EventsExecutor

if TYPE_CHECKING:
    from .async_client import AsyncClient
    from .async_clock import AsyncClock
    from .async_node import AsyncNode

__all__ = ["AsyncClient", "AsyncClock", "AsyncNode", "EventsExecutor"]


def __getattr__(name: str) -> Any:
    """What needs asyncio loads on use: that is slow to import, and most programs have no loop."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import async_client, async_clock, async_node  # noqa: PLC0415 (see above)

    modules = {"AsyncClient": async_client, "AsyncClock": async_clock, "AsyncNode": async_node}
    return getattr(modules[name], name)
