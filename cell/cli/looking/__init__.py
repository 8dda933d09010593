"""Looking into a running cell as `ros2` would: its topics, nodes, parameters, services, actions and interfaces.

Everything here is written against `rclpy` alone, so that it works with the embedded runtime and with a real ROS 2.
"""
