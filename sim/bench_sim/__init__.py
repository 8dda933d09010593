"""``cell bench sim``: the simulator's speed, beside others in the same run."""
