"""What of a file system's options is secret: it never travels to another machine."""

from collections.abc import Mapping
from typing import Any, Final

_SECRET: Final = (
    *("key", "secret", "token", "password", "passwd", "username", "credential", "sas"),
    *("connection_string", "auth", "headers", "cookie", "profile", "session"),
)
"""Parts of the names of options that may hold a secret, or stand for this user."""


def drop_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without those that may be secret, at any depth.

    Example:
        >>> drop_secrets({"anon": False, "key": "k", "client_kwargs": {"aws_secret_access_key": 1}})
        {'anon': False, 'client_kwargs': {}}
    """
    return {
        name: drop_secrets(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if not any(part in name.lower() for part in _SECRET)
    }
