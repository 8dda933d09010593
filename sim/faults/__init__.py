"""Fault injection: what can be done to a simulated cell, when, and a referee who judges what the cell makes of it."""
