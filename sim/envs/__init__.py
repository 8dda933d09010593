"""Gymnasium environments over ``sim.belt``; ``sim.registration`` names them.

Raises:
    ImportError: Gymnasium is not installed.
"""

import importlib.util

if importlib.util.find_spec("gymnasium") is None:
    raise ImportError("the environments need Gymnasium: pip install 'cellwright[sim]'")
