"""``cell bench drivers``: the bus, its drivers and the ledger beside their peers, on emulated lines."""
