"""The pipelines: nodes that are pure functions of what the catalog hands them."""
