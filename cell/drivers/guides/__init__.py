"""The guides of our own drivers, one module a model."""
