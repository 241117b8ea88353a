"""Sample, corrupt, pair, train: preference data and models from mathematics problems alone."""
