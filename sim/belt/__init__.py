"""Thousands of belts at once: one arm over each, one decision a step, exactly reproducible.

``world`` says what a belt is, ``reference`` steps it in NumPy, ``kernel`` in numba, ``engine`` chooses between them.
"""
