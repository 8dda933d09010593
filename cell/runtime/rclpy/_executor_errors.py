"""How waiting for work ends without any."""


class TimeoutException(Exception):
    """Nothing became ready in time."""


class ShutdownException(Exception):
    """The executor was shut down."""


class ExternalShutdownException(Exception):
    """The context was shut down while the executor ran, by a signal for instance."""

    def __init__(self, *args: object) -> None:
        super().__init__("The context was shut down while the executor ran", *args)


class ConditionReachedException(Exception):
    """What was waited for has happened."""
