"""Bodies of answers, of which no more is read than was announced.

A server may send more than it listed, or never stop. Imported where a remote file system is opened:
``aiohttp`` and ``aiobotocore`` take a third of a second.
"""

import time
from collections.abc import Awaitable
from typing import Any, Final, Protocol

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

from lightning_kedro.store.range_answers import RangeAnswer, RangeRequest

MAX_PAGE_BYTES: Final = 16 << 20
"""An answer that is no granule is never longer: a page of 1,000 keys of 1,024 bytes has under 8 MB,
whatever is escaped in it."""

CHUNK_BYTES: Final = 256 << 10
"""How much is read at once; after each chunk it is checked how much has come."""

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 20.0
"""A web server that sends nothing for so long is given up; S3 has the same in the catalog."""


class Readable(Protocol):
    """A body that comes bit by bit."""

    def read(self, amount: int, /) -> Awaitable[bytes]:
        """At most so many bytes; none at the end."""
        ...


async def read_at_most(body: Readable, limit: int) -> bytes:
    """The first bytes of a body, or all of it if it is not longer.

    Args:
        body: The body.
        limit: How many bytes to read at most.
    """
    content = bytearray()
    while len(content) < limit:
        chunk = await body.read(min(CHUNK_BYTES, limit - len(content)))
        if not chunk:
            break
        content += chunk
    return bytes(content)


async def read_page(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer that must be short.

    Raises:
        OSError: If it is longer than ``MAX_PAGE_BYTES``.
    """
    try:
        content = await read_at_most(response.content, MAX_PAGE_BYTES + 1)
    except BaseException:
        response.close()
        raise
    if len(content) > MAX_PAGE_BYTES:
        response.close()
        message = f"the answer is longer than {MAX_PAGE_BYTES >> 20} MiB, which no listing is"
        raise OSError(message)
    return content


class BoundedResponse(aiohttp.ClientResponse):
    """An answer whose body is read whole only if it is short, as those of web servers' folders."""

    async def read(self) -> bytes:
        """The body."""
        if self._body is None:
            self._body = await read_page(self)
        return await super().read()


class BoundedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """The HTTP client of S3; it reads short answers only, bodies of objects are left to read."""

    async def send(self, request: Any) -> Any:  # noqa: ANN401
        """Send a request and read the answer, unless it is an object."""
        is_object, request.stream_output = request.stream_output, True
        response = await super().send(request)
        if not is_object or response.status_code >= 300:  # noqa: PLR2004
            response._content = await read_page(response.raw)  # noqa: SLF001  (no other way in)
        return response


async def read_s3_object(file_system: Any, path: str, limit: int) -> bytes:  # noqa: ANN401
    """At most so many bytes of an S3 object, by one GET.

    s3fs could read it, but reads all that comes.
    """
    bucket, key, _ = file_system.split_path(path)
    answer = await file_system._call_s3("get_object", Bucket=bucket, Key=key)  # noqa: SLF001
    try:
        return await read_at_most(answer["Body"], limit)
    finally:
        answer["Body"].close()


async def read_web_file(file_system: Any, url: str, limit: int) -> bytes:  # noqa: ANN401
    """At most so many bytes of a file on a web server, by one GET."""
    session = await file_system.set_session()
    async with session.get(file_system.encode_url(url), **file_system.kwargs) as response:
        file_system._raise_not_found_for_status(response, url)  # noqa: SLF001
        return await read_at_most(response.content, limit)


async def read_s3_range(file_system: Any, path: str, request: RangeRequest) -> RangeAnswer:  # noqa: ANN401
    """A range of an S3 object, by one GET.

    Raises:
        UnusableRangeError: If the answer is not that range of that version.
    """
    bucket, key, _ = file_system.split_path(path)
    where = {"Bucket": bucket, "Key": key, "Range": request.range}
    if request.version is not None:
        where["IfMatch"] = request.version
    try:
        answer = await file_system._call_s3("get_object", **where)  # noqa: SLF001
    except OSError as error:
        response = getattr(error.__cause__, "response", {})
        request.check_status(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        raise
    try:
        version = request.check_headers(answer.get("ContentRange"), answer.get("ETag"))
        content = await read_at_most(answer["Body"], request.limit)
    finally:
        answer["Body"].close()
    return RangeAnswer(request.check_content(content), version)


async def read_web_range(file_system: Any, url: str, request: RangeRequest) -> RangeAnswer:  # noqa: ANN401
    """A range of a file on a web server, by one GET.

    Raises:
        UnusableRangeError: If the answer is not that range of that version.
    """
    session = await file_system.set_session()
    options = dict(file_system.kwargs)
    headers = {**options.pop("headers", {}), "Range": request.range, "Accept-Encoding": "identity"}
    if request.version is not None:
        headers["If-Match"] = request.version
    async with session.get(file_system.encode_url(url), headers=headers, **options) as response:
        request.check_status(response.status)
        file_system._raise_not_found_for_status(response, url)  # noqa: SLF001
        version = request.check_headers(
            response.headers.get("Content-Range"), response.headers.get("ETag")
        )
        content = await read_at_most(response.content, request.limit)
    return RangeAnswer(request.check_content(content), version)


async def read_anything(file_system: Any, path: str, limit: int) -> bytes:  # noqa: ANN401
    """At most so many bytes of a file in another file system that has an event loop.

    It is asked for a range: how much comes is up to the server that answers. An empty file has no
    range to ask for.
    """
    if limit <= 1:
        return b""
    return bytes(await file_system._cat_file(path, start=0, end=limit))  # noqa: SLF001


def read_blocking(file_system: Any, path: str, limit: int, seconds: float) -> bytes:  # noqa: ANN401
    """At most so many bytes of a file in a file system that blocks.

    Args:
        file_system: The file system.
        path: The file.
        limit: How many bytes to read at most.
        seconds: After this time no further chunk is asked for, so that a thread that nobody waits
            for any more ends.
    """
    ends = time.monotonic() + seconds
    content = bytearray()
    with file_system.open(path, "rb") as file:
        while len(content) < limit and time.monotonic() < ends:
            chunk = file.read(min(CHUNK_BYTES, limit - len(content)))
            if not chunk:
                break
            content += chunk
    return bytes(content)
