"""Views in the database for what people ask most: made with the tables, and kept up to date.

A view is a convenience: whatever stands in its way (a person's own table or view of that name, an
older table, another run that makes it at the same moment) leaves the data and the run alone.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightning_kedro.columns import COLUMNS, SIMULATED
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS, connect, transaction
from lightning_kedro.store.macros import MACROS, MARK, list_macros, make_macro
from lightning_kedro.store.migration import list_tables

if TYPE_CHECKING:
    import duckdb

_MARK: Final = "a view of lightning_kedro, definition"
"""By this in its comment a view is known as the project's own, and by what follows as today's."""

_KEY: Final = ", ".join(RESULT_KEY)
_NEWEST: Final = f"run_time DESC NULLS LAST, {_KEY}"

MOST_BIGGEST: Final = 100
"""How many flashes are the biggest."""


@dataclass(frozen=True, slots=True)
class View:
    """A view: what a row is, its columns in order, the tables that it is of, and its query.

    Attributes:
        meaning: What a row is.
        columns: Names of the registry; ``simulated`` comes besides, as in every table.
        tables: The tables that must be there.
        source: What follows SELECT and the columns.
    """

    meaning: str
    columns: tuple[str, ...]
    tables: tuple[str, ...]
    source: str

    @property
    def query(self) -> str:
        """The whole query."""
        return f"SELECT {', '.join(self.columns)}, simulated {' '.join(self.source.split())}"

    @property
    def comment(self) -> str:
        """What is stored with the view."""
        digest = hashlib.sha256(repr((self.query, self.meaning)).encode()).hexdigest()[:12]
        return f"{self.meaning} ({_MARK} {digest})"


def _latest_of(table: str, selection: str) -> str:
    """The rows of the result of a kind that was made last."""
    return (
        f"FROM main.{table} SEMI JOIN (SELECT {_KEY} FROM main.{selection} "  # noqa: S608
        f"ORDER BY {_NEWEST} LIMIT 1) USING ({_KEY})"
    )


VIEWS: Final = {
    "latest_result": View(
        "the result of clustering that was made last",
        TABLES["k_selection"].columns,
        ("k_selection",),
        f"FROM main.k_selection ORDER BY {_NEWEST} LIMIT 1",
    ),
    "latest_clusters": View(
        "one cluster of the result that was made last",
        TABLES["cluster_centers"].columns,
        ("cluster_centers", "k_selection"),
        f"{_latest_of('cluster_centers', 'k_selection')} ORDER BY cluster",
    ),
    "latest_storms": View(
        "one storm of the result of storms that was made last",
        TABLES["storms"].columns,
        ("storms", "storm_selection"),
        f"{_latest_of('storms', 'storm_selection')} ORDER BY storm",
    ),
    "flashes_by_hour": View(
        "one hour of a satellite: its flashes, and how much of the hour was found; null where only "
        "the edge of an hour was read",
        ("platform", "hour", "flash_count", "expected", "found", "corrupt", "missing"),
        ("flashes", "coverage"),
        """
        FROM (
            SELECT platform, hour, coalesce(counted.flash_count, 0)::INTEGER AS flash_count,
                   expected, found, corrupt, missing,
                   coalesce(counted.simulated, coverage.simulated) AS simulated
            FROM (
                SELECT platform, date_trunc('hour', time) AS hour, count(*) AS flash_count,
                       bool_or(simulated) AS simulated
                FROM main.flashes GROUP BY ALL
            ) AS counted FULL JOIN main.coverage AS coverage USING (platform, hour)
        ) ORDER BY platform, hour
        """,
    ),
    "gaps": View(
        "one archive hour of a satellite of which something is missing or corrupt",
        TABLES["coverage"].columns,
        ("coverage",),
        "FROM main.coverage WHERE missing > 0 OR corrupt > 0 ORDER BY platform, hour",
    ),
    "biggest_flashes": View(
        f"one of the {MOST_BIGGEST} flashes with the largest area",
        TABLES["flashes"].columns,
        ("flashes",),
        f"FROM main.flashes WHERE area_km2 IS NOT NULL ORDER BY area_km2 DESC, platform, "
        f"granule_start, flash_id LIMIT {MOST_BIGGEST}",
    ),
    "clusters_over_windows": View(
        "one cluster of any result, with what was chosen for the result",
        (
            *RESULT_KEY,
            "cluster",
            "lat",
            "lon",
            "mean_time",
            "flash_count",
            "rms_radius_km",
            "k",
            "criterion",
            "n_flashes",
            "run_time",
        ),
        ("cluster_centers", "k_selection"),
        f"""
        FROM main.cluster_centers JOIN (
            SELECT {_KEY}, k, criterion, n_flashes, run_time FROM main.k_selection
        ) USING ({_KEY}) ORDER BY {_KEY}, cluster
        """,  # noqa: S608
    ),
    "storms_over_windows": View(
        "one storm, followed over all windows that saw it; its flashes counted once each",
        (
            "storm_id",
            "region",
            "min_quality",
            "label",
            "born",
            "first_time",
            "last_time",
            "n_windows",
            "flash_count",
            "peak_rate_per_minute",
        ),
        ("storms", "storm_flashes"),
        """
        FROM (
            SELECT storm_id, region, min_quality, label, min(born) AS born,
                   min(first_time) AS first_time, max(last_time) AS last_time,
                   count(*)::INTEGER AS n_windows,
                   max(peak_rate_per_minute) AS peak_rate_per_minute,
                   bool_or(simulated) AS simulated
            FROM main.storms GROUP BY ALL
        ) JOIN (
            SELECT storm_id, region, min_quality, label,
                   count(DISTINCT (flash_platform, granule_start, flash_id))::INTEGER
                   AS flash_count
            FROM main.storm_flashes WHERE storm_id IS NOT NULL GROUP BY ALL
        ) USING (storm_id, region, min_quality, label)
        ORDER BY flash_count DESC, storm_id, region, min_quality, label
        """,
    ),
}
"""The views by name."""


@contextmanager
def open_for_writing(
    path: Path, *, timeout: float = LOCK_TIMEOUT_SECONDS
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a database to write to it, and bring its views up to date when that is done.

    Raises:
        TableError: As ``connect`` does.
        StorageError: As ``connect`` does.
    """
    with connect(path, read_only=False, timeout=timeout) as connection:
        yield connection
        renew_views(connection)


def renew_views(connection: "duckdb.DuckDBPyConnection") -> None:
    """Make the views and macros whose tables are there, unless they are as they should be.

    It never fails. Call it outside a transaction: each view has one of its own.
    """
    import duckdb

    with contextlib.suppress(duckdb.Error):
        present = list_tables(connection)
        views = _list_comments(connection)
        for name, view in VIEWS.items():
            if {*view.tables} <= present and _is_former(views, name, view.comment, _MARK):
                with contextlib.suppress(duckdb.Error), transaction(connection):
                    _make_view(connection, name, view)
        possible = {name: macro for name, macro in MACROS.items() if {*macro.tables} <= present}
        macros = list_macros(connection) if possible else {}  # DuckDB goes through all functions
        for name, macro in possible.items():
            if _is_former(macros, name, macro.comment, MARK):
                with contextlib.suppress(duckdb.Error), transaction(connection):
                    make_macro(connection, name, macro)


def _is_former(comments: dict[str, str], name: str, today: str, mark: str) -> bool:
    """Whether what has a name is not there yet or of another definition, and nobody's own."""
    found = comments.get(name, mark)
    return mark in found and found != today


def _list_comments(connection: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """The comment of each view that is there, a person's own included."""
    rows = connection.execute(
        "SELECT view_name, coalesce(comment, '') FROM duckdb_views() WHERE schema_name = 'main' "
        "AND database_name = current_database() AND NOT internal"
    ).fetchall()
    return dict(rows)


def _make_view(connection: "duckdb.DuckDBPyConnection", name: str, view: View) -> None:
    """Make a view, with comments as tables have them."""
    connection.execute(f"CREATE OR REPLACE VIEW main.{name} AS {view.query}")
    connection.execute(f"COMMENT ON VIEW main.{name} IS '{_escape(view.comment)}'")
    columns = {name: COLUMNS[name] for name in view.columns} | {"simulated": SIMULATED}
    for column, described in columns.items():
        meaning = _escape(described.meaning)
        connection.execute(f"COMMENT ON COLUMN main.{name}.{column} IS '{meaning}'")


def _escape(text: str) -> str:
    """The inside of an SQL literal, of the registry's own texts."""
    return text.replace("'", "''")
