"""Messages, services and actions on ROS 2's own wire, over Cyclone DDS (extra `dds`); `CELL_WIRE=dds` asks for it."""
