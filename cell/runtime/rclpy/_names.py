"""Topic, service, node and namespace names: what ROS 2 allows, how names expand, and how rules rename them.

Rules: design.ros2.org, "Topic and Service Names" and "Static Remapping via Command Line Arguments".
"""

from __future__ import annotations

import re

from ._arguments import Arguments, Remap
from .exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidServiceNameException,
    InvalidTopicNameException,
)

_SUBSTITUTION = re.compile(r"\{([^{}]*)\}")
_NODE_NAME_MAX = 255  # RMW_NODE_NAME_MAX_NAME_LENGTH, rmw/validate_node_name.h
_TOPIC_NAME_MAX = 247  # RMW_TOPIC_MAX_NAME_LENGTH, rmw/validate_full_topic_name.h
_NAMESPACE_MAX = 245  # RMW_NAMESPACE_MAX_LENGTH, rmw/validate_namespace.h: room for a topic of one letter


def check_node_name(name: str) -> None:
    """Raises InvalidNodeNameException."""
    if not name:
        raise InvalidNodeNameException(name, "node name must not be empty", 0)
    bad = re.search(r"\W", name, re.ASCII)
    if bad:
        raise InvalidNodeNameException(
            name, "node name must not contain characters other than alphanumerics or '_'", bad.start()
        )
    if name[0].isdigit():
        raise InvalidNodeNameException(name, "node name must not start with a number", 0)
    if len(name) > _NODE_NAME_MAX:
        raise InvalidNodeNameException(name, "node name length should not exceed '255'", _NODE_NAME_MAX)


def check_namespace(namespace: str) -> None:
    """Raises InvalidNamespaceException."""
    problem = None if namespace == "/" else _full_name_problem(namespace, "namespace", _NAMESPACE_MAX)
    if problem is not None:
        raise InvalidNamespaceException(namespace, *problem)


def check_full_name(name: str, *, service: bool) -> None:
    """Raises InvalidServiceNameException or InvalidTopicNameException for a name after its expansion."""
    problem = _full_name_problem(name, "service name" if service else "topic name", _TOPIC_NAME_MAX)
    if problem is not None:
        kind = InvalidServiceNameException if service else InvalidTopicNameException
        raise kind(name, *problem)


def check_name(name: str, *, service: bool) -> None:
    """Raises InvalidServiceNameException or InvalidTopicNameException for a name before its expansion."""
    problem = _relative_name_problem(name, "service name" if service else "topic name")
    if problem is not None:
        kind = InvalidServiceNameException if service else InvalidTopicNameException
        raise kind(name, *problem)


def expand(name: str, node: str, namespace: str, *, service: bool) -> str:
    """The fully qualified name of a topic or a service.

    Raises:
        InvalidTopicNameException, InvalidServiceNameException: the name is not allowed.
        ValueError: it holds an unknown substitution.
    """
    check_name(name, service=service)
    base = namespace.rstrip("/")

    def substitute(match: re.Match[str]) -> str:
        values = {"node": node, "ns": namespace.strip("/"), "namespace": namespace.strip("/")}
        if match[1] not in values:
            raise ValueError(f"topic name '{name}' is invalid: unknown substitution {match[0]!r}")
        return values[match[1]]

    expanded = _SUBSTITUTION.sub(substitute, name)
    if expanded == "~" or expanded.startswith("~/"):
        return f"{base}/{node}{expanded[1:]}"
    return expanded if expanded.startswith("/") else f"{base}/{expanded}"


def remap(full_name: str, node: str, namespace: str, rule_sets: list[Arguments], *, service: bool) -> str:
    """Applies the first rule whose source expands to the name: the node's own arguments before the global ones."""
    for arguments in rule_sets:
        for rule in arguments.remaps:
            if _source(rule, node, namespace, service=service) == full_name:
                return expand(_bare(rule.target, service=service), node, namespace, service=service)
    return full_name


def _source(rule: Remap, node: str, namespace: str, *, service: bool) -> str | None:
    if rule.source.startswith("__") or rule.node not in ("", node):
        return None
    other = "rostopic://" if service else "rosservice://"
    if rule.source.startswith(other):
        return None
    bare = _bare(rule.source, service=service)
    if _relative_name_problem(bare, "") is not None:
        return None
    return expand(bare, node, namespace, service=service)


def _bare(name: str, *, service: bool) -> str:
    return name.removeprefix("rosservice://" if service else "rostopic://")


def _relative_name_problem(name: str, what: str) -> tuple[str, int] | None:
    if not name:
        return f"{what} must not be empty", 0
    if name.endswith("/") and name != "/":
        return f"{what} must not end with a forward slash", len(name) - 1
    if name == "/":
        return f"{what} must not end with a forward slash", 0
    bad = re.search(r"[^\w/~{}]", name, re.ASCII)
    if bad:
        return f"{what} must not contain characters other than alphanumerics, '_', '~', '{{', or '}}'", bad.start()
    if "~" in name[1:]:
        return f"{what} has tilde not at the beginning", name.index("~", 1)
    if name[0] == "~" and len(name) > 1 and name[1] != "/":
        return f"{what} has tilde not followed by forward slash", 1
    if "//" in name:
        return f"{what} must not contain repeated forward slashes", name.index("//")
    bare = _SUBSTITUTION.sub("a", name)
    if "{" in bare or "}" in bare:
        return f"{what} has unbalanced curly braces", max(name.find("{"), name.find("}"))
    digit = re.search(r"(^|/)\d", name)
    if digit:
        return f"{what} token must not start with a number", digit.end() - 1
    return None


def _full_name_problem(name: str, what: str, length_max: int) -> tuple[str, int] | None:
    if not name:
        return f"{what} must not be empty", 0
    if not name.startswith("/"):
        return f"{what} must be absolute, it must lead with a '/'", 0
    if name.endswith("/"):
        return f"{what} must not end with a '/'", len(name) - 1
    bad = re.search(r"[^\w/]", name, re.ASCII)
    if bad:
        return f"{what} must not contain characters other than alphanumerics, '_', or '/'", bad.start()
    if "//" in name:
        return f"{what} must not contain repeated '/'", name.index("//") + 1
    digit = re.search(r"/\d", name)
    if digit:
        return f"{what} must not have a token that starts with a number", digit.end() - 1
    if len(name) > length_max:
        return f"{what} length should not exceed '{length_max}'", length_max
    return None
