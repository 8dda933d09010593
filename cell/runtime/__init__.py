"""The embedded rclpy: served under its own name by `cell.runtime.finder` where no real one is installed."""
