"""The folder of a new cell: launch file, params, their schema, what to wire and to set. All of it or nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cell.commissioning import settings
from cell.commissioning.choices import Choices, distinct
from cell.commissioning.params_text import params_text
from cell.drivers import catalogue
from cell.launching import configure, load_launch
from cell.schema import params_schema
from perception.errors import InputError

LAUNCH: Final = "cell.launch.yaml"
PARAMS: Final = "cell.params.yaml"
SCHEMA: Final = "cell.schema.json"
README: Final = "README.md"

HARDWARE_LAUNCH: Final = """\
# This cell. It waits in Stopped until an operator gives Reset and Start.
#   cell run cell.launch.yaml        ros2 launch cell.launch.yaml
#
# The arm is not started here: its maker's ROS 2 driver serves /arm/follow_joint_trajectory and publishes /joint_states.
# One executable is one process; what may die alone comes back by itself (respawn), the rest is cell run's own.
launch:
  - arg:
      name: params
      default: $(dirname)/cell.params.yaml
      description: what every node is set to

  - executable:
      name: vision
      cmd: cell node camera detector --ros-args --params-file $(var params)
      respawn: "true"
      respawn_delay: 0.5
      respawn_max_retries: 5
{control}"""

SIMULATED_LAUNCH: Final = """\
# This cell with simulated hardware.
#   cell run cell.launch.yaml --parts 50
launch:
  - arg:
      name: params
      default: $(dirname)/cell.params.yaml
      description: what every node is set to

  - executable:
      name: sim
      cmd: cell node sim_camera sim_arm --ros-args --params-file $(var params)

  - executable:
      name: detector
      cmd: cell node detector --ros-args --params-file $(var params)
      respawn: "true"
      respawn_delay: 0.5
      respawn_max_retries: 5
{control}"""

CONTROL: Final = """\

  # Devices that share a port share a process.
  - executable:
      name: control
      cmd: cell node tracker policy picker gripper conveyor supervisor --ros-args --params-file $(var params)

  - executable:
      name: page
      cmd: cell node status --ros-args --params-file $(var params)
      respawn: "true"
      respawn_delay: 0.5
      respawn_max_retries: 5
"""


def files_of(choices: Choices, name: str) -> Mapping[str, str]:
    """Every file of the folder by its name."""
    launch = SIMULATED_LAUNCH if choices.simulated else HARDWARE_LAUNCH
    return {
        LAUNCH: launch.format(control=CONTROL),
        PARAMS: params_text(choices),
        SCHEMA: json.dumps(params_schema(), indent=1, ensure_ascii=False) + "\n",
        README: readme_text(choices, name),
    }


def write(folder: Path, choices: Choices) -> tuple[str, ...]:
    """Write the folder, whole and checked; returns the names of its files.

    Raises:
        InputError: something stands there already, it cannot be written, or the choices do not go together (two devices
            at one address, a port at two speeds, a belt that is faster than its drive): nothing is written.
    """
    folder = folder.expanduser()
    refuse_what_is_there(folder)
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise InputError(f"the folder {parent} does not exist", file=folder)
    files = files_of(choices, folder.name)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=folder) from None
    try:
        for name, text in files.items():
            (temporary / name).write_text(text, encoding="utf-8")
        _check(temporary, folder)
        temporary.chmod(0o755 & ~_umask())
        # An empty folder gives way to a whole one in one step; anything else that came meanwhile does not.
        temporary.rename(folder)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=folder) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return tuple(files)


def refuse_what_is_there(folder: Path) -> None:
    """Raises InputError where something stands that would have to be overwritten."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError("is there already, and is no folder", file=folder)
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError("is there already and not empty: nothing is overwritten; name another folder", file=folder)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=folder) from None


def _check(temporary: Path, folder: Path) -> None:
    try:
        configs = configure(load_launch(temporary / LAUNCH))
        fault = next(settings.faults(configs), None)
    except InputError as error:
        fault = error
    if fault is not None:
        # The file at fault is never written, so its key alone says what to change.
        raise InputError(f"{fault.message} (nothing was written to {folder})", key=fault.key)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def readme_text(choices: Choices, name: str) -> str:
    """What to wire, to set at the devices, and to do in which order."""
    lines = [f"# {name}", "", "One cell's config, written by `cell init`. Everything in it may be changed.", ""]
    lines += ["| file | holds |", "|---|---|"]
    lines += [f"| `{LAUNCH}` | which nodes run, in which processes |"]
    lines += [f"| `{PARAMS}` | what they are set to, with every default, unit and range |"]
    lines += [f"| `{SCHEMA}` | what an editor checks the params with; `cell config schema` prints it anew |"]
    lines += ["", "## Devices", "", "| role | model | port | unit | baud |", "|---|---|---|---|---|"]
    for device, roles in distinct(choices.devices):
        lines.append(f"| {', '.join(roles)} | `{device.model}` | `{device.port}` | {device.unit} | {device.baudrate} |")
    if choices.simulated:
        lines += ["", "All of them are emulated: nothing is to be wired."]
    else:
        lines += ["", "## Safety", ""]
        lines += [
            "A safety PLC stops the motion of arm and belt and owns the emergency stop and the light curtain. This"
            " software only looks at them and carries no performance level (ISO 13849). Do the safety check of the"
            " whole cell before the arm moves for the first time.",
        ]
        for device, roles in distinct(choices.devices):
            guide = catalogue.model(device.model).guide
            lines += ["", f"## Wire and set: {', '.join(roles)}", "", f"{guide.title}", ""]
            lines += [f"- [ ] wire: {line}" for line in guide.wiring]
            lines += [f"- [ ] set: {line}" for line in guide.settings]
            if not guide.wiring and not guide.settings:
                lines += [f"- [ ] its driver `{device.model}` brings no guide: see its maker's manual"]
        lines += ["", "## Wire and set: camera", ""]
        lines += [
            f"- [ ] `{choices.camera}` over the belt, looking straight down, its height along the travel",
            f"- [ ] {choices.rate_hz:g} pictures a second, exposure fixed and shorter than 1 ms at "
            f"{choices.belt_speed_mps:g} m/s, its strobe output on the I/O block's latch",
            "- [ ] `px_per_m` measured: pixels between two marks on the belt, divided by their distance in metres",
            "- [ ] the user is in `dialout` and `video`: `sudo usermod -aG dialout,video $USER`, log in anew",
        ]
    lines += ["", "## In this order", "", "```sh"]
    lines += [f"cell config check {LAUNCH}   # file, line and key of what does not go together"]
    lines += [f"cell doctor {LAUNCH}         # what is connected, fresh, licensed; what is missing, and what to do"]
    run = "--parts 50" if choices.simulated else ""
    lines += [f"cell run {LAUNCH} {run}".rstrip() + "  # prints the link to the operator's page"]
    lines += ["```", ""]
    if not choices.simulated:
        lines += ["It stands in Stopped. On the page: Reset, then Start.", ""]
    return "\n".join(lines)
