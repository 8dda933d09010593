"""What rclpy offers on trial."""

from .events_executor import EventsExecutor

__all__ = ["EventsExecutor"]
