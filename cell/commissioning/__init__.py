"""From box to first pick: a new cell's folder, what is wrong with a config, what is wrong with a machine, and a bundle
of all that for whoever is asked for help."""
