"""1080p pictures on the wire to a peer that is not ours: Fast DDS, in C++, built here from the tests' source.

Fifty pictures, reliable, one after the other: from the first `publish` until the peer has found every one whole. Beside
it stands Cyclone DDS with raw bytes, from one process to another on the same wire.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cell.cli.bench.crossing import cross
from cell.cli.bench.figures import Figure, Sample, figure

IMAGES: Final = 50
WIDTH, HEIGHT = 1920, 1080
WAIT_S: Final = 60.0
SOURCE: Final = Path(__file__).parents[3] / "tests/wire_ros2/peers/fast_peer.cpp"
HEADERS: Final = Path("/usr/include/fastdds")


def wire_figures(rounds: int, tell: Callable[[str], None]) -> list[Figure]:
    """The figure, or none where what it needs is not here; `tell` says which."""
    for missing, what in (
        (not SOURCE.is_file(), "the peer's source (it comes with a checkout)"),
        (shutil.which("g++") is None or not HEADERS.is_dir(), "g++ and Debian's libfastrtps-dev"),
    ):
        if missing:
            tell(f"wire_image_fps is left out: it needs {what}")
            return []
    with tempfile.TemporaryDirectory(prefix="cell-bench-") as folder:
        peer = Path(folder) / "fast_peer"
        tell("building the peer on Fast DDS")
        command = ["g++", "-std=c++17", "-O2", "-o", str(peer), str(SOURCE), "-lfastrtps", "-lfastcdr", "-pthread"]
        subprocess.run(command, check=True, capture_output=True)
        ours, theirs = [], []
        for number in range(rounds):
            tell(f"on the wire, round {number + 1} of {rounds}")
            try:
                ours.append(_to_fast_dds(peer))
                theirs.append(cross("cyclonedds", n_small=20, n_images=IMAGES).fps)
            except (ImportError, OSError, RuntimeError) as error:
                tell(f"wire_image_fps is left out: {error}")
                return []
    mine, other = Sample(tuple(ours), IMAGES * rounds), Sample(tuple(theirs), IMAGES * rounds)
    name = "cyclonedds, raw, to itself"
    return [figure("wire_image_fps", "fps", ("cellwright", mine), (name, other), more_is_better=True)]


def _to_fast_dds(peer: Path) -> float:
    """Pictures a second, from the first `publish` to the last picture that the peer found whole.

    Raises:
        RuntimeError: not every picture arrived whole.
    """
    # Not seeded: two runs on one machine must not meet.
    domain = random.SystemRandom().randrange(100, 201)
    environment = {**os.environ, "CELL_WIRE": "dds", "ROS_LOCALHOST_ONLY": "1", "ROS_DOMAIN_ID": str(domain)}
    environment.pop("ROS_AUTOMATIC_DISCOVERY_RANGE", None)
    listener = subprocess.Popen(
        [str(peer), str(domain), "listen_image", str(IMAGES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    talker = subprocess.Popen(
        [sys.executable, "-m", "cell.cli.bench.wire"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    # A peer that hears nothing would listen for ever.
    limit = threading.Timer(2 * WAIT_S, listener.kill)
    limit.start()
    try:
        good = 0
        assert listener.stdout is not None
        assert talker.stdout is not None
        for line in listener.stdout:
            good += line.startswith("image ") and line.rstrip().endswith(" good")
            if line.startswith("image ") and good == IMAGES:
                ended_ns = time.monotonic_ns()
                began_ns = int(talker.stdout.readline())
                return IMAGES / (ended_ns - began_ns) * 1e9
        raise RuntimeError(f"{good} of {IMAGES} pictures arrived whole")
    finally:
        limit.cancel()
        for process in (talker, listener):
            process.kill()
            process.communicate()


def _talk() -> None:
    import numpy as np  # noqa: PLC0415 (only in the talking process)
    import rclpy  # noqa: PLC0415
    from builtin_interfaces.msg import Time  # noqa: PLC0415
    from sensor_msgs.msg import Image  # noqa: PLC0415
    from std_msgs.msg import Header  # noqa: PLC0415

    rclpy.init(args=[])
    node: Any = rclpy.create_node("camera", enable_rosout=False, start_parameter_services=False)
    publisher = node.create_publisher(Image, "/camera/image", IMAGES)
    pictures = []
    for number in range(IMAGES):
        # The peer knows this picture: every 4096th byte is its place plus the number.
        pixels = np.zeros(HEIGHT * WIDTH * 3, np.uint8)
        places = np.arange(0, pixels.size, 4096)
        pixels[places] = (number + places // 4096) & 255
        header = Header(stamp=Time(sec=1_700_000_000, nanosec=number), frame_id="camera")
        pictures.append(Image(header=header, height=HEIGHT, width=WIDTH, encoding="bgr8", step=WIDTH * 3, data=pixels))
    until_s = time.monotonic() + WAIT_S
    while not publisher.get_subscription_count() and time.monotonic() < until_s:
        rclpy.spin_once(node, timeout_sec=0.01)
    began_ns = time.monotonic_ns()
    for picture in pictures:
        publisher.publish(picture)
    sys.stdout.write(f"{began_ns}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _talk()
