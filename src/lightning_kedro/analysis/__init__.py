"""Numbers only: no Kedro, no files."""
