"""The registry of columns and tables: type, unit and meaning of each, in one place.

CSV files, DuckDB tables and their comments are all made from it. A quantity has the same name in
the same unit everywhere; all times are UTC without a time zone.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its DuckDB type, and its meaning with unit and range."""

    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what a row is, its columns in order, and the columns that name a row."""

    meaning: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def types(self) -> dict[str, str]:
        """The DuckDB type of each column, in order."""
        return {name: COLUMNS[name].type for name in self.columns}


COLUMNS: Final = {
    "platform": Column("VARCHAR", "satellite, G16 to G19; joined by + where a slot changed hands"),
    "granule_start": Column("TIMESTAMP", "start of the granule, UTC; with platform its key"),
    "granule_end": Column("TIMESTAMP", "end of the granule, UTC, exclusive"),
    "created": Column("TIMESTAMP", "when the granule's file was made, UTC; the newest one stands"),
    "orbital_slot": Column("VARCHAR", "GOES-East, GOES-West or GOES-Test, as the granule says"),
    "file_name": Column("VARCHAR", "name of the granule's file"),
    "file_bytes": Column("BIGINT", "size of the granule's file in bytes"),
    "flash_count": Column("INTEGER", "number of flashes"),
    "declared_flash_count": Column("INTEGER", "number of flashes the granule says it has"),
    "status": Column("VARCHAR", "loaded, empty (no flashes) or corrupt"),
    "reason": Column("VARCHAR", "why the granule is corrupt"),
    "flash_id": Column("INTEGER", "0 to 65535, unique within its granule only"),
    "time": Column("TIMESTAMP", "first event of the flash, UTC; may precede its granule"),
    "time_end": Column("TIMESTAMP", "last event of the flash, UTC"),
    "lat": Column("FLOAT", "latitude in degrees north, -90 to 90"),
    "lon": Column("FLOAT", "longitude in degrees east, -180 to 180"),
    "energy_j": Column("DOUBLE", "radiant energy in joules; null where missing"),
    "area_km2": Column("DOUBLE", "area in square kilometres; null where missing"),
    "quality_flag": Column(
        "SMALLINT",
        "0 good; 1 events out of order; 3 too many events, 5 too long: real flashes, cut",
    ),
    "hour": Column("TIMESTAMP", "start of the archive hour, UTC"),
    "expected": Column("INTEGER", "granules that the hour should have: one every 20 s"),
    "found": Column("INTEGER", "granules of the hour that were found, corrupt ones included"),
    "corrupt": Column("INTEGER", "granules of the hour that are corrupt"),
    "missing": Column("INTEGER", "granules of the hour that were not found"),
    "window_start": Column("TIMESTAMP", "start of the window, UTC, inclusive"),
    "window_end": Column("TIMESTAMP", "end of the window, UTC, exclusive"),
}

_WINDOW: Final = ("platform", "window_start", "window_end")

TABLES: Final = {
    "granules": Table(
        "one granule, loaded or not",
        (
            "platform",
            "granule_start",
            "granule_end",
            "created",
            "orbital_slot",
            "file_name",
            "file_bytes",
            "flash_count",
            "declared_flash_count",
            "status",
            "reason",
        ),
        ("platform", "granule_start"),
    ),
    "flashes": Table(
        "one flash",
        (
            "platform",
            "granule_start",
            "flash_id",
            "time",
            "time_end",
            "lat",
            "lon",
            "energy_j",
            "area_km2",
            "quality_flag",
        ),
        ("platform", "granule_start", "flash_id"),
    ),
    "coverage": Table(
        "one archive hour of a satellite, and how much of it there is",
        ("platform", "hour", "expected", "found", "corrupt", "missing"),
        ("platform", "hour"),
    ),
    "time_series": Table(
        "when, how bright, how large: one flash (CSV by archive hour)",
        (
            "platform",
            "granule_start",
            "flash_id",
            "time",
            "time_end",
            "energy_j",
            "area_km2",
            "quality_flag",
        ),
        ("platform", "granule_start", "flash_id"),
    ),
    "geo_series": Table(
        "where: one flash (CSV by archive hour)",
        ("platform", "granule_start", "flash_id", "lat", "lon"),
        ("platform", "granule_start", "flash_id"),
    ),
}
