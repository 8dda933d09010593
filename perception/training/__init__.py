"""Making a detector: data sets, pasted defects, the training loop, thresholds. Only ``learning`` needs torch."""
