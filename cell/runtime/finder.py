"""Serves `rclpy` and the message packages where no real rclpy can be imported.

The finder stands last on `sys.meta_path`, so whatever else can serve a name does. It is all or nothing: where another
finder knows `rclpy`, no message package is served either, so that a broken ROS installation fails loudly instead of
mixing two runtimes. The module is imported at every interpreter start (by `cellwright_rclpy.pth`) and therefore
imports nothing but `sys` until a name is asked for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from cell.runtime.presence import RosPresence

# Asked for at every start, by `site` or by the import of this package itself: never an interface package.
_NEVER_OURS = frozenset({"sitecustomize", "usercustomize", "cell"})


class RclpyFinder:
    """A meta path finder for `rclpy` and for every interface package on the search path."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an embedded module, or None where it is not ours to serve."""
        top, _, rest = name.partition(".")
        # Parts of the standard library ask for what other systems have (`nt`) while they are half imported themselves.
        if top in _NEVER_OURS or top in sys.stdlib_module_names:
            return None
        if top == "rclpy":
            # Submodules are found on the package's own path by the ordinary finder.
            if rest or foreign_spec() is not None:
                return None
            return _rclpy_spec()
        if rest:
            # Only below a package that is ours: a real package without `srv` stays without it.
            parent = sys.modules.get(top)
            if not hasattr(parent, "__cell_interface__"):
                return None
        elif not _may_hold_interfaces(top) or foreign_spec() is not None:
            return None
        from cell.runtime.messages import find_module  # noqa: PLC0415 (nothing is imported until a name is asked for)

        return find_module(name)


def install() -> None:
    """Appends the finder, once; a further call moves it to the last place again."""
    for finder in [entry for entry in sys.meta_path if _is_ours(entry)]:
        sys.meta_path.remove(finder)
    sys.meta_path.append(RclpyFinder())


def foreign_spec() -> ModuleSpec | None:
    """The spec of an rclpy that is not ours, as the other finders see it."""
    for finder in list(sys.meta_path):
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is None or _is_ours(finder):
            continue
        spec: ModuleSpec | None = find_spec("rclpy", None, None)
        if spec is not None:
            return spec
    return None


def describe() -> RosPresence:
    """Says which rclpy an import gives: the embedded one, a real one, or rclpy-intellisense, which cannot run."""
    from cell.runtime.presence import presence  # noqa: PLC0415 (see above)

    return presence()


def _may_hold_interfaces(package: str) -> bool:
    """A cheap look before anything is imported: most names that reach the last finder are optional modules."""
    import os  # noqa: PLC0415 (see above)

    own = __file__.rpartition("/runtime/")[0] + "/interfaces"
    environ = os.environ
    roots = [own, own + "/share", *environ.get("CELL_INTERFACE_PATH", "").split(os.pathsep)]
    roots += [prefix + "/share" for prefix in environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    return any(os.path.isdir(f"{root}/{package}") for root in roots if root)  # noqa: PTH112 (no pathlib at start-up)


def _is_ours(finder: object) -> bool:
    """By name, since a reloaded module makes a second class of the same name."""
    return isinstance(finder, RclpyFinder) or type(finder).__name__ == RclpyFinder.__name__


def _rclpy_spec() -> ModuleSpec | None:
    from importlib.util import spec_from_file_location  # noqa: PLC0415 (see above)

    folder = __file__.rpartition("/")[0] + "/rclpy"
    return spec_from_file_location("rclpy", folder + "/__init__.py", submodule_search_locations=[folder])
