"""Puts `cellwright_rclpy.pth` at the root of the wheel, for normal and for editable installs.

`site` runs the file at start-up; it appends the finder that serves the embedded rclpy where no real one is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PTH = "cellwright_rclpy.pth"


class RclpyPthHook(BuildHookInterface):  # type: ignore[type-arg]
    """An editable wheel holds no files of the project but those in `force_include_editable`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the file to the wheel of either kind."""
        source = str(Path(self.root) / PTH)
        key = "force_include_editable" if version == "editable" else "force_include"
        build_data[key][source] = PTH
