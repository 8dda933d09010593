"""Which wheels a cell PC needs: ``resolve`` shows whether there are any, ``bundle`` puts them into one folder.

Run by ``make resolve`` and ``make bundle``. ``uv`` resolves, because it answers for a machine and a Python that it does
not run on, markers included; ``pip`` fetches.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
GLIBC = "2.34"
"""Of the oldest systems that are meant: Ubuntu 22.04 has 2.35, Debian 12 has 2.36, RHEL 9 has 2.34."""
GLIBCS = ("2.17", "2.28", "2.31", "2.34")
EXTRAS = ("dds", "openvino", "parquet", "sim", "bench", "train")
LOCKS = {"train": "requirements-train.lock"}
UNLOCKED = {"train": r"torch|torchvision|triton|cuda-.*|nvidia-.*"}
"""Chosen by the Makefile, because their builds differ by machine."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A Python on a machine."""

    python: str
    machine: str
    glibc: str = GLIBC

    @property
    def name(self) -> str:
        return f"py{self.python}-{self.machine}"

    @property
    def uv_words(self) -> list[str]:
        platform_name = f"{self.machine}-manylinux_{self.glibc.replace('.', '_')}"
        return ["--python-version", self.python, "--python-platform", platform_name, "--only-binary", ":all:"]

    @property
    def pip_words(self) -> list[str]:
        minor = int(self.glibc.split(".")[1])
        legacy = ["manylinux1", "manylinux2010"] if self.machine == "x86_64" else []
        names = [f"manylinux_2_{n}" for n in range(minor, 4, -1)] + ["manylinux2014", *legacy]
        words = ["--only-binary=:all:", "--implementation", "cp", "--abi", f"cp{self.python.replace('.', '')}"]
        for name in names:
            words += ["--platform", f"{name}_{self.machine}"]
        return [*words, "--python-version", self.python]


@dataclasses.dataclass(frozen=True)
class Resolution:
    """What one target needs.

    Attributes:
        pins: ``name==version`` of every package that was resolved.
        missing: those that have no wheel; empty where all is well.
        unlocked: those that the lock does not name.
    """

    pins: tuple[str, ...]
    missing: tuple[str, ...]
    unlocked: tuple[str, ...]


def uv(words: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [os.environ.get("UV", str(ROOT / ".venv-lock/bin/uv")), *words]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False, cwd=ROOT)


def compile_pins(words: Sequence[str], stdin: str | None = None) -> tuple[list[str] | None, str]:
    """The pins, or None and what is wrong."""
    source = "-" if stdin is not None else "pyproject.toml"
    done = uv(["pip", "compile", "--quiet", source, "--no-header", "--no-annotate", *words], stdin)
    if done.returncode != 0:
        return None, done.stderr.strip()
    return [line.strip() for line in done.stdout.splitlines() if "==" in line], ""


def resolve(target: Target, extras: Iterable[str] = ()) -> Resolution:
    """Raises SystemExit where the versions do not fit together at all."""
    extras = tuple(extras)
    lock = ROOT / next((LOCKS[extra] for extra in extras if extra in LOCKS), "requirements.lock")
    words = ["-c", str(lock), *(word for extra in extras for word in ("--extra", extra))]
    pins, trouble = compile_pins([*words, *target.uv_words])
    missing: tuple[str, ...] = ()
    if pins is None:
        named = re.findall(r"([\w.-]+==[^\s,]+) has no (?:usable )?wheels", trouble)
        # With source distributions too it may resolve; that shows the other packages.
        pins, trouble = compile_pins([*words, *target.uv_words[:-2]])
        if pins is None:
            if not named:
                raise SystemExit(f"{target.name}: {trouble}")
            return Resolution((), tuple(sorted(set(named))), ())
        others = [pin for pin in pins if pin not in named]
        missing = (*(pin for pin in pins if pin in named), *without_wheel(target, others))
    locked = {line.split(";")[0].strip() for line in lock.read_text().splitlines() if not line.startswith("#")}
    free = next((re.compile(UNLOCKED[extra]) for extra in extras if extra in UNLOCKED), None)
    unlocked = tuple(
        pin for pin in pins if pin not in locked and not (free is not None and free.fullmatch(pin.split("==")[0]))
    )
    return Resolution(tuple(pins), missing, unlocked)


def without_wheel(target: Target, pins: Sequence[str]) -> tuple[str, ...]:
    """Found by halving: each question takes a second or more."""
    if not pins or compile_pins(["--no-deps", *target.uv_words], "\n".join(pins))[0] is not None:
        return ()
    if len(pins) == 1:
        return tuple(pins)
    middle = len(pins) // 2
    return without_wheel(target, pins[:middle]) + without_wheel(target, pins[middle:])


def show_resolution(targets: Sequence[Target], extras: Sequence[str]) -> int:
    """A table; 1 where the plain install does not resolve to locked wheels everywhere."""
    rows = [("plain", ()), *((extra, (extra,)) for extra in extras)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        jobs = {(row, t): pool.submit(resolve, t, names) for row, names in rows for t in targets}
        floors = {t: pool.submit(lowest_glibc, t) for t in targets}
        tell_progress([*jobs.values(), *floors.values()])
        found = {key: job.result() for key, job in jobs.items()}
        lowest = {t: job.result() for t, job in floors.items()}
    width = max(len(t.name) for t in targets)
    print(f"wheels of the locked versions, glibc {GLIBC}: number of packages, or what has none\n")
    print("  ".join([f"{'':9}", *(f"{t.name:>{width}}" for t in targets)]))
    for row, _ in rows:
        cells = ["ok " + str(len(found[row, t].pins)) if not found[row, t].missing else "NO" for t in targets]
        print("  ".join([f"{row:9}", *(f"{cell:>{width}}" for cell in cells)]))
    print("  ".join([f"{'glibc':9}", *(f"{lowest[t] or '-':>{width}}" for t in targets)]))
    print("\nglibc: the lowest of " + ", ".join(GLIBCS) + " for which the plain install has wheels")
    for (row, t), resolution in found.items():
        for what, pins in (("no wheel", resolution.missing), ("not locked", resolution.unlocked)):
            if pins:
                print(f"{row}, {t.name}: {what}: {', '.join(pins)}")
    plain = [found["plain", t] for t in targets]
    return 1 if any(resolution.missing or resolution.unlocked for resolution in plain) else 0


def tell_progress(jobs: Sequence[concurrent.futures.Future[Any]]) -> None:
    """Says how many questions have been answered, and how long the others will take at that rate."""
    began_s = time.monotonic()
    for number, _ in enumerate(concurrent.futures.as_completed(jobs), 1):
        left_s = (time.monotonic() - began_s) / number * (len(jobs) - number)
        if sys.stderr.isatty():
            print(f"\rasked {number} of {len(jobs)}, {left_s:.0f} s left ", end="", file=sys.stderr, flush=True)
        elif number % 10 == 0:
            print(f"asked {number} of {len(jobs)}, {left_s:.0f} s left", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def lowest_glibc(target: Target) -> str | None:
    for glibc in GLIBCS:
        words = ["-c", "requirements.lock", *dataclasses.replace(target, glibc=glibc).uv_words]
        if compile_pins(words)[0] is not None:
            return glibc
    return None


def make_bundle(target: Target, extras: Sequence[str], wheel: Path | None, into: Path) -> Path:
    """Every wheel of a target in one folder.

    Raises:
        SystemExit: a package has no wheel, or cannot be fetched.
    """
    resolution = resolve(target, extras)
    if resolution.missing:
        raise SystemExit(f"no bundle for {target.name}: no wheel of {', '.join(resolution.missing)}")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=into) as scratch:
        part = Path(scratch) / "bundle"
        wheels = part / "wheels"
        wheels.mkdir(parents=True)
        own = build_wheel(wheels) if wheel is None else Path(shutil.copy(wheel, wheels))
        version = own.name.split("-")[1]
        if resolution.pins:
            fetch(target, resolution.pins, wheels)
        listed = [describe(path) for path in sorted(wheels.iterdir())]
        lines = [f"{entry['name']}=={entry['version']} --hash=sha256:{entry['sha256']}\n" for entry in listed]
        (part / "requirements.txt").write_text("".join(lines))
        content = {
            "version": version,
            "python": target.python,
            "machine": target.machine,
            "glibc": target.glibc,
            "extras": list(extras),
            "wheels": listed,
        }
        (part / "bundle.json").write_text(json.dumps(content, indent=2) + "\n")
        script = (ROOT / ".ci/install.sh").read_text()
        (part / "install.sh").write_text(script.replace("@PYTHON@", target.python).replace("@WHEEL@", own.name))
        (part / "install.sh").chmod(0o755)
        files = sorted(path for path in part.rglob("*") if path.is_file())
        sums = [f"{digest(path)}  {path.relative_to(part)}\n" for path in files]
        (part / "SHA256SUMS").write_text("".join(sums))
        folder = into / f"bundle-{version}-{target.name}"
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    return folder


def build_wheel(into: Path) -> Path:
    done = uv(["build", "--quiet", "--wheel", "--no-create-gitignore", "--out-dir", str(into)])
    if done.returncode != 0:
        raise SystemExit(f"the wheel cannot be built:\n{done.stderr}")
    (wheel,) = into.glob("cellwright-*.whl")
    return wheel


def fetch(target: Target, pins: Sequence[str], into: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write("\n".join(pins))
        wanted.flush()
        words = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(into),
            "-r",
            wanted.name,
        ]
        done = subprocess.run([*words, *target.pip_words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"a wheel for {target.name} cannot be fetched:\n{done.stderr.strip()}")


def describe(path: Path) -> dict[str, str | int]:
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
        metadata = archive.read(name).decode(errors="replace")
    found = {key: re.search(rf"^{key}: (.+?)\r?$", metadata, re.MULTILINE) for key in ("Name", "Version")}
    if not all(found.values()):
        raise SystemExit(f"{path}: no name or no version")
    return {
        "file": path.name,
        "name": found["Name"][1],  # type: ignore[index]
        "version": found["Version"][1],  # type: ignore[index]
        "sha256": digest(path),
        "bytes": path.stat().st_size,
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def chosen(names: Sequence[str]) -> list[Target]:
    """``py3.12-aarch64``, ``all``; none: the one that this runs on."""
    every = [Target(python, machine) for machine in MACHINES for python in PYTHONS]
    if not names:
        return [Target(f"{sys.version_info.major}.{sys.version_info.minor}", platform.machine())]
    if list(names) == ["all"]:
        return every
    wrong = [name for name in names if name not in {t.name for t in every}]
    if wrong:
        raise SystemExit(f"no such target: {wrong[0]}; there are {', '.join(t.name for t in every)}, and all")
    return [t for t in every if t.name in names]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("resolve", help="show for which targets there are wheels")
    table.add_argument("targets", nargs="*", default=["all"])
    table.add_argument("--extras", nargs="*", default=list(EXTRAS))
    bundle = commands.add_parser("bundle", help="put every wheel into one folder")
    bundle.add_argument("targets", nargs="*")
    bundle.add_argument("--extras", nargs="*", default=[])
    bundle.add_argument("--wheel", type=Path, help="of cellwright, instead of building it")
    bundle.add_argument("--into", type=Path, default=ROOT / "dist")
    args = parser.parse_args()
    if args.command == "resolve":
        return show_resolution(chosen(args.targets), args.extras)
    for target in chosen(args.targets):
        print(f"collecting the wheels for {target.name}", flush=True)
        folder = make_bundle(target, args.extras, args.wheel, args.into)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{folder}: {len(list((folder / 'wheels').iterdir()))} wheels, {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
