"""The registry of tables: what a row is, its columns and its key, in one place.

CSV files, DuckDB tables and their comments are all made from it. A quantity has the same name in
the same unit everywhere; all times are UTC without a time zone.
"""

from dataclasses import dataclass
from typing import Final

from lightning_kedro.columns import COLUMNS


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

    @property
    def replace_by(self) -> tuple[str, ...]:
        """The columns by which saved rows replace stored ones: what a result is of, or the key."""
        return RESULT_KEY if self.key[: len(RESULT_KEY)] == RESULT_KEY else self.key


RESULT_KEY: Final = (
    "platform",
    "window_start",
    "window_end",
    "region",
    "min_quality",
    "label",
)
"""The columns that say what a result is of: the first ones of every table of results."""

KEY_DEFAULTS: Final = {"region": "all", "min_quality": "all", "label": "default"}
"""Columns of the key that a frame may leave out, with what then stands there."""

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
            "group_count",
            "event_count",
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
            "group_count",
            "event_count",
        ),
        ("platform", "granule_start", "flash_id"),
    ),
    "groups": Table(
        "one group: adjacent events of one 2 ms frame (ingestion.levels)",
        (
            "platform",
            "granule_start",
            "group_id",
            "parent_flash_id",
            "time",
            "lat",
            "lon",
            "energy_j",
            "area_km2",
            "quality_flag",
            "event_count",
        ),
        ("platform", "granule_start", "group_id"),
    ),
    "events": Table(
        "one event: a pixel that is lit in one 2 ms frame (ingestion.levels)",
        (
            "platform",
            "granule_start",
            "event_id",
            "parent_group_id",
            "parent_flash_id",
            "time",
            "lat",
            "lon",
            "is_clamped",
            "energy_j",
        ),
        ("platform", "granule_start", "event_id"),
    ),
    "coverage": Table(
        "one archive hour of a satellite, and how much of it there is",
        ("platform", "hour", "expected", "found", "corrupt", "missing"),
        ("platform", "hour"),
    ),
    "clustered_flashes": Table(
        "one flash of a result, and its cluster",
        (
            *RESULT_KEY,
            "flash_platform",
            "granule_start",
            "flash_id",
            "time",
            "lat",
            "lon",
            "quality_flag",
            "cluster",
            "silhouette_coefficient",
            "silhouette_error_bound",
        ),
        (*RESULT_KEY, "flash_platform", "granule_start", "flash_id"),
    ),
    "cluster_centers": Table(
        "one cluster of a result",
        (
            *RESULT_KEY,
            "cluster",
            "lat",
            "lon",
            "mean_time",
            "flash_count",
            "rms_radius_km",
            "silhouette_coefficient",
        ),
        (*RESULT_KEY, "cluster"),
    ),
    "silhouette_scores": Table(
        "one k evaluated for a result, by its silhouette",
        (*RESULT_KEY, "k", "silhouette_coefficient"),
        (*RESULT_KEY, "k"),
    ),
    "elbow_curve": Table(
        "one k evaluated for a result, by its inertia; k from 1",
        (*RESULT_KEY, "k", "inertia", "rms_distance_km"),
        (*RESULT_KEY, "k"),
    ),
    "cluster_quality": Table(
        "one k evaluated for a result, by other measures",
        (
            *RESULT_KEY,
            "k",
            "calinski_harabasz",
            "davies_bouldin",
            "smallest_cluster",
            "largest_cluster",
        ),
        (*RESULT_KEY, "k"),
    ),
    "k_candidates": Table(
        "one k evaluated for a result, by all criteria, and whether it is a scale of the flashes",
        (
            *RESULT_KEY,
            "k",
            "silhouette_coefficient",
            "dense_silhouette",
            "prominence",
            "is_elbow",
            "calinski_harabasz",
            "bic_gain",
            "is_bic_best",
            "stability",
            "scale",
            "is_supported",
            "reason",
        ),
        (*RESULT_KEY, "k"),
    ),
    "k_selection": Table(
        "one result: the k chosen, why, of what, with which options, and how exact it is",
        (
            *RESULT_KEY,
            "k",
            "criterion",
            "k_silhouette",
            "k_elbow",
            "at_range_end",
            "reason",
            "satellite",
            "west",
            "south",
            "east",
            "north",
            "requested_k",
            "requested_criterion",
            "coordinates",
            "standardize",
            "time_scale_km_per_hour",
            "k_min",
            "k_max",
            "max_cells",
            "max_certified",
            "random_state",
            "method",
            "n_flashes",
            "n_cells",
            "cell_size_km",
            "inertia",
            "silhouette_coefficient",
            "inertia_error",
            "silhouette_error",
            "silhouette_error_bound",
            "relabelled_share",
            "flashes_fingerprint",
            "code_version",
            "run_time",
        ),
        RESULT_KEY,
    ),
    "storms": Table(
        "one storm of a result; what it says is of the flashes in the window",
        (
            *RESULT_KEY,
            "storm_id",
            "storm",
            "born",
            "first_time",
            "last_time",
            "duration_minutes",
            "continues",
            "flash_count",
            "peak_rate_per_minute",
            "footprint_km2",
            "energy_j",
            "mean_flash_area_km2",
            "lat",
            "lon",
            "speed_m_s",
            "direction_deg",
            "track_r_squared",
            "split_from",
            "merged_into",
        ),
        (*RESULT_KEY, "storm_id"),
    ),
    "storm_series": Table(
        "one minute of a storm of a result",
        (
            *RESULT_KEY,
            "storm_id",
            "minute",
            "flash_count",
            "rate_per_minute",
            "footprint_km2",
            "lat",
            "lon",
            "mean_flash_area_km2",
            "energy_j",
        ),
        (*RESULT_KEY, "storm_id", "minute"),
    ),
    "storm_flashes": Table(
        "one flash of a result, and its storm",
        (
            *RESULT_KEY,
            "flash_platform",
            "granule_start",
            "flash_id",
            "time",
            "lat",
            "lon",
            "storm",
            "storm_id",
        ),
        (*RESULT_KEY, "flash_platform", "granule_start", "flash_id"),
    ),
    "lightning_jumps": Table(
        "one lightning jump of a storm of a result, and the values that made it",
        (
            *RESULT_KEY,
            "storm_id",
            "algorithm",
            "jump_time",
            "jump_rate_per_minute",
            "dfrdt",
            "sigma",
            "threshold",
        ),
        (*RESULT_KEY, "storm_id", "algorithm", "jump_time"),
    ),
    "storm_selection": Table(
        "one result of storms: of what, with which options, and how much was found",
        (
            *RESULT_KEY,
            "satellite",
            "method",
            "eps_km",
            "eps_minutes",
            "min_flashes",
            "look_back_hours",
            "link_km",
            "step_minutes",
            "memory_minutes",
            "settle_minutes",
            "settle_flashes",
            "settle_share",
            "split_km",
            "split_flashes",
            "n_flashes",
            "n_storms",
            "n_noise",
            "n_surrounding",
            "look_start",
            "look_end",
            "flashes_fingerprint",
            "code_version",
            "run_time",
        ),
        RESULT_KEY,
    ),
    "flash_artifacts": Table(
        "one flash of a result that an artifact may have made or spoiled; other tables have it too",
        (
            *RESULT_KEY,
            *("flash_platform", "granule_start", "flash_id", "time", "lat", "lon", "sun_glint"),
            *("stray_sunlight", "wrapped_area", "detector_line", "glint_deg", "from_sun_deg"),
            *("area_km2",),
        ),
        (*RESULT_KEY, "flash_platform", "granule_start", "flash_id"),
    ),
    "flash_matches": Table(
        "one flash of a result that both satellites saw (satellite=both), with what differs",
        (
            *RESULT_KEY,
            *("flash_platform", "granule_start", "flash_id", "time", "lat", "lon"),
            *("other_platform", "other_granule_start", "other_flash_id", "distance_km"),
            *("time_residual_s", "time_end_residual_s", "lat_residual_deg", "lon_residual_deg"),
            *("energy_ratio",),
        ),
        (*RESULT_KEY, "flash_platform", "granule_start", "flash_id"),
    ),
    "sky_selection": Table(
        "one result: what both satellites saw, and how many flashes an artifact may have made",
        (
            *RESULT_KEY,
            *("satellite", "place", "artifacts", "n_flashes", "n_sun_glint", "n_stray_sunlight"),
            *("n_wrapped_area", "n_area_checked", "n_detector_line", "n_late", "n_left_out"),
            *("n_unmoved", "n_east", "n_west", "n_east_overlap", "n_west_overlap", "n_matched"),
            *("matched_share", "match_seconds", "match_km", "median_distance_km"),
            *("p95_distance_km", "median_time_residual_s", "median_energy_ratio"),
            *("flashes_fingerprint", "code_version", "run_time"),
        ),
        RESULT_KEY,
    ),
    "result_fingerprints": Table(
        "one result of a kind: by what a later run sees that it need not be made again",
        (*RESULT_KEY, "kind", "made_of", "rows_fingerprint"),
        (*RESULT_KEY, "kind"),
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
