"""Executors: they run what is ready, in the order in which it arrived."""

from ._executor import Executor
from ._executor_errors import ConditionReachedException, ExternalShutdownException, ShutdownException, TimeoutException
from ._multi_threaded import MultiThreadedExecutor

__all__ = [
    "ConditionReachedException",
    "Executor",
    "ExternalShutdownException",
    "MultiThreadedExecutor",
    "ShutdownException",
    "SingleThreadedExecutor",
    "TimeoutException",
]


class SingleThreadedExecutor(Executor):
    """Runs everything in the thread that spins."""
