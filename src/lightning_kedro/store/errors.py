"""What file systems raise, turned into one sentence that says what to do.

Places and messages come from outside: each is quoted with its control characters escaped.
"""

import os
from functools import cache
from typing import Final

from lightning_kedro.exceptions import ArchiveError, UnlistableArchiveError, printable
from lightning_kedro.store.configuration import explain_client, explain_configuration
from lightning_kedro.store.listing import EndlessListingError
from lightning_kedro.store.remote import S3
from lightning_kedro.store.retry import ConfigurationError, RefusedError

PASSING_STATUS: Final = (408, 425, 429)
"""Answers of web servers from 400 to 499 that may be others the next time: the rest stand."""


@cache
def storage_errors() -> tuple[type[BaseException], ...]:
    """What fsspec and its clients raise when an archive cannot be read."""
    from aiohttp import ClientError as HttpError
    from botocore.exceptions import BotoCoreError, ClientError

    return (OSError, ValueError, BotoCoreError, ClientError, HttpError)


@cache
def client_errors() -> tuple[type[BaseException], ...]:
    """What making the client of S3 raises when its configuration cannot be used."""
    from botocore.exceptions import BotoCoreError

    return (BotoCoreError, ValueError, TypeError, KeyError, AttributeError)


def explain_client_failure(error: BaseException) -> ArchiveError:
    """What keeps the client of S3 from being made."""
    return ConfigurationError(explain_client(error))


def explain_failure(
    error: BaseException, place: str, root: str, *, is_local: bool, to_fetch: bool
) -> ArchiveError:
    """What went wrong at a place, and what to do.

    Args:
        error: What was raised; one of ``storage_errors``.
        place: What was read, as a URL or path.
        root: The archive as the user gave it.
        is_local: Whether it is a folder of this machine.
        to_fetch: Whether the place was listed and must be there.

    Returns:
        An error whose class says whether another attempt is worth it.
    """
    where, why = printable(place), printable(str(error) or type(error).__name__)
    if is_local:
        return ArchiveError(f"Cannot read {where}: {why}. Check the folder and its permissions.")
    if to_fetch and isinstance(error, FileNotFoundError | NotADirectoryError):
        return RefusedError(f"{where} is gone from {root} since it was listed.")
    configuration = explain_configuration(error)
    if configuration is not None:
        return ConfigurationError(configuration)
    if is_denied(error) and not to_fetch:
        return UnlistableArchiveError(
            f"Cannot list {where}{_endpoint(root)}: {why}. Its server does not allow it; give an "
            f"archive that may be listed, or credentials in conf/local/credentials.yml."
        )
    if isinstance(error, EndlessListingError):
        return RefusedError(
            f"Cannot list {where}{_endpoint(root)}: {why}. Check what the parameter archive names: "
            f"an archive answers otherwise."
        )
    kind = RefusedError if _stands(error) else ArchiveError
    return kind(
        f"Cannot read {where}{_endpoint(root)}: {why}. Check the network, or work offline with "
        f"`kedro run --env sample`."
    )


def is_denied(error: BaseException) -> bool:
    """Whether a server refuses to answer this user."""
    return isinstance(error, PermissionError) or getattr(error, "status", None) in (401, 403)


def _stands(error: BaseException) -> bool:
    """Whether the server would answer the same again."""
    status = getattr(error, "status", None)
    is_final = isinstance(status, int) and 400 <= status < 500 and status not in PASSING_STATUS  # noqa: PLR2004
    return is_final or is_denied(error)


def _endpoint(root: str) -> str:
    """Where the user's environment has S3, if it says so."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return f" at {printable(endpoint)}" if endpoint and root.partition("://")[0] in S3 else ""
