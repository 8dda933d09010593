"""``cell bench``: our figures beside those of a peer, taken in the same run on the same machine."""
