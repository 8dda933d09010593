"""``python -m cell.install.first BUNDLE --prefix DIR``: the first installation, from the wheel itself.

``install.sh`` of a bundle runs it with the wheel as the import path: nothing is installed yet, so that what this module
imports is Python's own and ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cell.install.package import read_package
from cell.install.prefix import DEFAULT, Prefix
from cell.install.upgrade import Change
from perception.errors import InputError


def main(words: Sequence[str]) -> int:
    """Exit status 2 and one line where it cannot be installed; nothing is left then."""
    parser = argparse.ArgumentParser(prog="install.sh", allow_abbrev=False)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--prefix", type=Path, default=DEFAULT)
    args = parser.parse_args(words)
    try:
        prefix = Prefix(args.prefix.absolute())
        running = prefix.running()
        if running is not None:
            raise InputError(f"{running} is installed here: {prefix.current}/bin/cell upgrade", file=prefix.root)
        package = read_package(args.bundle.absolute())
        Change(prefix, (), _say).upgrade(package)
    except InputError as error:
        sys.stderr.write(f"install.sh: {error}\n")
        return 2
    _say(f"{prefix.current} is {package.version}")
    return 0


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
