"""The instrument and its files: no Kedro, no network."""
