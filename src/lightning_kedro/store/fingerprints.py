"""What a result was made of and what its rows are, in a few digits that a later run compares.

DuckDB digests the rows where they are: a day of millions of flashes takes a fraction of a second.
Its ``hash`` may be another one in another version of DuckDB, which is part of the digest: after an
upgrade everything is made again once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.packaged import fingerprint_code
from lightning_kedro.results import MAKERS, SKY_TABLES, Result
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store.database import (
    LOCK_TIMEOUT_SECONDS,
    connect,
    database_exists,
    transaction,
)
from lightning_kedro.store.group_areas import query_largest_areas
from lightning_kedro.store.loaded import FlashTable, GranuleTable
from lightning_kedro.store.migration import is_ours
from lightning_kedro.store.tables import create_table, table_columns
from lightning_kedro.unchanged import Unchanged, name_making

if TYPE_CHECKING:
    import duckdb

FINGERPRINTS: Final = "result_fingerprints"

READ_COLUMNS: Final = (
    *("platform", "granule_start", "flash_id", "time", "time_end", "lat", "lon"),
    *("energy_j", "area_km2", "quality_flag", "simulated"),
)
"""What results may be made of: all but the numbers of groups and events."""

_DIGEST_BYTES: Final = 16
_OF_KEY: Final = " AND ".join(f"{name} = ?" for name in RESULT_KEY)
_WORDS: Final = {"clustering": "clusters", "storms": "storms", "sky": "sky"}


class StoredResult:
    """A lazy handle on what is stored of one kind of results, by which runs see it is unchanged.

    Args:
        path: The DuckDB file with flashes and results; None if nothing can be said, because
            flashes are kept elsewhere.
        kind: The tables of the kind.
        lock_timeout: How long to wait for the file, in seconds.
    """

    def __init__(
        self,
        path: Path | None,
        kind: tuple[str, ...],
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        """Hold on to the database; nothing is read yet."""
        self.path = path
        self.kind = kind
        self.lock_timeout = lock_timeout

    def measure(self, read: Selection) -> str:
        """Digest the flashes of a selection as they are now, and the code; "" if that fails.

        It fails where there is no database yet, or one of an earlier version: whoever reads the
        flashes migrates it, or says what is wrong.
        """
        return self._look(read, None, {})[0]

    def look(
        self, selection: Selection, read: Selection, options: Mapping[str, Any]
    ) -> tuple[str, Unchanged | None]:
        """The same, and what says that a result made of just that is there and whole.

        Args:
            selection: What the result is of.
            read: What is read for it.
            options: What it is made with, as plain values.
        """
        return self._look(read, selection, options)

    def _look(
        self, read: Selection, selection: Selection | None, options: Mapping[str, Any]
    ) -> tuple[str, Unchanged | None]:
        """All of it in one transaction."""
        import duckdb

        if self.path is None or not database_exists(self.path):
            return "", None
        measured = ""
        with connect(self.path, read_only=True, timeout=self.lock_timeout) as connection:
            try:
                with transaction(connection):
                    measured = self._measure(connection, read)
                    if selection is None or not measured:
                        return measured, None
                    made_of = name_making(measured, options)
                    return measured, self._find(connection, selection, made_of)
            except (duckdb.CatalogException, duckdb.BinderException):  # of an earlier version
                return measured, None

    def _measure(self, connection: "duckdb.DuckDBPyConnection", read: Selection) -> str:
        """Digest what is read."""
        parts = [fingerprint_code(), read.name]
        condition, values = FlashTable.where(read)
        parts.append(
            digest_rows(connection, f"main.flashes WHERE {condition}", READ_COLUMNS, values)
        )
        if self.kind == SKY_TABLES:
            is_there = is_ours("groups", table_columns(connection, "groups"))
            source, named = query_largest_areas(read, is_there=is_there)
            areas = ("platform", "granule_start", "flash_id", "area_km2")
            parts.append(digest_rows(connection, f"({source})", areas, named))
        return _join(parts)

    def _find(
        self, connection: "duckdb.DuckDBPyConnection", selection: Selection, made_of: str
    ) -> Unchanged | None:
        """What says that the result made of something is there and whole."""
        condition, values = GranuleTable.where(selection)
        query = f"SELECT 1 FROM main.granules WHERE {condition} LIMIT 1"  # noqa: S608
        if not connection.execute(query, values).fetchall():
            return None  # whoever reads the flashes says what that means
        query = (
            f"SELECT made_of, rows_fingerprint FROM main.{FINGERPRINTS} "  # noqa: S608
            f"WHERE {_OF_KEY} AND kind = ?"
        )
        maker = MAKERS[self.kind]
        recorded = connection.execute(query, [*selection.key, maker]).fetchall()
        if len(recorded) != 1 or recorded[0][0] != made_of:
            return None
        if fingerprint_result(connection, selection, self.kind) != recorded[0][1]:
            return None
        return Unchanged(
            _WORDS[maker], selection.name, _read_time(connection, selection, self.kind)
        )


def digest_rows(
    connection: "duckdb.DuckDBPyConnection",
    source: str,
    columns: Sequence[str],
    values: Sequence[object] | Mapping[str, object],
) -> str:
    """Digest rows in whatever order they are: their number, and the sum of their hashes.

    The hash of each row is hashed once more, because sums of what DuckDB combines columns by would
    hardly see values that have changed places between rows.

    Args:
        connection: The open database.
        source: What follows FROM, with its condition.
        columns: The columns that count.
        values: The values of the condition.
    """
    query = f"SELECT count(*), sum(hash(hash({', '.join(columns)}))) FROM {source}"  # noqa: S608
    ((count, total),) = connection.execute(query, values).fetchall()
    return f"{count}:{total or 0:x}"


def fingerprint_result(
    connection: "duckdb.DuckDBPyConnection", selection: Selection, kind: tuple[str, ...]
) -> str:
    """Digest all rows that the tables of a kind have of a selection."""
    return _join(
        digest_rows(
            connection,
            f"main.{table} WHERE {_OF_KEY}",
            (*TABLES[table].columns, "simulated"),
            [*selection.key],
        )
        for table in kind
    )


def record_result(connection: "duckdb.DuckDBPyConnection", result: Result) -> None:
    """Keep with a result that has just been stored what it was made of, and what its rows are.

    Call it inside the transaction that stores it. Of a result of which nobody knows what it was
    made of nothing is kept: the next run makes it again.
    """
    create_table(connection, FINGERPRINTS)
    key = [*result.selection.key, MAKERS[result.kind]]
    connection.execute(
        f"DELETE FROM main.{FINGERPRINTS} WHERE {_OF_KEY} AND kind = ?",  # noqa: S608
        key,
    )
    if not result.made_of:
        return
    rows = fingerprint_result(connection, result.selection, result.kind)
    connection.execute(
        f"INSERT INTO main.{FINGERPRINTS} BY NAME "  # noqa: S608
        f"SELECT {', '.join(f'? AS {name}' for name in TABLES[FINGERPRINTS].columns)}, "
        f"(SELECT bool_or(simulated) FROM main.{result.kind[-1]} WHERE {_OF_KEY}) AS simulated",
        [*key, result.made_of, rows, *result.selection.key],
    )


def _read_time(
    connection: "duckdb.DuckDBPyConnection", selection: Selection, kind: tuple[str, ...]
) -> str:
    """When the run that made a result began, ISO 8601, UTC; "" if nobody knows."""
    rows = connection.execute(
        f"SELECT run_time FROM main.{kind[-1]} WHERE {_OF_KEY}",  # noqa: S608
        [*selection.key],
    ).fetchall()
    return rows[0][0].isoformat(timespec="seconds") if rows and rows[0][0] else ""


def _join(parts: Iterable[str]) -> str:
    """One digest of several, and of the version of DuckDB that made them."""
    import duckdb

    text = "\n".join([duckdb.__version__, *parts])
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
