"""Copies of finished files at any fsspec URL: exports and reports for people elsewhere.

What is made is made on this machine's disk first, where locks and renames keep it whole, and copied
when it is finished. Credentials come from the environment, as the AWS command line takes them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_kedro.exceptions import StorageError, printable
from lightning_kedro.store.errors import storage_errors
from lightning_kedro.store.reports import INDEX, PAGE


def is_url(text: str) -> bool:
    """Whether a text is a URL and not a path of this machine."""
    return "://" in text


def upload_file(path: Path, url: str) -> None:
    """Copy a file to a URL; what was there before is replaced at once where storage can do that.

    Raises:
        StorageError: If it cannot be written there.
    """
    _upload([(path, url)], url)


def upload_report(root: Path, name: str, url: str) -> None:
    """Copy a published report: its own folder, the latest at fixed names, and the list of all.

    Pages come after their pictures and the list last: whoever follows a link finds what it leads
    to.

    Args:
        root: The folder of all reports.
        name: The folder of the report.
        url: Where the copy of ``root`` is.

    Raises:
        StorageError: If it cannot be written there.
    """
    place = url.rstrip("/")
    own = sorted((path for path in (root / name).iterdir() if path.is_file()), key=_put_pages_last)
    names = {path.name for path in own}
    latest = [path for path in root.iterdir() if path.name in {*names, INDEX} and path.is_file()]
    pairs = [(path, f"{place}/{name}/{path.name}") for path in own]
    pairs += [(path, f"{place}/{path.name}") for path in sorted(latest, key=_put_pages_last)]
    _upload(pairs, place)


def _put_pages_last(path: Path) -> tuple[bool, bool, str]:
    """Pictures, the page, the list."""
    return path.name == INDEX, path.name == PAGE, path.name


def _upload(pairs: Iterable[tuple[Path, str]], place: str) -> None:
    """Copy files one after the other."""
    from fsspec.core import url_to_fs

    with _explain(place):
        file_system, _ = url_to_fs(place)
        for path, url in pairs:
            file_system.pipe_file(file_system._strip_protocol(url), path.read_bytes())  # noqa: SLF001


@contextmanager
def _explain(place: str) -> Iterator[None]:
    """Say plainly what storage refuses."""
    try:
        yield
    except _failures() as error:
        reason = printable(str(error) or type(error).__name__)
        message = (
            f"Nothing can be copied to {place}: {reason}. Check the URL and the credentials in the "
            f"environment, then run again; what was made on this machine stands."
        )
        raise StorageError(message) from error


def _failures() -> tuple[type[BaseException], ...]:
    """What file systems raise, and that there is none for a URL."""
    return (*storage_errors(), ImportError)
