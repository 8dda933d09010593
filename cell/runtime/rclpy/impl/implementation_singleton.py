"""Where rclpy keeps its C layer; programs and tools take the types of errors from it."""

from . import rclpy_implementation

__all__ = ["rclpy_implementation"]
