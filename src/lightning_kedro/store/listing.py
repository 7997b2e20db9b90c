"""What lies below a prefix of S3, in a folder, or in any other file system that fsspec knows."""

import os
from collections.abc import Iterator
from typing import Any, TypeAlias

Entry: TypeAlias = tuple[str, int | None]
"""Where something is, and its size in bytes; -1 if that is not known, None if it is no file."""

UNKNOWN_SIZE = -1


def list_s3(file_system: Any, prefix: str) -> Iterator[Entry]:  # noqa: ANN401  (fsspec has no types)
    """What an S3 prefix holds: one request, or one for each 1,000 keys.

    s3fs could list too, but takes any XML for a listing: a proxy's page in good XHTML would be an
    hour without granules, or the early end of one.

    Args:
        file_system: An S3 file system.
        prefix: Bucket and key, without a slash at the end.

    Yields:
        Keys with their bucket in front, and deeper prefixes.

    Raises:
        FileNotFoundError: If there is no such bucket.
        OSError: If the bucket cannot be listed, or the answer is no listing.
    """
    bucket, key, _ = file_system.split_path(prefix)
    where = {"Bucket": bucket, "Prefix": f"{key}/" if key else "", "Delimiter": "/"}
    while True:
        page = file_system.call_s3("list_objects_v2", **where)
        more = page.get("IsTruncated")
        if more is None or (more and not page.get("NextContinuationToken")):
            message = "the answer is no listing of a bucket"
            raise OSError(message)
        yield from ((f"{bucket}/{item['Key']}", item["Size"]) for item in page.get("Contents", ()))
        yield from ((f"{bucket}/{item['Prefix']}", None) for item in page.get("CommonPrefixes", ()))
        if not more:
            return
        where["ContinuationToken"] = page["NextContinuationToken"]


def list_anywhere(file_system: Any, prefix: str) -> Iterator[Entry]:  # noqa: ANN401
    """What a prefix of any other file system holds; the places are as the file system has them."""
    for entry in file_system.ls(prefix, detail=True, refresh=True):
        place = file_system._strip_protocol(entry["name"])  # noqa: SLF001  (fsspec's own way)
        if entry["type"] != "file":
            yield place, None
        else:
            yield place, UNKNOWN_SIZE if entry["size"] is None else int(entry["size"])


def scan_folder(folder: str) -> list[Entry]:
    """What a local folder holds; many times faster than fsspec, which asks more."""
    with os.scandir(folder) as entries:
        return [(f"{folder}/{entry.name}", _measure(entry)) for entry in entries]


def _measure(entry: os.DirEntry[str]) -> int | None:
    """Size of a file in bytes; None for what is no file, or is gone since its folder was read.

    Another run may be renaming its partial files at this moment: the rest of the hour is there.
    """
    try:
        return entry.stat().st_size if entry.is_file() else None
    except FileNotFoundError:
        return None
