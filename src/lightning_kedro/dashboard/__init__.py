"""The dashboard: what the database holds, in a browser; it reads and never writes.

It stands above the pipelines as the command line does, and draws on reporting's pure functions
(extents, rates, findings, the interactive map), so that a page and a report never disagree.
"""
