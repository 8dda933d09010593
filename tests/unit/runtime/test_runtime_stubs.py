"""The committed stubs are those that the generator writes, and a type checker reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cell.runtime.stubs_generator import outdated_files

ROOT = Path(__file__).parents[3]


def test_stubs_are_current_when_generated_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELL_INTERFACE_PATH", raising=False)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    assert list(outdated_files()) == [], "run: python -m cell.runtime.stubs_generator"


def test_mypy_sees_types_when_code_imports_rclpy(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    program = tmp_path / "node_under_mypy.py"
    program.write_text(
        "from rclpy.node import Node\n"
        "from std_msgs.msg import String\n"
        "node = Node('a')\n"
        "publisher = node.create_publisher(String, 'x', 10)\n"
        "publisher.publish(String(data='y'))\n"
        "publisher.publish(String(data=1))\n"
        "def callback(message: String) -> None: print(message.dat)\n"
        "node.create_subscription(String, 'x', callback, 10)\n"
        "def other(message: int) -> None: ...\n"
        "node.create_subscription(String, 'x', other, 10)\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line.split(": ", 1)[1] for line in result.stdout.splitlines() if "error:" in line]
    assert len(errors) == 3, result.stdout
    assert 'incompatible type "int"' in errors[0]
    assert '"dat"' in errors[1]
