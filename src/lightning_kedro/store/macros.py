"""Table macros: questions with a place, a cell size or a window in them, asked in one query.

``FROM thunder_hours(29.76, -95.37)`` and the like. They are kept up to date with the views, and by
the same rules: a macro of a person's own of that name stays.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lightning_kedro.analysis.climatology.building import Thunder
from lightning_kedro.analysis.climatology.fields import HOURS_PER_YEAR
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, KM_PER_DEGREE

if TYPE_CHECKING:
    import duckdb

MARK: Final = "a macro of lightning_kedro, definition"
"""By this in its comment a macro is known as the project's own, and by what follows as today's."""

_ALWAYS: Final = "since := TIMESTAMP '-infinity', until := TIMESTAMP 'infinity'"
_THUNDER: Final = Thunder()


@dataclass(frozen=True, slots=True)
class Macro:
    """A table macro.

    Attributes:
        meaning: What a row of its answer is.
        parameters: In SQL; what has a default need not be given.
        tables: The tables that must be there.
        query: Its query.
    """

    meaning: str
    parameters: str
    tables: tuple[str, ...]
    query: str

    @property
    def comment(self) -> str:
        """What is stored with the macro."""
        text = repr((self.meaning, self.parameters, " ".join(self.query.split())))
        return f"{self.meaning} ({MARK} {hashlib.sha256(text.encode()).hexdigest()[:12]})"


_OBSERVED: Final = """
    observed AS (
        SELECT platform, hour, (found - corrupt) / expected AS share, simulated
        FROM main.coverage
        WHERE hour >= since AND hour < until AND found > corrupt AND expected > 0
    ),
    seen AS (
        SELECT platform, hour, lat, lon, time
        FROM (SELECT platform, date_trunc('hour', time) AS hour, lat, lon, time FROM main.flashes
              WHERE time >= since AND time < until AND lat IS NOT NULL AND lon IS NOT NULL)
        SEMI JOIN observed USING (platform, hour)
    )
"""
"""Hours of which a granule could be read, and the flashes that began in them."""

MACROS: Final = {
    "thunder_hours": Macro(
        f"one thunder hour of a place: an hour of a satellite with {_THUNDER.flashes} flashes or "
        f"more within {_THUNDER.radius_km:g} km",
        f"at_lat, at_lon, within_km := {_THUNDER.radius_km}, least := {_THUNDER.flashes}, "
        f"{_ALWAYS}",
        ("flashes",),
        f"""
        SELECT platform, date_trunc('hour', time) AS hour, count(*)::INTEGER AS flash_count,
               bool_or(simulated) AS simulated
        FROM main.flashes
        WHERE time >= since AND time < until
            AND lat BETWEEN at_lat - within_km / {KM_PER_DEGREE!r} - 1e-3
                AND at_lat + within_km / {KM_PER_DEGREE!r} + 1e-3
            AND 2 * {EARTH_RADIUS_KM} * asin(least(1.0, sqrt(
                sin(radians(lat::DOUBLE - at_lat) / 2) ** 2
                + cos(radians(lat::DOUBLE)) * cos(radians(at_lat))
                * sin(radians(lon::DOUBLE - at_lon) / 2) ** 2))) <= within_km
        GROUP BY ALL HAVING count(*) >= least ORDER BY platform, hour
        """,  # noqa: S608
    ),
    "flash_density": Macro(
        "one cell of a satellite that has flashes: how many, and per km2 and year of observation",
        f"cell_degrees := 1.0, {_ALWAYS}",
        ("flashes", "coverage"),
        f"""
        WITH {_OBSERVED},
        cells AS (
            SELECT platform, floor(lat::DOUBLE / cell_degrees) AS row_number,
                   floor(lon::DOUBLE / cell_degrees) AS column_number, count(*) AS flash_count
            FROM seen GROUP BY ALL
        )
        SELECT platform, (row_number + 0.5) * cell_degrees AS lat,
               (column_number + 0.5) * cell_degrees AS lon, flash_count::INTEGER AS flash_count,
               observed_hours,
               flash_count * {HOURS_PER_YEAR} / observed_hours / (
                   {EARTH_RADIUS_KM} ** 2 * radians(cell_degrees)
                   * (sin(radians((row_number + 1) * cell_degrees))
                      - sin(radians(row_number * cell_degrees)))
               ) AS density_per_km2_year, simulated
        FROM cells JOIN (
            SELECT platform, sum(share) AS observed_hours, bool_or(simulated) AS simulated
            FROM observed GROUP BY platform
        ) USING (platform) ORDER BY platform, lat, lon
        """,  # noqa: S608
    ),
    "diurnal_cycle": Macro(
        "one hour of the day of a satellite: flashes by UTC, per observed hour, and by local mean "
        "solar time (UTC + longitude / 15)",
        _ALWAYS,
        ("flashes", "coverage"),
        f"""
        WITH {_OBSERVED},
        by_utc AS (
            SELECT platform, date_part('hour', time) AS hour_of_day, count(*) AS flash_count
            FROM seen GROUP BY ALL
        ),
        by_sun AS (
            SELECT platform, count(*) AS solar_flash_count,
                   floor((date_part('epoch', time) / 3600 + lon::DOUBLE / 15) % 24)::BIGINT
                   AS hour_of_day
            FROM seen GROUP BY ALL
        ),
        by_hour AS (
            SELECT platform, date_part('hour', hour) AS hour_of_day, sum(share) AS observed_hours
            FROM observed GROUP BY ALL
        ),
        every AS (
            SELECT platform, hour_of_day, simulated FROM range(24) AS hours(hour_of_day), (
                SELECT platform, bool_or(simulated) AS simulated FROM observed GROUP BY platform
            )
        )
        SELECT platform, hour_of_day::INTEGER AS hour_of_day,
               coalesce(flash_count, 0)::INTEGER AS flash_count,
               coalesce(observed_hours, 0) AS observed_hours,
               if(observed_hours > 0, coalesce(flash_count, 0) / observed_hours, NULL)
                   AS flashes_per_hour,
               coalesce(solar_flash_count, 0)::INTEGER AS solar_flash_count, simulated
        FROM every LEFT JOIN by_utc USING (platform, hour_of_day)
            LEFT JOIN by_sun USING (platform, hour_of_day)
            LEFT JOIN by_hour USING (platform, hour_of_day)
        ORDER BY platform, hour_of_day
        """,  # noqa: S608
    ),
}
"""The macros by name."""


def list_macros(connection: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """The comment of each macro that is there, a person's own included."""
    rows = connection.execute(
        "SELECT function_name, coalesce(comment, '') FROM duckdb_functions() "
        "WHERE schema_name = 'main' AND database_name = current_database() AND NOT internal"
    ).fetchall()
    return dict(rows)


def make_macro(connection: "duckdb.DuckDBPyConnection", name: str, macro: Macro) -> None:
    """Make a macro, with what it answers as its comment."""
    connection.execute(
        f"CREATE OR REPLACE MACRO main.{name}({macro.parameters}) AS TABLE {macro.query}"
    )
    connection.execute(f"COMMENT ON MACRO TABLE main.{name} IS '{macro.comment}'")
