"""What a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

PACKAGES = ("cellwright", "numpy", "opencv-python-headless", "onnxruntime")


def versions() -> dict[str, str]:
    """Of Python, of ourselves and of what decides results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
