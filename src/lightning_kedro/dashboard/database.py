"""The database as the dashboard reads it: open for moments only, so that no run ever waits long.

A DuckDB file that one process reads is closed to those that write, and the other way round. A page
therefore reads all that it shows at once, and between two reads the file is left closed for at
least as long as it was open: a run that comes by finds a moment for itself even while people press
reload. Where there is a snapshot of the very same state, or a run has the database, the snapshot is
read instead, for which no run ever waits. Nothing is ever written, not even a migration: columns
that an older database lacks are filled in as it is read.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.columns import SIMULATED
from lightning_kedro.dashboard.lake import SHOWN, ShownLake
from lightning_kedro.exceptions import DatabaseBusyError, TableError
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.database import connect, connect_in_memory, database_exists
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.migration import UNKNOWN
from lightning_kedro.store.snapshots import find_current_snapshot, find_snapshot, read_time
from lightning_kedro.store.tables import check_table

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PATIENCE_SECONDS: Final = 2.0
"""How long a page waits for a run until it says so instead."""

SNAPSHOT_SECONDS: Final = 0.5
"""The same where there is a snapshot to show instead."""

QUEUE_SECONDS: Final = 15.0
"""How long a page waits for the pages before it."""

LONGEST_REST_SECONDS: Final = 1.0
"""The database is left closed for at most so long after a read: runs ask four times a second."""

MEMORY_LIMIT: Final = "1GB"
"""What DuckDB may take for a page."""

_DEFAULTS: Final = {"region": UNKNOWN, "min_quality": UNKNOWN, "label": "default"}
"""What stands in columns of the key that a database of version 0.1 lacks: nobody wrote it down."""


class NoDatabaseError(TableError):
    """There is no database yet: ingestion makes it."""


class CrowdedError(DatabaseBusyError):
    """Other pages keep the database."""


class Tables:
    """The tables of a database that is open.

    Args:
        connection: The open database, or its snapshot.
        state: What tells this state of the database from any other.
        written: When an older state was written, UTC; None if it is how the database is now.
        lake: The lake that has granules and coverage in its place, if there is one.
    """

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        state: object = None,
        written: datetime | None = None,
        lake: ShownLake | None = None,
    ) -> None:
        """Nothing is read yet."""
        self.connection = connection
        self.state = state
        self.written = written
        self._lake = lake
        self._sources: dict[str, str] = {}

    def source(self, table: str) -> str:
        """SQL for a table with all columns of the registry; without rows if it is not there.

        Raises:
            TableError: If something else has its name, or a column has another type.
        """
        if table not in self._sources:
            self._sources[table] = self._complete(table)
        return self._sources[table]

    def _complete(self, table: str) -> str:
        """Fill in what is not there."""
        types = TABLES[table].types | {"simulated": SIMULATED.type}
        if self._lake and table in SHOWN and self._lake.register(self.connection, table):
            return f"(SELECT {', '.join(types)} FROM lake_{table})"  # noqa: S608
        present = check_table(self.connection, table)
        listed = ", ".join(
            name
            if name in present
            else f"{_DEFAULTS.get(name, None)!r}::{kind} AS {name}".replace("None::", "NULL::")
            for name, kind in types.items()
        )
        rows = f"FROM main.{table}" if present else "WHERE false"
        return f"(SELECT {listed} {rows})"

    def select(
        self,
        table: str,
        columns: Sequence[str] = (),
        where: str = "true",
        values: Sequence[object] = (),
        rest: str = "",
    ) -> "pa.Table":
        """Some rows and columns of a table.

        Args:
            table: A table of the registry.
            columns: Names or expressions; all columns of the registry if empty.
            where: The condition, with ``?`` for values.
            values: What stands for each ``?``, in ``where`` and ``rest``.
            rest: What follows: grouping, order, limit.
        """
        query = (
            f"SELECT {', '.join(columns) or '*'} FROM {self.source(table)} "  # noqa: S608
            f"WHERE {where} {rest}"
        )
        return self.connection.sql(query, params=[*values]).to_arrow_table()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query that is made of ``source``."""
        return self.connection.execute(query, [*values]).fetchall()


class Reader:
    """Opens the database for one page at a time.

    Args:
        path: The DuckDB file; it need not exist yet.
        patience: How long to wait for a run, in seconds.
        queue: How long to wait for other pages, in seconds.
        lake: The lake that has granules and coverage in the database's place, if there is one.
    """

    def __init__(
        self,
        path: Path,
        patience: float = PATIENCE_SECONDS,
        queue: float = QUEUE_SECONDS,
        lake: Place | None = None,
    ) -> None:
        """Open nothing."""
        self.path = path
        self._lake = None if lake is None else ShownLake(lake)
        self._patience = patience
        self._queue = queue
        self._turn = threading.Lock()
        self._rests_until = 0.0

    @contextmanager
    def open(self) -> Iterator[Tables]:
        """Open the database to read all that a page shows.

        Raises:
            NoDatabaseError: If there is none yet.
            DatabaseBusyError: If a run keeps it for longer than the patience.
            CrowdedError: If other pages do.
            TableError: If it cannot be read.
        """
        if not self._turn.acquire(timeout=self._queue):
            message = "Many pages are read from the database at once."
            raise CrowdedError(message)
        try:
            if not database_exists(self.path):
                if self._lake is not None and self._lake.has_coverage():
                    with connect_in_memory() as connection:
                        yield Tables(connection, lake=self._lake)
                    return
                message = f"There is no database {self.path} yet."
                raise NoDatabaseError(message)
            current = find_current_snapshot(self.path)
            with self._connect_snapshot(current) if current else self._connect() as tables:
                yield tables
        finally:
            self._turn.release()

    @contextmanager
    def _connect(self) -> Iterator[Tables]:
        """Open the database; the snapshot, if a run has it."""
        snapshot = find_snapshot(self.path)
        patience = min(self._patience, SNAPSHOT_SECONDS) if snapshot else self._patience
        time.sleep(max(0.0, self._rests_until - time.monotonic()))
        with ExitStack() as stack:
            try:
                tables = stack.enter_context(_read(self.path, self.path, patience, self._lake))
            except DatabaseBusyError:
                if snapshot is None:
                    raise
                tables = stack.enter_context(self._connect_snapshot(snapshot))
                tables.written = read_time(snapshot)
            else:
                stack.callback(self._rest, time.monotonic())
            yield tables

    @contextmanager
    def _connect_snapshot(self, snapshot: Path) -> Iterator[Tables]:
        """Open a snapshot."""
        with _read(snapshot, self.path, self._patience, self._lake) as tables:
            yield tables

    def _rest(self, began: float) -> None:
        """Note how long the database has to be left closed."""
        now = time.monotonic()
        self._rests_until = now + min(now - began, LONGEST_REST_SECONDS)


@contextmanager
def _read(path: Path, database: Path, patience: float, lake: ShownLake | None) -> Iterator[Tables]:
    """Open a database or its snapshot."""
    state = path.stat()
    with connect(path, read_only=True, timeout=patience) as connection:
        # Nothing is written, not even what does not fit into memory.
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'; SET temp_directory = ''")
        yield Tables(connection, (database, state.st_mtime_ns, state.st_size), lake=lake)
