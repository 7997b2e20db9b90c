"""All input and output, with its retries, concurrency and progress."""
