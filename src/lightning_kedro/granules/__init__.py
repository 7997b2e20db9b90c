"""The domain of ingestion: hours, creations and records. No Kedro, no input or output."""
