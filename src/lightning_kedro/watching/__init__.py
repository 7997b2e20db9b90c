"""The job again and again in one process, as near behind the archive as is asked for."""
