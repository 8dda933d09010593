"""The names under which Gymnasium finds our environments.

Importing Gymnasium takes a quarter of a second, which no command of the cell has to spend: where it is not imported
yet, its own import registers them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

GYMNASIUM: Final = "gymnasium"
ENVIRONMENTS: Final = {
    "cell/BeltPick-v0": "sim.envs.pick:BeltPick",
    "cell/BeltSort-v0": "sim.envs.sort:BeltSort",
    "cell/BeltSpeed-v0": "sim.envs.speed:BeltSpeed",
}
"""Environments by name, and their classes without the ending ``Env`` or ``VectorEnv``."""


def register_with_gymnasium() -> None:
    """Register now if Gymnasium is imported, else as soon as it is."""
    if sys.modules.get(GYMNASIUM) is not None:
        register_environments()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def register_environments() -> None:
    """Register what is not registered yet."""
    import gymnasium  # noqa: PLC0415 (only where it is imported anyway)

    for name, stem in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            # They check the order of calls themselves: the wrappers would take as long as the step.
            gymnasium.register(
                name,
                entry_point=f"{stem}Env",
                vector_entry_point=f"{stem}VectorEnv",
                order_enforce=False,
                disable_env_checker=True,
            )


class _Finder(MetaPathFinder):
    """Finds Gymnasium as the other finders do, so that we hear when it is imported; and nothing else."""

    def __init__(self) -> None:
        self._asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != GYMNASIUM or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)
        return spec


class _Loader(Loader):
    """Gymnasium's own loader, and our registration behind it."""

    def __init__(self, own: Loader, finder: _Finder) -> None:
        self._own, self._finder = own, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        module.__loader__ = self._own
        self._own.exec_module(module)
        register_environments()

    def __getattr__(self, name: str) -> object:
        # For those who only look a module up and ask its loader for more.
        return getattr(self._own, name)
