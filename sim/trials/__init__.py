"""Policies tried on a simple belt: one arm, one drop point, parts without size."""
