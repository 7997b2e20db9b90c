"""Reports that are there already: whether they are whole, and of what there is now."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.packaged import fingerprint_code
from lightning_kedro.publication import Publication
from lightning_kedro.results import KINDS, RESULT_TABLES
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import DEFAULT_LABEL, Selection
from lightning_kedro.store.database import (
    LOCK_TIMEOUT_SECONDS,
    connect,
    database_exists,
    transaction,
)
from lightning_kedro.store.files import explain_disk, lock_folder
from lightning_kedro.store.fingerprints import digest_rows, fingerprint_result
from lightning_kedro.store.loaded import CoverageTable, GranuleTable
from lightning_kedro.store.reports import (
    Making,
    digest_content,
    finish_publication,
    is_latest,
    publish_again,
    read_making,
)
from lightning_kedro.store.tables import table_columns
from lightning_kedro.unchanged import Unchanged, name_making

if TYPE_CHECKING:
    import duckdb

_DIGEST_BYTES: Final = 16


class StoredReport:
    """A lazy handle on the reports of a folder, by which runs see that one is unchanged.

    Args:
        root: The folder of all reports.
        database: The DuckDB file with results, granules and coverage; None if some of it is kept
            elsewhere.
        grids: The folder of grids.
        lock_timeout: How long to wait for the database, in seconds.
    """

    def __init__(
        self,
        root: Path,
        database: Path | None,
        grids: Path,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        """Hold on to the folder; nothing is read yet."""
        self.root = root
        self.database = database
        self.grids = grids
        self.lock_timeout = lock_timeout

    def measure(self, read: Selection) -> str:
        """Digest all that a report is drawn from, as it is now; "" if there is no result."""
        import duckdb

        if self.database is None or not database_exists(self.database):
            return ""
        with connect(self.database, read_only=True, timeout=self.lock_timeout) as connection:
            try:
                with transaction(connection):
                    parts = [*_measure_tables(connection, read)]
            except (duckdb.CatalogException, duckdb.BinderException):  # of an earlier version
                return ""
        parts += [fingerprint_code(), read.name, *_measure_grids(self.grids, read)]
        text = "\n".join(parts)
        return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()

    def look(
        self, selection: Selection, read: Selection, options: Mapping[str, Any]
    ) -> tuple[str, Unchanged | None]:
        """The same, and what says that the report drawn from just that is there and whole.

        Args:
            selection: What it is of.
            read: What is read for it: the same.
            options: None; its pictures have no options.
        """
        measured = self.measure(read)
        finish_publication(self.root)
        folder = self.root / selection.name
        making = read_making(folder) if measured else None
        if making is None or making.drawn_from != name_making(measured, options):
            return measured, None
        if read_whole(folder, making) is None:
            return measured, None
        since = str(making.card["run_time"])
        return measured, Unchanged("report", selection.name, since)


def _measure_tables(connection: "duckdb.DuckDBPyConnection", selection: Selection) -> Iterable[str]:
    """Digests of results, granules and coverage; kinds of results that are not there are none."""
    for kind in KINDS:
        there = kind is RESULT_TABLES or all(table_columns(connection, table) for table in kind)
        yield fingerprint_result(connection, selection, kind) if there else "none"
    for handle in (GranuleTable, CoverageTable):
        condition, values = handle.where(selection)
        source = f"main.{handle.name} WHERE {condition}"
        columns = (*TABLES[handle.name].columns, "simulated")
        yield digest_rows(connection, source, columns, values)


def _measure_grids(folder: Path, selection: Selection) -> Iterable[str]:
    """Digests of the files with the grids of a selection: their label does not matter to them."""
    names = {selection.name, replace(selection, label=DEFAULT_LABEL).name}
    found = [path for name in names for path in folder.glob(f"{name}_*")]
    for path in sorted(found):
        files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        for file in sorted(files):
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            yield f"{os.path.relpath(file, folder)} {digest}"


def read_whole(folder: Path, making: Making) -> Publication | None:
    """A report as it was published; None if a file of it is missing or is not what it was."""
    groups: list[dict[str, bytes]] = []
    for digests in (making.files, making.extras):
        contents = {}
        for name, digest in digests.items():
            try:
                contents[name] = (folder / name).read_bytes()
            except OSError:
                return None
            if digest_content(contents[name]) != digest:
                return None
        groups.append(contents)
    files, extras = groups
    return Publication(folder.name, files, extras, making.card, drawn_from=making.drawn_from)


def show_again(root: Path, name: str) -> None:
    """Make sure that the files at the fixed names, and the list, are of a report that is kept.

    Args:
        root: The folder of all reports.
        name: The folder of the report. If another run has taken it away meanwhile, what stands
            stands.

    Raises:
        StorageError: If the disk is full or the folder cannot be written to, or others keep it.
    """
    with lock_folder(root), explain_disk(root):
        making = read_making(root / name)
        if making is None or is_latest(root, name, making):
            return
        whole = read_whole(root / name, making)
        if whole is not None:
            publish_again(root, whole)
