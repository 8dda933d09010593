"""The simulator. Importing it registers its environments where Gymnasium is installed (the extra ``sim``)."""

from sim.registration import register_with_gymnasium

register_with_gymnasium()
