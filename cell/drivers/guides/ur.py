"""Arms of Universal Robots: what to wire and to set. Menus as in PolyScope 5 [R]."""

from __future__ import annotations

from types import MappingProxyType

from cell.drivers.guide import Guide, Tier

GUIDE = Guide(
    title="Universal Robots arm (ur-rtde)",
    wiring=(
        "the control box's Ethernet to the cell PC's port, no other network between them",
        "the safety PLC on the control box's emergency stop and safeguard inputs: it stops motion, this software"
        " never does",
    ),
    settings=(
        "the library: pip install 'cellwright[ur]' (wheels for x86-64, Python up to 3.12); the port in the config is"
        " tcp://ADDRESS",
        "a fixed address; remote control on; RTDE, primary and dashboard services allowed in the security settings",
        "EtherNet/IP and PROFINET off: they use the registers that the library needs",
        "the node arm in a process of its own in the launch file: the library holds Python's lock while it waits",
        "payload, tool and safety limits at the pendant: the arm holds to them whatever it is told",
    ),
    tiers=(Tier.CLIENT,),
    options=MappingProxyType(
        {
            "period_s": "between two positions, s",
            "max_rate_radps": "of any joint, rad/s; a faster motion is refused",
            "start_tolerance_rad": "between the arm and the first point of a motion, rad",
            "goal_tolerance_rad": "within which it has arrived, rad",
            "goal_time_s": "that it may take to arrive behind the last point, s",
            "lookahead_s": "of the arm's servo mode, s: smoother when longer",
            "gain": "of the arm's servo mode",
            "decel_radps2": "when it brakes, rad/s2",
            "late_s": "without a step after which a motion is given up, s",
        }
    ),
)
