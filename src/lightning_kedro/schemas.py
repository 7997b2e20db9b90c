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
    "created": Column(
        "TIMESTAMP", "when the granule's file was made, UTC; the newest readable one stands"
    ),
    "orbital_slot": Column("VARCHAR", "GOES-East, GOES-West or GOES-Test, as the granule says"),
    "file_name": Column("VARCHAR", "name of the granule's file"),
    "file_bytes": Column("BIGINT", "size of the granule's file in bytes"),
    "flash_count": Column("INTEGER", "number of flashes"),
    "declared_flash_count": Column("INTEGER", "number of flashes the granule says it has"),
    "status": Column("VARCHAR", "loaded, empty (no flashes) or corrupt; in CSV files also failed"),
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
    "flash_platform": Column("VARCHAR", "satellite that saw the flash, G16 to G19"),
    "cluster": Column("INTEGER", "0 is the cluster with the most flashes"),
    "silhouette_coefficient": Column(
        "DOUBLE", "-1 to 1: of a flash (or its cell), or the mean over a cluster or a fit"
    ),
    "mean_time": Column("TIMESTAMP", "mean time of the cluster's flashes, UTC"),
    "rms_radius_km": Column("DOUBLE", "root mean square distance to the centre in km"),
    "rms_distance_km": Column("DOUBLE", "root mean square distance to the nearest centre in km"),
    "k": Column("INTEGER", "number of clusters"),
    "inertia": Column(
        "DOUBLE",
        "sum over flashes of the squared distance to the nearest centre: km2 on the sphere",
    ),
    "calinski_harabasz": Column("DOUBLE", "Calinski-Harabasz index: more is better"),
    "davies_bouldin": Column("DOUBLE", "Davies-Bouldin index: less is better"),
    "smallest_cluster": Column("BIGINT", "flashes in the smallest cluster"),
    "largest_cluster": Column("BIGINT", "flashes in the largest cluster"),
    "criterion": Column("VARCHAR", "what decided: silhouette, elbow or fixed"),
    "k_silhouette": Column("INTEGER", "k that the silhouette recommends"),
    "k_elbow": Column("INTEGER", "k that the elbow recommends; null if the curve has no elbow"),
    "at_range_end": Column("BOOLEAN", "whether the chosen k is an end of the range evaluated"),
    "reason": Column("VARCHAR", "why: a granule, or a newer file of it, is corrupt, or a k chosen"),
    "coordinates": Column("VARCHAR", "sphere or degrees"),
    "standardize": Column("BOOLEAN", "whether degrees were scaled to unit variance"),
    "time_scale_km_per_hour": Column("DOUBLE", "km that an hour counts as; null without time"),
    "k_min": Column("INTEGER", "smallest k evaluated"),
    "k_max": Column("INTEGER", "largest k evaluated"),
    "max_cells": Column("BIGINT", "most points fitted: more flashes are merged into cells"),
    "random_state": Column("BIGINT", "seed of the fits"),
    "method": Column("VARCHAR", "exact, or cells where flashes were merged"),
    "n_flashes": Column("BIGINT", "number of flashes clustered"),
    "n_cells": Column("BIGINT", "number of points fitted"),
    "cell_size_km": Column("DOUBLE", "side of a cell in km; null if nothing was merged"),
    "inertia_error": Column("DOUBLE", "measured relative error of the inertia due to merging"),
    "silhouette_error": Column("DOUBLE", "measured error of the silhouette due to merging"),
    "relabelled_share": Column("DOUBLE", "share of flashes whose cell is nearer another centre"),
    "window_start": Column("TIMESTAMP", "start of the window, UTC, inclusive"),
    "window_end": Column("TIMESTAMP", "end of the window, UTC, exclusive"),
}

SIMULATED: Final = Column("BOOLEAN", "whether the granules were simulated")
"""A column that every table of a database has besides its own: simulated data say so."""

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
    "clustered_flashes": Table(
        "one flash of a window, and its cluster",
        (
            *_WINDOW,
            "flash_platform",
            "granule_start",
            "flash_id",
            "time",
            "lat",
            "lon",
            "cluster",
            "silhouette_coefficient",
        ),
        (*_WINDOW, "flash_platform", "granule_start", "flash_id"),
    ),
    "cluster_centers": Table(
        "one cluster of a window",
        (
            *_WINDOW,
            "cluster",
            "lat",
            "lon",
            "mean_time",
            "flash_count",
            "rms_radius_km",
            "silhouette_coefficient",
        ),
        (*_WINDOW, "cluster"),
    ),
    "silhouette_scores": Table(
        "one k evaluated for a window, by its silhouette",
        (*_WINDOW, "k", "silhouette_coefficient"),
        (*_WINDOW, "k"),
    ),
    "elbow_curve": Table(
        "one k evaluated for a window, by its inertia; k from 1",
        (*_WINDOW, "k", "inertia", "rms_distance_km"),
        (*_WINDOW, "k"),
    ),
    "cluster_quality": Table(
        "one k evaluated for a window, by other measures",
        (
            *_WINDOW,
            "k",
            "calinski_harabasz",
            "davies_bouldin",
            "smallest_cluster",
            "largest_cluster",
        ),
        (*_WINDOW, "k"),
    ),
    "k_selection": Table(
        "the k chosen for a window, why, and how exact the result is",
        (
            *_WINDOW,
            "k",
            "criterion",
            "k_silhouette",
            "k_elbow",
            "at_range_end",
            "reason",
            "coordinates",
            "standardize",
            "time_scale_km_per_hour",
            "k_min",
            "k_max",
            "max_cells",
            "random_state",
            "method",
            "n_flashes",
            "n_cells",
            "cell_size_km",
            "inertia",
            "silhouette_coefficient",
            "inertia_error",
            "silhouette_error",
            "relabelled_share",
        ),
        _WINDOW,
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
