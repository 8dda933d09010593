"""`Future` under the name of its newer module."""

from .task import Future

__all__ = ["Future"]
