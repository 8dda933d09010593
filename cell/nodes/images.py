"""Pictures to and from ``sensor_msgs/Image`` without copying them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header


def to_message(image: NDArray[np.uint8], header: Header) -> Image:
    """A BGR picture, (height, width, 3) uint8, as a message that shares its buffer."""
    height, width = image.shape[:2]
    flat = np.ascontiguousarray(image).reshape(-1)
    return Image(header=header, height=height, width=width, encoding="bgr8", is_bigendian=0, step=3 * width, data=flat)


def from_message(message: Image) -> NDArray[np.uint8]:
    """The picture as (height, width, 3) BGR uint8; read-only where the message's buffer is.

    Raises:
        ValueError: another encoding than ``bgr8`` or a buffer of the wrong size.
    """
    if message.encoding != "bgr8":
        raise ValueError(f"image encoding {message.encoding!r}, expected 'bgr8'")
    flat: NDArray[np.uint8] = np.frombuffer(message.data, dtype=np.uint8)
    return flat.reshape(message.height, message.width, 3)
