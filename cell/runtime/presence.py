"""Which rclpy this interpreter imports, in words a person can act on."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from cell.runtime.finder import foreign_spec


class RosPresence(NamedTuple):
    """What `import rclpy` gives: the kind, the file it comes from, and one line for people."""

    kind: Literal["embedded", "real", "intellisense", "shadowed"]
    origin: str
    note: str


def presence() -> RosPresence:
    """Looks where an rclpy would come from, without importing it."""
    spec = foreign_spec()
    if spec is None:
        origin = str(Path(__file__).parent / "rclpy" / "__init__.py")
        return RosPresence("embedded", origin, "no rclpy is installed: the embedded runtime serves it")
    if spec.origin is None:
        # Python makes a namespace package of a bare folder, and asks no further finder.
        folder = next(iter(spec.submodule_search_locations or ()), "")
        return RosPresence("shadowed", folder, f"a folder named rclpy without a package hides every rclpy: {folder}")
    if _belongs_to_intellisense(Path(spec.origin)):
        note = "rclpy-intellisense installs an rclpy that cannot run: pip uninstall rclpy-intellisense"
        return RosPresence("intellisense", spec.origin, note)
    return RosPresence("real", spec.origin, "a real rclpy is installed: it is used, its message packages too")


def _belongs_to_intellisense(origin: Path) -> bool:
    """True if the distribution rclpy-intellisense installed this file (its rclpy holds only signatures)."""
    try:
        distribution = metadata.distribution("rclpy-intellisense")
    except metadata.PackageNotFoundError:
        return False
    package = Path(str(distribution.locate_file("rclpy")))
    return package.resolve() == origin.resolve().parent
