"""Which topics and services tools do not show unless they are asked to."""

__all__ = ["topic_or_service_is_hidden"]

HIDDEN_TOPIC_PREFIX = "_"


def topic_or_service_is_hidden(name: str) -> bool:
    """True if any token of the name begins with an underscore."""
    return any(token.startswith(HIDDEN_TOPIC_PREFIX) for token in name.split("/"))
