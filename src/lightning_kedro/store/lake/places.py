"""Where a lake lies, and its objects as bytes: a folder, or any URL that fsspec and deltalake know.

Credentials are never a part of it: every process that works on a lake, here or on a cluster, finds
its own in its environment (``AWS_ACCESS_KEY_ID`` and so on, a profile, or the machine's role).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from lightning_kedro.exceptions import StorageError, printable
from lightning_kedro.store.errors import storage_errors
from lightning_kedro.store.files import explain_disk, write_atomic

_LOCAL: Final = ("file", "local")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or a URL; picklable, and free of secrets.

    Attributes:
        url: An absolute path, so that workers with another working folder find it, or a URL.

    Example:
        >>> Place.of("s3://bucket/lake/").join("flashes")
        's3://bucket/lake/flashes'
    """

    url: str

    @classmethod
    def of(cls, url: str) -> Self:
        """A place by what the configuration says.

        Raises:
            StorageError: If the URL holds a password, which would travel to the workers.
        """
        protocol, separator, rest = url.partition("://")
        if separator and protocol not in _LOCAL:
            if urlsplit(url).password is not None:
                message = (
                    f"The address {protocol}://... of the lake holds a password, which would "
                    f"travel to the workers: put credentials into the environment of each machine."
                )
                raise StorageError(message)
            return cls(url.rstrip("/"))
        return cls(str(Path(rest if separator else url).expanduser().absolute()))

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine, or of a disk that machines share."""
        return "://" not in self.url

    def join(self, name: str) -> str:
        """What lies below it."""
        return f"{self.url}/{name}"

    @property
    def storage_options(self) -> dict[str, str] | None:
        """What deltalake has to be told: that an endpoint without TLS is meant."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        if self.is_local or not endpoint:
            return None
        return {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}

    def write(self, name: str, content: bytes) -> None:
        """Write an object, which is there in full or not at all.

        Raises:
            StorageError: If it cannot be written.
        """
        path = self.join(name)
        if self.is_local:
            with write_atomic(Path(path), sync=True) as partial, explain_disk(Path(path)):
                partial.write_bytes(content)
            return
        with self._explain("written", name):
            self._open().pipe_file(path, content)

    def read(self, name: str) -> bytes:
        """Read an object.

        Raises:
            StorageError: If it cannot be read.
        """
        with self._explain("read", name):
            if self.is_local:
                return Path(self.join(name)).read_bytes()
            content: bytes = self._open().cat_file(self.join(name))
            return content

    def open_arrow(self) -> Any:  # noqa: ANN401  (pyarrow has no types)
        """What is below it, as a file system of Arrow.

        Raises:
            StorageError: If there is no such file system.
        """
        from pyarrow import fs

        if self.is_local:
            return fs.SubTreeFileSystem(self.url, fs.LocalFileSystem())
        with self._explain("read", ""):
            files = self._open()
            root = files._strip_protocol(self.url)  # noqa: SLF001
            return fs.SubTreeFileSystem(root, fs.PyFileSystem(fs.FSSpecHandler(files)))

    def _open(self) -> Any:  # noqa: ANN401  (fsspec has no types)
        """The file system, with whatever credentials this process finds in its environment."""
        from fsspec.core import url_to_fs

        return url_to_fs(self.url)[0]

    @contextmanager
    def _explain(self, verb: str, name: str) -> Iterator[None]:
        """Say plainly what storage refuses."""
        try:
            yield
        except _failures() as error:
            reason = printable(str(error) or type(error).__name__)
            message = (
                f"{self.join(name)} cannot be {verb}: {reason}. Check `lake` in "
                f"conf/dask/globals.yml, and the credentials in the environment of this machine "
                f"and of every worker; then run again, nothing is lost."
            )
            raise StorageError(message) from error


def _failures() -> tuple[type[BaseException], ...]:
    """What file systems raise, and that there is none for a URL."""
    return (*storage_errors(), ImportError)
