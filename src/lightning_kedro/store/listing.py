"""What lies below a prefix of S3, in a folder, or in any other file system that fsspec knows.

A listing is bounded: whatever a server sends, it ends, and what is no listing is an error.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeAlias

from lightning_kedro.exceptions import printable

Entry: TypeAlias = tuple[str, int | None]
"""Where something is, and its size in bytes; -1 if that is not known, None if it is no file."""

UNKNOWN_SIZE: Final = -1

MAX_KEYS: Final = 1_000_000
"""An hour has 180 granules of each satellite, with few duplicates: so long a listing never ends."""


class EndlessListingError(OSError):
    """A listing that has no end: asking once more would give the same."""

    def __init__(self, why: str) -> None:
        """Name all that a listing is refused for, so that one sentence says it."""
        super().__init__(
            f"the listing has no end: {why} (no more than {MAX_KEYS:,} keys are taken, no page "
            f"without new ones, and no continuation token twice)"
        )


def list_s3(
    ask: Callable[..., Mapping[str, Any]], bucket: str, key: str, seconds: float
) -> Iterator[Entry]:
    """What an S3 prefix holds: one request, or one for each 1,000 keys.

    s3fs could list too, but takes any XML for a listing: a proxy's page in good XHTML would be an
    hour without granules, or the early end of one.

    Args:
        ask: Asks for a page; takes the parameters of ListObjectsV2.
        bucket: The bucket.
        key: The prefix, without a slash at the end; empty for the whole bucket.
        seconds: How long all pages together may take.

    Yields:
        Keys with their bucket in front, and deeper prefixes.

    Raises:
        FileNotFoundError: If there is no such bucket.
        OSError: If the bucket cannot be listed, or the answer is no listing, or none that ends.
    """
    where = {"Bucket": bucket, "Prefix": f"{key}/" if key else "", "Delimiter": "/"}
    ends = time.monotonic() + seconds
    tokens: set[str] = set()
    last: list[Entry] = []
    while True:
        page = ask(**where)
        more = page.get("IsTruncated")
        token = str(page.get("NextContinuationToken") or "")
        if more is None or (more and not token):
            message = "the answer is no listing of a bucket"
            raise OSError(message)
        entries = _read_page(page, bucket)
        if more:
            _check_progress(entries, last, token in tokens)
        yield from entries
        if not more:
            return
        if time.monotonic() > ends:
            message = f"the listing was not complete after {seconds:g} s"
            raise OSError(message)
        tokens.add(token)
        last, where["ContinuationToken"] = entries, token


def _read_page(page: Mapping[str, Any], bucket: str) -> list[Entry]:
    """The entries of one page."""
    try:
        files = [(f"{bucket}/{item['Key']}", item["Size"]) for item in page.get("Contents", ())]
        folders = [(f"{bucket}/{item['Prefix']}", None) for item in page.get("CommonPrefixes", ())]
    except KeyError as error:
        message = f"the listing has entries without {error.args[0]}, which every S3 gives"
        raise OSError(message) from error
    return [*files, *folders]


def _check_progress(entries: list[Entry], last: list[Entry], is_token_known: bool) -> None:
    """Refuse a page after which the listing would go round in a circle.

    Raises:
        EndlessListingError: If its token came before, or there is nothing new in it.
    """
    if is_token_known:
        raise EndlessListingError("a continuation token came twice")
    if not entries:
        raise EndlessListingError("a page that says there are more has no keys")
    if entries == last:
        raise EndlessListingError("a page came twice")


def describe_entries(
    entries: Iterable[Mapping[str, Any]], strip: Callable[[str], str]
) -> Iterator[Entry]:
    """Entries as fsspec's ``ls`` gives them; the places are as the file system has them.

    Args:
        entries: The entries; ``size`` may be missing or None.
        strip: What makes a place of a name.

    Raises:
        OSError: If an entry has no name, or a size that is none.
    """
    for entry in entries:
        if not isinstance(entry, Mapping) or "name" not in entry:
            message = f"the listing has an entry without a name: {printable(entry)}"
            raise OSError(message)
        place, size = strip(entry["name"]), entry.get("size")
        if entry.get("type", "file") != "file":
            yield place, None
        else:
            yield place, UNKNOWN_SIZE if size is None else _read_size(place, size)


def _read_size(place: str, size: Any) -> int:  # noqa: ANN401
    """A size in bytes."""
    try:
        number = int(size)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        message = f"the listing has a size that is none: {printable(size)} for {printable(place)}"
        raise OSError(message)
    return number


def scan_folder(folder: str) -> Iterator[Entry]:
    """What a local folder holds; many times faster than fsspec, which asks more."""
    with os.scandir(folder) as entries:
        found = list(entries)
    return ((f"{folder}/{entry.name}", _measure(entry)) for entry in found)


def bound(entries: Iterable[Entry]) -> list[Entry]:
    """A whole listing.

    Raises:
        EndlessListingError: If it is too long.
    """
    found = list(islice(entries, MAX_KEYS + 1))
    if len(found) > MAX_KEYS:
        message = f"it has more than {MAX_KEYS:,} keys"
        raise EndlessListingError(message)
    return found


def _measure(entry: os.DirEntry[str]) -> int | None:
    """Size of a file in bytes; None for what is no file, or is gone since its folder was read.

    Another run may be renaming its partial files at this moment: the rest of the hour is there.
    """
    try:
        return entry.stat().st_size if entry.is_file() else None
    except FileNotFoundError:
        return None
