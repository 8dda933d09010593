"""Forward kinematics of the simulated delta arm, by intersection of three spheres.

It is written apart from the controller's own, so that a wrong sign on one side shows as a missed part.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.scenario import ArmSetup

Array = npt.NDArray[np.float64]

_SHOULDERS_RAD = (0.0, 2.0 * math.pi / 3.0, 4.0 * math.pi / 3.0)


def tool_positions(setup: ArmSetup, joints_rad: Array) -> Array:
    """Tool points (n, 3), m in the cell frame, for joints (n, 4) or (n, 3); NaN where the forearms do not meet.

    Each forearm keeps the platform's middle on a sphere around its elbow, moved inwards by the platform's radius; the
    tool is the lower one of the two points that the three spheres share.
    """
    theta = joints_rad[:, :3]
    out = setup.base_radius_m - setup.platform_radius_m + setup.upper_arm_m * np.cos(theta)
    x, y = out * np.cos(_SHOULDERS_RAD), out * np.sin(_SHOULDERS_RAD)
    z = -setup.upper_arm_m * np.sin(theta)
    square = x**2 + y**2 + z**2
    # Subtracting the first sphere from the others leaves two planes; on their line x = a z + b, y = c z + d.
    x1, y1, z1 = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0], z[:, 1] - z[:, 0]
    x2, y2, z2 = x[:, 2] - x[:, 0], y[:, 2] - y[:, 0], z[:, 2] - z[:, 0]
    s1, s2 = (square[:, 1] - square[:, 0]) / 2.0, (square[:, 2] - square[:, 0]) / 2.0
    with np.errstate(invalid="ignore", divide="ignore"):
        det = x1 * y2 - x2 * y1
        a, b = (z2 * y1 - z1 * y2) / det, (s1 * y2 - s2 * y1) / det
        c, d = (z1 * x2 - z2 * x1) / det, (x1 * s2 - x2 * s1) / det
        bx, dy = b - x[:, 0], d - y[:, 0]
        half = a * bx + c * dy - z[:, 0]
        lead = a**2 + c**2 + 1.0
        rest = bx**2 + dy**2 + z[:, 0] ** 2 - setup.forearm_m**2
        low = (-half - np.sqrt(half**2 - lead * rest)) / lead
    return np.stack([setup.x_m + a * low + b, setup.y_m + c * low + d, setup.base_height_m + low], axis=1)
