"""Reports in a folder: one folder a result, a list of all, and the latest at fixed names.

.. code-block:: text

    08_reporting/
      index.html              the list of all results, newest first
      cluster_map.png ...     the files of the latest report, at names that never change
      G18_20240714T2200.../   the files of one result; result.json is its card in the list
      .publication/           only while a publication is made visible

A publication is prepared in full in a hidden folder. The rename that gives this folder its name
``.publication`` is the moment from which the new report stands: what follows are renames alone, and
whoever comes next completes them if a kill came between (``finish_publication``).
"""

import errno
import filecmp
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from lightning_kedro.publication import Fact, Publication
from lightning_kedro.store.files import explain_disk, lock_folder, write_atomic

logger = logging.getLogger(__name__)

INDEX: Final = "index.html"
CARD: Final = "result.json"
THUMBNAIL: Final = "thumbnail.png"
PAGE: Final = "report.html"

_JOURNAL: Final = ".publication"
_PREPARED: Final = ".publication.part"
_DONE: Final = ".publication.done"
_WITHDRAWN: Final = ".withdrawn"
_NAME: Final = "name"
_RESULT: Final = "result"
_LATEST: Final = "latest"
_FORMER: Final = "former"
_MAKING: Final = "making"


@dataclass(frozen=True, slots=True)
class Card:
    """What the list of reports says of a result, as ``result.json`` keeps it.

    Attributes:
        title: What the report is called.
        satellites: The satellites with their slots.
        dates: The window in words, UTC.
        region: ``all``, or west, south, east and north in degrees.
        min_quality: ``all`` or ``good``.
        label: What variants are told apart by.
        n_flashes: Number of flashes.
        k: Number of clusters.
        run_time: When it was clustered, UTC, ISO 8601; "" if that is not known.
        identity: What names this very result.
        simulated: Whether the granules were simulated.
    """

    title: str = ""
    satellites: str = ""
    dates: str = ""
    region: str = ""
    min_quality: str = ""
    label: str = ""
    n_flashes: int = 0
    k: int = 0
    run_time: str = ""
    identity: str = ""
    simulated: bool = False

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read a card; names that a later version may have added are left out.

        Raises:
            TypeError: If it is no mapping, or a value has another type.
        """
        if not isinstance(plain, Mapping):
            message = f"it is {plain!r:.40}, not an object with names"
            raise TypeError(message)
        known = {one.name: plain[one.name] for one in fields(cls) if one.name in plain}
        for name, value in known.items():
            wanted = type(getattr(cls(), name))
            if type(value) is not wanted:
                message = f"{name} is {value!r}, not a value of type {wanted.__name__}"
                raise TypeError(message)
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list: the folder's name, and its card."""

    name: str
    card: Card

    @property
    def address(self) -> str:
        """The folder as part of a relative address: ``+`` and the like are written as codes."""
        return quote(self.name, safe="")


def publish(
    root: Path, publication: Publication, find_stored: Callable[[], str | None] = lambda: None
) -> Path:
    """Make a report visible: its own folder, the list of all, and the latest at fixed names.

    Of runs at the same time the one that read the result first may come last. It leaves a report
    alone that is of the very result that is stored by now: as if it had been the first in all.

    Args:
        root: The folder of all reports; made if it is not there.
        publication: The report.
        find_stored: Gives the identity of the result that a database holds now of the same
            selection; None if it holds none, or there is none to ask.

    Returns:
        The page of the report, in its own folder.

    Raises:
        StorageError: If the disk is full or the folder cannot be written to, or others keep it.
    """
    with lock_folder(root), explain_disk(root):
        _complete(root)
        standing = read_card(root / publication.name)
        identity = publication.card.get("identity")
        is_other = standing is not None and standing.identity not in ("", identity)
        if standing and is_other and find_stored() == standing.identity:
            logger.info("The report of %s, which was made meanwhile, stands", standing.identity)
            return root / publication.name / PAGE
        _show(root, publication)
    return root / publication.name / PAGE


def publish_again(root: Path, publication: Publication) -> None:
    """Make a report that is kept the latest again; call it while the folder is locked."""
    _complete(root)
    _show(root, publication)


def _show(root: Path, publication: Publication) -> None:
    """Make a report visible where none is being published any more."""
    _refuse_folders(root, [*publication.files, INDEX])
    _prepare(root, publication)
    (root / _PREPARED).rename(root / _JOURNAL)
    _complete(root)


def withdraw(root: Path, names: Iterable[str]) -> None:
    """Remove reports and take them off the list; the latest files at fixed names stay.

    Args:
        root: The folder of all reports.
        names: The names of their folders; those that are not there are left out.

    Raises:
        StorageError: If they cannot be removed, or others keep the folder.
    """
    if not root.is_dir():
        return
    with lock_folder(root), explain_disk(root):
        _complete(root)
        present = [root / name for name in names if read_card(root / name) is not None]
        for folder in present:
            # A hidden name first: whatever comes between, half a report is never listed.
            shutil.rmtree(root / _WITHDRAWN, ignore_errors=True)
            folder.rename(root / _WITHDRAWN)
        shutil.rmtree(root / _WITHDRAWN, ignore_errors=True)
        if present:
            entries = list_reports(root)
            text = render_index(entries, latest=_find_latest(root, entries))
            with write_atomic(root / INDEX) as partial:
                _write_text(partial, text)


def _find_latest(root: Path, entries: Iterable[Entry]) -> str:
    """The name of the report whose page is also at the fixed name; "" if it has been withdrawn."""
    latest = root / PAGE
    for entry in entries if latest.is_file() else ():
        page = root / entry.name / PAGE
        if page.is_file() and filecmp.cmp(page, latest, shallow=False):
            return entry.name
    return ""


@dataclass(frozen=True, slots=True)
class Making:
    """What the card's file keeps besides the card: what a report was drawn from, and its files.

    Attributes:
        drawn_from: What names all that it was drawn from.
        files: Digest by name of the files that are also kept as the latest.
        extras: The same of those in its own folder only.
        card: The card itself.
    """

    drawn_from: str
    files: Mapping[str, str]
    extras: Mapping[str, str]
    card: Mapping[str, Fact]


def _describe_making(publication: Publication) -> dict[str, Any]:
    """What the card's file keeps of a publication; nothing if it is not known."""
    if not publication.drawn_from:
        return {}
    groups = {"files": publication.files, "extras": publication.extras}
    digests = {
        name: {one: digest_content(content) for one, content in group.items()}
        for name, group in groups.items()
    }
    card = _digest_card(Card.from_plain(publication.card))
    return {_MAKING: {"drawn_from": publication.drawn_from, "card": card, **digests}}


def read_making(folder: Path) -> Making | None:
    """What a report was drawn from; None if that is not known, or its card is not what it was."""
    try:
        plain = json.loads((folder / CARD).read_bytes())
        making, card = plain[_MAKING], Card.from_plain(plain)
        if making["card"] != _digest_card(card):
            return None
        files, extras = dict(making["files"]), dict(making["extras"])
        return Making(str(making["drawn_from"]), files, extras, asdict(card))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def digest_content(content: bytes) -> str:
    """The digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _digest_card(card: Card) -> str:
    """The digest of a card."""
    return digest_content(json.dumps(asdict(card), sort_keys=True).encode())


def is_latest(root: Path, name: str, making: Making) -> bool:
    """Whether the files at the fixed names, and the list, are those of a report."""
    if (root / _JOURNAL).exists():
        return False
    try:
        same = all(
            digest_content((root / one).read_bytes()) == digest
            for one, digest in making.files.items()
        )
        text, _, seal = (root / INDEX).read_bytes().decode("utf-8").rpartition("<!--")
    except (OSError, ValueError):
        return False
    return same and f"<!--{seal}" == _seal(text, name)


def _seal(text: str, latest: str) -> str:
    """The end of the list: whose the latest files are, and by what one sees that it is whole.

    To render the list again only to compare it takes a tenth of a run that has nothing to do.
    """
    return f"<!-- {latest or 'none'} {digest_content(text.encode())} -->\n"


def finish_publication(root: Path) -> None:
    """Complete what a killed publication left; without one nothing is done, and no lock taken."""
    if (root / _JOURNAL).is_dir():
        with lock_folder(root), explain_disk(root):
            _complete(root)


def read_card(folder: Path) -> Card | None:
    """The card of a result's folder; None, with a warning, if it cannot be read."""
    path = folder / CARD
    try:
        plain = json.loads(path.read_bytes())
        return Card.from_plain(plain)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning("Left out of the list of reports: %s cannot be read (%s)", path, error)
        return None


def list_reports(root: Path) -> list[Entry]:
    """All results that have a report, those that were clustered last first."""
    entries = list(_find_entries(root))
    return sorted(entries, key=lambda one: (one.card.run_time, one.name), reverse=True)


def _find_entries(root: Path) -> Iterator[Entry]:
    """The result folders with a card; what is hidden is not published."""
    for folder in root.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            card = read_card(folder)
            if card is not None:
                yield Entry(folder.name, card)


def _prepare(root: Path, publication: Publication) -> None:
    """Write all files of a publication beside those that stand, where nobody looks."""
    prepared = root / _PREPARED
    shutil.rmtree(prepared, ignore_errors=True)
    card = Card.from_plain(publication.card)
    result, latest = prepared / _RESULT, prepared / _LATEST
    result.mkdir(parents=True)
    latest.mkdir()
    for name, content in {**publication.files, **publication.extras}.items():
        _write(result / name, content)
    making = _describe_making(publication)
    _write_text(result / CARD, json.dumps(asdict(card) | making, indent=1, ensure_ascii=False))
    for name, content in publication.files.items():
        _write(latest / name, content)
    others = [one for one in list_reports(root) if one.name != publication.name]
    entries = [*others, Entry(publication.name, card)]
    entries.sort(key=lambda one: (one.card.run_time, one.name), reverse=True)
    index = render_index(entries, latest=publication.name).encode("utf-8")
    _write(latest / INDEX, index)
    _write_text(prepared / _NAME, publication.name)


def _write_text(path: Path, text: str) -> None:
    """The same bytes on every system."""
    _write(path, text.encode("utf-8"))


def _write(path: Path, content: bytes) -> None:
    """Write a file that is on the disk before its name matters, even if the power goes."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _complete(root: Path) -> None:
    """Rename what a publication has prepared into place; each step may have been made before."""
    journal, done = root / _JOURNAL, root / _DONE
    shutil.rmtree(done, ignore_errors=True)
    if not journal.is_dir():
        return
    folder = root / (journal / _NAME).read_text(encoding="utf-8")
    result, former = journal / _RESULT, journal / _FORMER
    if result.is_dir():
        if folder.exists():
            shutil.rmtree(former, ignore_errors=True)
            folder.rename(former)
        result.rename(folder)
    _refuse_folders(root, [path.name for path in (journal / _LATEST).iterdir()])
    for path in sorted((journal / _LATEST).iterdir(), key=_put_pages_last):
        path.replace(root / path.name)
    journal.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _refuse_folders(root: Path, names: Iterable[str]) -> None:
    """Say that a folder is where a picture belongs: no system renames a file onto one."""
    for path in (root / name for name in names):
        if path.is_dir() and not path.is_symlink():
            with explain_disk(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _put_pages_last(path: Path) -> tuple[bool, bool, str]:
    """Pictures, the page, the list: whoever follows a link finds what it leads to."""
    return path.name == INDEX, path.name == PAGE, path.name


def render_index(entries: list[Entry], *, latest: str) -> str:
    """The list of all reports as a page that needs no network and no script.

    Args:
        entries: The reports, in the order in which they are shown.
        latest: Name of the report whose files are also kept at the fixed names.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    source = (files("lightning_kedro.store") / "index.html.j2").read_text(encoding="utf-8")
    template = environment.from_string(source)
    text = template.render(entries=entries, latest=latest, page=PAGE, thumbnail=THUMBNAIL)
    text = f"{text.rstrip()}\n"
    return text + _seal(text, latest)
