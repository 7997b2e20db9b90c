"""Input and output that knows nothing of Kedro: files, databases, archives, locks, workers."""
