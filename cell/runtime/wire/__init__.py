"""Messages, services and actions on ROS 2's own wire, over Cyclone DDS (extra `dds`); off unless `CELL_WIRE=dds` asks."""
