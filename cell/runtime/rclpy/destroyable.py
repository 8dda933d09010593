"""The surface that all handles share."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["DestroyableType"]


class DestroyableType(Protocol):
    """Usable within a `with` block; ended when nobody uses it any more."""

    def __enter__(self) -> Any:
        """Raises InvalidHandle once the destruction was asked for."""

    def __exit__(self, *exc_info: object) -> None: ...

    def destroy_when_not_in_use(self) -> None: ...
