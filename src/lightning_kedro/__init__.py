"""NOAA's GLM lightning, from the public archive to clustered flashes on a map."""

__version__ = "0.1.0"
