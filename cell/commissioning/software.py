"""Checks of what is installed: versions, ROS, the C library, models and their licences."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any, Final

from cell.commissioning.findings import Patient, fault, note, ok, warning
from cell.drivers.guide import Judgement
from cell.launching import share_folder
from cell.runtime.finder import describe
from perception.backends import open_backend
from perception.errors import InputError
from perception.registry import find_model, model_ids

DISTRIBUTION: Final = "cellwright"
PYTHONS: Final = ((3, 10), (3, 13))
LOCK: Final = "requirements.lock"
MAIN_LICENCE: Final = "Apache-2.0"
COPYLEFT: Final = re.compile(r"\bAGPL", re.IGNORECASE)


def python(_: Patient) -> Iterator[tuple[str, Judgement]]:
    """Ours and Python's versions."""
    low, high = PYTHONS
    version = platform.python_version()
    words = f"{version} on {platform.system()} {platform.machine()}"
    if not low <= sys.version_info[:2] <= high:
        yield "Python", fault(words, f"install Python {low[0]}.{low[1]} to {high[0]}.{high[1]}")
    elif platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        yield "Python", warning(words, "tested on Linux, x86-64 and aarch64, only")
    else:
        yield "Python", ok(words)


def versions(_: Patient) -> Iterator[tuple[str, Judgement]]:
    """Ours, and what we need against the versions that were tested together."""
    try:
        own = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield DISTRIBUTION, fault("is not installed as a package", "pip install cellwright")
        return
    yield DISTRIBUTION, ok(own)
    missing, differs, checked = _compare(metadata.requires(DISTRIBUTION) or [], _locked())
    if missing:
        yield "dependencies", fault("; ".join(missing), f"pip install --force-reinstall {DISTRIBUTION}=={own}")
    elif differs:
        yield (
            "dependencies",
            warning(f"{checked} in order, {len(differs)} other than tested: {', '.join(differs)}", f"see {LOCK}"),
        )
    else:
        yield "dependencies", ok(f"{checked} in order{', all as tested together' if _locked() else ''}")


def _locked() -> dict[str, list[tuple[str, str]]]:
    """By package: versions that were tested, each with the marker under which it counts."""
    try:
        path = share_folder() / LOCK
        lines = path.read_text(encoding="utf-8").splitlines()
    except (InputError, OSError):
        return {}
    found: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        pinned, _, marker = line.partition(";")
        name, sign, version = pinned.strip().partition("==")
        if sign and not line.startswith("#"):
            found.setdefault(_plain(name), []).append((version.strip(), marker.strip()))
    return found


def _compare(requires: list[str], locked: dict[str, list[tuple[str, str]]]) -> tuple[list[str], list[str], int]:
    """What is missing or too old, what differs from the lock, and how many packages were looked at."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (comes with onnxruntime)
    except ImportError:
        return ["packaging is missing, so that no version can be compared"], [], 0
    missing, differs, checked = [], [], 0
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        checked += 1
        try:
            there = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{requirement.name} is missing")
            continue
        if there not in requirement.specifier:
            missing.append(f"{requirement.name} {there} is not {requirement.specifier}")
            continue
        tested = [version for version, marker in locked.get(_plain(requirement.name), ()) if _counts(marker)]
        if tested and there not in tested:
            differs.append(f"{requirement.name} {there} ({tested[0]})")
    return missing, differs, checked


def _counts(marker: str) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 (see above)

    return not marker or Marker(marker).evaluate()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def ros(_: Patient) -> Iterator[tuple[str, Judgement]]:
    """Which rclpy an import gives, and rclpy-intellisense, which is harmful."""
    found = describe()
    words = f"{found.note} ({found.origin})"
    if found.kind == "intellisense":
        yield "rclpy", fault(f"{words}: harmful, it holds signatures only", "pip uninstall rclpy-intellisense")
    elif found.kind == "shadowed":
        yield "rclpy", fault(words, f"rename or remove the folder {found.origin}")
    else:
        yield "rclpy", ok(words)
    if found.kind != "intellisense":
        try:
            there = metadata.version("rclpy-intellisense")
        except metadata.PackageNotFoundError:
            return
        yield (
            "rclpy-intellisense",
            fault(f"{there} is installed: harmful, it hides the rclpy that runs", "pip uninstall rclpy-intellisense"),
        )


def glibc(_: Patient) -> Iterator[tuple[str, Judgement]]:
    """The C library, and iceoryx2, which carries pictures between the cell's processes where it is installed."""
    library, text = platform.libc_ver()
    version = _numbers(text)
    least = _iceoryx_glibc()
    if library != "glibc":
        yield "C library", warning(f"{library or 'unknown'} {text}".strip(), "tested with glibc only")
    elif least and version < least:
        advice = "pictures go through sockets, which is slower; a newer system has a newer glibc"
        yield "C library", warning(f"glibc {text}, iceoryx2 needs {'.'.join(map(str, least))}", advice)
    else:
        yield "C library", ok(f"glibc {text}{', iceoryx2 needs ' + '.'.join(map(str, least)) if least else ''}")
    try:
        import iceoryx2  # noqa: F401, PLC0415 (loads a library)
    except (ImportError, OSError) as error:
        yield "iceoryx2", note(f"cannot be loaded: {error}", "pictures go through sockets between processes, slower")
    else:
        yield "iceoryx2", ok(f"{metadata.version('iceoryx2')} loads")


def _iceoryx_glibc() -> tuple[int, ...]:
    """What the installed wheel was built for; empty where none is."""
    try:
        wheel = metadata.distribution("iceoryx2").read_text("WHEEL") or ""
    except metadata.PackageNotFoundError:
        return ()
    found = re.search(r"manylinux_(\d+)_(\d+)", wheel)
    return (int(found[1]), int(found[2])) if found else ()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def models(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """Each model: the file is the one of its card and runs."""
    for name in _model_names(patient):
        try:
            model = find_model(name)
            open_backend(model, threads=1)
        except InputError as error:
            advice = "install cellwright again" if name in model_ids() else "cell models list shows what there is"
            yield name, fault(str(error), advice)
        else:
            words = f"SHA-256 {model.card.sha256[:12]} is its card's, it runs"
            uses = " (this cell's)" if name in _configured(patient) else ""
            yield name, ok(f"{words}{uses}")


def _configured(patient: Patient) -> list[str]:
    named = [patient.value(node, "model") for node in ("detector", "tracker")]
    return list(dict.fromkeys(str(name) for name in named if name))


def _model_names(patient: Patient) -> list[str]:
    return list(dict.fromkeys([*_configured(patient), *model_ids()]))


def licences(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """The code's licence, and the models', which is another one."""
    text = _metadata_licence()
    if MAIN_LICENCE not in text:
        yield "code", warning(f"the package says {text or 'nothing'}", f"the code is {MAIN_LICENCE}")
    else:
        yield "code", ok(f"{MAIN_LICENCE} (the package: {text})")
    for name in _model_names(patient):
        try:
            licence = find_model(name).card.licence
        except InputError:
            continue
        if COPYLEFT.search(licence):
            yield (
                f"model {name}",
                note(
                    f"{licence}: who passes it on, or offers it over a network, owes its source",
                    "train one of your own for other terms",
                ),
            )
        else:
            yield f"model {name}", ok(licence)
    for name in ("ultralytics", "ultralytics-opencv-headless"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        yield name, note("AGPL-3.0, used for training only; nothing that runs in a cell imports it")


def _metadata_licence() -> str:
    try:
        found: Any = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return ""
    return str(found.get("License-Expression") or found.get("License") or "")


def page(_: Patient) -> Iterator[tuple[str, Judgement]]:
    """The operator's page is there; any browser shows it, none has to be installed here."""
    from cell.hmi.files import read_page  # noqa: PLC0415 (reads the page)

    try:
        files = read_page()
    except InputError as error:
        yield "page", fault(str(error), "install cellwright again")
    else:
        yield "page", ok(f"{len(files)} files; any browser in the network shows it, none is needed on this machine")


def config(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """The cell's own files, as ``cell config check`` sees them."""
    from cell.commissioning import settings  # noqa: PLC0415 (loads every driver)

    name = str(patient.launch_file)
    if patient.trouble is not None:
        yield name, fault(str(patient.trouble), "cell config check says more")
        return
    wrong = list(dict.fromkeys(str(error) for error in settings.faults(patient.configs)))
    for message in wrong:
        yield name, fault(message)
    if not wrong:
        yield name, ok(f"in order: {', '.join(node.name for node in patient.configs)}")


def calibration(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """Where the camera looks: present, plausible, and the same for everybody who uses it."""
    from perception.calibration import CameraModel  # noqa: PLC0415 (NumPy)

    scale, width, height = (patient.value("tracker", key) for key in ("px_per_m", "width_px", "height_px"))
    if not isinstance(scale, float) or not isinstance(width, int) or not isinstance(height, int):
        yield "camera", fault("no node tells where the camera looks", "a cell needs the node tracker with px_per_m")
        return
    camera = CameraModel.straight(scale, width_px=width, height_px=height)
    across_m, along_m = width / scale, height / scale
    words = (
        f"{scale:g} px/m: the picture shows {across_m * 1e3:.0f} mm across the belt and {along_m * 1e3:.0f} mm along it"
    )
    tracker = next(config for config in patient.configs if config.name == "tracker")
    written = "px_per_m" in tracker.values
    window = patient.value("policy", "window_m")
    rate_hz, speed_mps = patient.value("camera", "rate_hz") or 10.0, patient.value("conveyor", "speed_mps")
    if not 0.02 <= across_m <= 3.0:
        yield (
            "camera",
            fault(f"{words}, which no belt has", "measure px_per_m: pixels between two marks / their distance"),
        )
    elif isinstance(window, tuple) and window[0] < camera.to_cell(0.0, float(height))[0]:
        yield (
            "camera",
            fault(
                f"{words}; the pick window begins at {window[0]:g} m, inside the picture", "move window_m downstream"
            ),
        )
    elif speed_mps and speed_mps / rate_hz > along_m:
        yield (
            "camera",
            fault(
                f"{words}; at {speed_mps:g} m/s and {rate_hz:g} pictures a second the belt moves by more than that",
                "a higher rate_hz or a slower belt",
            ),
        )
    elif not written:
        yield (
            "camera",
            warning(f"{words}, from the default: nobody has measured it", "write px_per_m into the params file"),
        )
    else:
        yield "camera", ok(f"{words} (calibration {camera.calibration_id})")
