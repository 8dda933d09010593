"""What stands behind the public modules; upstream tests and tools import some of it by name."""
