"""The registry of columns: type, unit and meaning of each, in one place.

A quantity has the same name in the same unit everywhere; all times are UTC without a time zone.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its DuckDB type, and its meaning with unit and range."""

    type: str
    meaning: str


COLUMNS: Final = {
    "platform": Column(
        "VARCHAR", "satellite; several, joined by +: a slot changed hands, or both are merged"
    ),
    "granule_start": Column("TIMESTAMP", "start of the granule, UTC; with platform its key"),
    "granule_end": Column("TIMESTAMP", "end of the granule, UTC, exclusive"),
    "created": Column(
        "TIMESTAMP", "when the granule's file was made, UTC; the newest readable one stands"
    ),
    "orbital_slot": Column("VARCHAR", "GOES-East, GOES-West or GOES-Test, as the granule says"),
    "file_name": Column("VARCHAR", "name of the granule's file"),
    "file_bytes": Column("BIGINT", "size of the granule's file in bytes"),
    "flash_count": Column("INTEGER", "number of flashes"),
    "group_count": Column("INTEGER", "number of groups; null where groups were not read"),
    "event_count": Column("INTEGER", "number of events; null where events were not read"),
    "declared_flash_count": Column("INTEGER", "number of flashes the granule says it has"),
    "status": Column("VARCHAR", "loaded, empty (no flashes) or corrupt; in CSV files also failed"),
    "flash_id": Column("INTEGER", "0 to 65535, unique within its granule only"),
    "group_id": Column("BIGINT", "0 to 4294967295, unique within its granule only"),
    "event_id": Column("BIGINT", "0 to 4294967295, unique within its granule only"),
    "parent_flash_id": Column(
        "INTEGER", "flash_id of the flash that it belongs to; null where its group is missing"
    ),
    "parent_group_id": Column("BIGINT", "group_id of the group that it belongs to"),
    "is_clamped": Column(
        "BOOLEAN",
        "whether lon is the largest that the file can hold, so that the true one is not known",
    ),
    "time": Column(
        "TIMESTAMP",
        "first event of the flash, or frame of the group or event, UTC; may precede its granule",
    ),
    "time_end": Column("TIMESTAMP", "last event of the flash, UTC"),
    "lat": Column(
        "FLOAT",
        "latitude in degrees north, -90 to 90: beneath the lightning ellipsoid, 6 to 16 km up; see "
        "preprocessing.place for the ground",
    ),
    "lon": Column(
        "FLOAT",
        "longitude in degrees east, -180 to 180: beneath the lightning ellipsoid, 6 to 16 km up; "
        "see preprocessing.place for the ground",
    ),
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
    "flash_platform": Column("VARCHAR", "satellite that saw the flash"),
    "cluster": Column("INTEGER", "0 is the cluster with the most flashes"),
    "silhouette_coefficient": Column(
        "DOUBLE", "-1 to 1: of a flash (or its cell), or the mean over a cluster or a fit"
    ),
    "silhouette_error_bound": Column(
        "DOUBLE",
        "proven largest error of the silhouette coefficient of a flash, or of any flash of a "
        "result; null where coefficients are those of cells, or there are none",
    ),
    "mean_time": Column("TIMESTAMP", "mean time of the cluster's flashes, UTC"),
    "rms_radius_km": Column("DOUBLE", "root mean square distance to the center in km"),
    "rms_distance_km": Column("DOUBLE", "root mean square distance to the nearest center in km"),
    "k": Column("INTEGER", "number of clusters"),
    "inertia": Column(
        "DOUBLE",
        "sum over flashes of the squared distance to the nearest center: km2 on the sphere",
    ),
    "calinski_harabasz": Column("DOUBLE", "Calinski-Harabasz index: more is better"),
    "davies_bouldin": Column("DOUBLE", "Davies-Bouldin index: less is better"),
    "smallest_cluster": Column("BIGINT", "flashes in the smallest cluster"),
    "largest_cluster": Column("BIGINT", "flashes in the largest cluster"),
    "dense_silhouette": Column("DOUBLE", "-1 to 1: of samples without isolated flashes"),
    "prominence": Column(
        "DOUBLE", "0 to 2: how far a peak of the silhouette stands out; null where it has none"
    ),
    "is_elbow": Column("BOOLEAN", "whether the inertia has its elbow at this k"),
    "bic_gain": Column(
        "DOUBLE", "BIC/2 per flash of samples, over that of a single cluster, in nats"
    ),
    "is_bic_best": Column("BOOLEAN", "whether the BIC is highest at this k, and falls beyond it"),
    "stability": Column("DOUBLE", "adjusted Rand index of the partitions by two samples, up to 1"),
    "scale": Column(
        "VARCHAR", "coarse, storm-like (finest supported), fine or unsupported; null: no scale"
    ),
    "is_supported": Column("BOOLEAN", "whether so many clusters are a scale of the flashes"),
    "criterion": Column("VARCHAR", "what decided: multiscale, silhouette, elbow or fixed"),
    "k_silhouette": Column("INTEGER", "k that the silhouette recommends"),
    "k_elbow": Column("INTEGER", "k that the elbow recommends; null if the curve has no elbow"),
    "at_range_end": Column("BOOLEAN", "whether the chosen k is an end of the range evaluated"),
    "reason": Column(
        "VARCHAR", "why: a granule, its groups or a newer file is corrupt, or a k chosen or a scale"
    ),
    "coordinates": Column("VARCHAR", "sphere or degrees"),
    "standardize": Column("BOOLEAN", "whether degrees were scaled to unit variance"),
    "time_scale_km_per_hour": Column("DOUBLE", "km that an hour counts as; null without time"),
    "requested_k": Column("INTEGER", "clustering.k as asked for; null for auto"),
    "requested_criterion": Column("VARCHAR", "clustering.criterion as asked for"),
    "k_min": Column("INTEGER", "clustering.k_min as asked for"),
    "k_max": Column("INTEGER", "clustering.k_max as asked for; few flashes allow fewer"),
    "max_cells": Column("BIGINT", "most points fitted: more flashes are merged into cells"),
    "max_certified": Column(
        "BIGINT", "up to so many merged flashes have their own silhouettes, with a proven bound"
    ),
    "random_state": Column("BIGINT", "seed of the fits"),
    "method": Column(
        "VARCHAR", "exact, or cells where flashes were merged; of storms: tracked or dbscan"
    ),
    "n_flashes": Column("BIGINT", "number of flashes in the window"),
    "n_cells": Column("BIGINT", "number of points fitted"),
    "cell_size_km": Column("DOUBLE", "side of a cell in km; null if nothing was merged"),
    "inertia_error": Column("DOUBLE", "measured relative error of the inertia due to merging"),
    "silhouette_error": Column("DOUBLE", "measured error of the silhouette due to merging"),
    "relabelled_share": Column("DOUBLE", "share of flashes whose cell is nearer another center"),
    "satellite": Column(
        "VARCHAR", "the parameter satellite as it was asked for: a platform or a slot"
    ),
    "west": Column("DOUBLE", "western side of the region in degrees east; null without a region"),
    "south": Column("DOUBLE", "southern side of the region in degrees north"),
    "east": Column("DOUBLE", "eastern side of the region in degrees east; less than west at 180"),
    "north": Column("DOUBLE", "northern side of the region in degrees north"),
    "flashes_fingerprint": Column("VARCHAR", "digest of the flashes that the result is of"),
    "code_version": Column("VARCHAR", "version of lightning_kedro that made the result"),
    "run_time": Column("TIMESTAMP", "when the run that made the result began, UTC"),
    "kind": Column("VARCHAR", "the pipeline that makes the result: clustering, storms or sky"),
    "made_of": Column(
        "VARCHAR", "digest of the flashes, the options and the code that the result was made of"
    ),
    "rows_fingerprint": Column("VARCHAR", "digest of all rows of the result as committed"),
    "region": Column(
        "VARCHAR", "all, or west,south,east,north in degrees; unknown in results of version 0.1"
    ),
    "min_quality": Column("VARCHAR", "all, or good: only flashes with quality flag 0"),
    "label": Column(
        "VARCHAR",
        "clustering.label: what variants of a result are told apart by; followed by @ and what "
        "preprocessing.place (ground, 10km) and preprocessing.artifacts (no-sun) have changed",
    ),
    "storm_id": Column(
        "VARCHAR",
        "the storm in every result: satellite, time and digest of its first flash; null: none",
    ),
    "storm": Column("INTEGER", "0 is the storm with the most flashes in the window"),
    "born": Column("TIMESTAMP", "first flash of the storm, UTC; may precede the window"),
    "first_time": Column("TIMESTAMP", "its first flash in the window, UTC"),
    "last_time": Column("TIMESTAMP", "its last flash in the window, UTC"),
    "continues": Column("BOOLEAN", "whether it has flashes after the window, as far as loaded"),
    "duration_minutes": Column("DOUBLE", "from its first to its last flash in the window, minutes"),
    "peak_rate_per_minute": Column("INTEGER", "most flashes in a minute of the clock"),
    "footprint_km2": Column("DOUBLE", "area of the 8 km pixels that have flashes, km2"),
    "mean_flash_area_km2": Column("DOUBLE", "mean area of flashes, km2; null where missing"),
    "speed_m_s": Column("DOUBLE", "speed of the centroid, m/s; null if seen for under 10 minutes"),
    "direction_deg": Column("DOUBLE", "where it moves to, degrees clockwise from north, 0 to 360"),
    "track_r_squared": Column(
        "DOUBLE", "0 to 1: share of the scatter of its flashes that steady motion accounts for"
    ),
    "split_from": Column("VARCHAR", "storm_id of the storm that it parted from; null if none"),
    "merged_into": Column(
        "VARCHAR", "storm_id of the storm that it had met when it ended; null if none"
    ),
    "minute": Column("TIMESTAMP", "start of the minute, UTC; minutes without flashes have no row"),
    "rate_per_minute": Column("DOUBLE", "flashes per minute: mean of this minute and the last"),
    "algorithm": Column("VARCHAR", "2-sigma (Schultz 2009) or FRarea (Erdmann & Poelman 2023)"),
    "jump_time": Column("TIMESTAMP", "start of the two minutes whose rate jumped, UTC"),
    "jump_rate_per_minute": Column("DOUBLE", "flashes per minute: mean of the two minutes"),
    "dfrdt": Column(
        "DOUBLE", "change of the rate, per minute2; FRarea: also per 1,000 km2 of footprint"
    ),
    "sigma": Column("DOUBLE", "standard deviation of the five changes before, unit of dfrdt"),
    "threshold": Column("DOUBLE", "what dfrdt exceeded, in its unit"),
    "n_storms": Column("BIGINT", "number of storms in the window"),
    "n_windows": Column("INTEGER", "number of windows that a storm was seen in"),
    "n_noise": Column("BIGINT", "flashes of the window that are in no storm"),
    "n_surrounding": Column("BIGINT", "flashes before and after the window that were looked at"),
    "look_start": Column("TIMESTAMP", "from when on flashes were looked at, UTC"),
    "look_end": Column("TIMESTAMP", "until when flashes were looked at, UTC"),
    "eps_km": Column("DOUBLE", "storms.eps_km"),
    "eps_minutes": Column("DOUBLE", "storms.eps_minutes"),
    "min_flashes": Column("INTEGER", "storms.min_flashes"),
    "look_back_hours": Column("DOUBLE", "storms.look_back_hours"),
    "link_km": Column("DOUBLE", "storms.link_km"),
    "step_minutes": Column("DOUBLE", "storms.step_minutes"),
    "memory_minutes": Column("DOUBLE", "storms.memory_minutes"),
    "settle_minutes": Column("DOUBLE", "storms.settle_minutes"),
    "settle_flashes": Column("INTEGER", "storms.settle_flashes"),
    "settle_share": Column("DOUBLE", "storms.settle_share"),
    "split_km": Column("DOUBLE", "storms.split_km"),
    "split_flashes": Column("INTEGER", "storms.split_flashes"),
    "place": Column("VARCHAR", "preprocessing.place: ellipsoid, ground, or km above the ground"),
    "artifacts": Column("VARCHAR", "preprocessing.artifacts: keep or leave_out"),
    "sun_glint": Column("BOOLEAN", "whether it may be the Sun's glint: glint_deg up to 10"),
    "stray_sunlight": Column(
        "BOOLEAN", "whether it may be sunlight past the Earth's rim, about the satellite's midnight"
    ),
    "wrapped_area": Column(
        "BOOLEAN", "whether its area is more than the 10,000 km2 that files hold, and so not known"
    ),
    "detector_line": Column(
        "BOOLEAN", "whether it is on a row or column of the detector that stands out in the window"
    ),
    "glint_deg": Column(
        "DOUBLE", "angle between the line of sight and the mirror image of the Sun; 180 at night"
    ),
    "from_sun_deg": Column("DOUBLE", "angle between flash and Sun, as the satellite sees them"),
    "other_platform": Column("VARCHAR", "satellite of the same flash that does not count"),
    "other_granule_start": Column("TIMESTAMP", "start of that flash's granule, UTC"),
    "other_flash_id": Column("INTEGER", "flash_id of that flash"),
    "distance_km": Column("DOUBLE", "distance between the two centroids in km"),
    "time_residual_s": Column("DOUBLE", "first event: GOES-West's less GOES-East's, seconds"),
    "time_end_residual_s": Column("DOUBLE", "last event: GOES-West's less GOES-East's, seconds"),
    "lat_residual_deg": Column("DOUBLE", "GOES-West's latitude less GOES-East's, degrees"),
    "lon_residual_deg": Column("DOUBLE", "GOES-West's longitude less GOES-East's, degrees"),
    "energy_ratio": Column("DOUBLE", "GOES-West's energy by GOES-East's; null if one is missing"),
    "n_sun_glint": Column("BIGINT", "flashes that may be the Sun's glint"),
    "n_stray_sunlight": Column("BIGINT", "flashes that may be stray sunlight"),
    "n_wrapped_area": Column("BIGINT", "flashes whose area has wrapped, as far as that shows"),
    "n_area_checked": Column(
        "BIGINT", "flashes whose area was held against their groups' (ingestion.levels)"
    ),
    "n_detector_line": Column("BIGINT", "flashes on lines of the detector that stand out"),
    "n_late": Column("BIGINT", "flashes of before 2018-10-15, whose times are some 130 ms late"),
    "n_left_out": Column("BIGINT", "flashes left out as the Sun may have made them"),
    "n_unmoved": Column("BIGINT", "flashes at the rim with no place on the ground, not moved"),
    "n_east": Column("BIGINT", "flashes of GOES-East in the window; null of one satellite"),
    "n_west": Column("BIGINT", "flashes of GOES-West in the window; null of one satellite"),
    "n_east_overlap": Column("BIGINT", "those of GOES-East in GOES-West's field of view"),
    "n_west_overlap": Column("BIGINT", "those of GOES-West in GOES-East's field of view"),
    "n_matched": Column("BIGINT", "flashes that both satellites saw, which count once"),
    "matched_share": Column(
        "DOUBLE", "0 to 1: share of the flashes in both fields of view that both satellites saw"
    ),
    "match_seconds": Column("DOUBLE", "most that the times of one flash may be apart, seconds"),
    "match_km": Column("DOUBLE", "most that the places of one flash may be apart, km"),
    "median_distance_km": Column("DOUBLE", "median of distance_km of the matches, km"),
    "p95_distance_km": Column("DOUBLE", "95th percentile of distance_km of the matches, km"),
    "median_time_residual_s": Column("DOUBLE", "median of time_residual_s of the matches, seconds"),
    "median_energy_ratio": Column("DOUBLE", "median of energy_ratio of the matches"),
    "window_start": Column("TIMESTAMP", "start of the window, UTC, inclusive"),
    "window_end": Column("TIMESTAMP", "end of the window, UTC, exclusive"),
}

SIMULATED: Final = Column("BOOLEAN", "whether the granules were simulated")
"""A column that every table of a database has besides its own: simulated data say so."""


_UNITS: Final = {
    "lat": "degrees_north",
    "lon": "degrees_east",
    "_j": "J",
    "_km": "km",
    "_km2": "km2",
    "_m_s": "m s-1",
    "_deg": "degrees",
    "_bytes": "bytes",
    "_s": "s",
    "_seconds": "s",
    "_minutes": "min",
    "_hours": "h",
    "_per_minute": "min-1",
    "_km_per_hour": "km h-1",
}
"""Units by what a column's name ends in: the last word of a quantity's name is its unit."""


def find_unit(name: str) -> str:
    """The unit of a column; "" for numbers without one, names and times."""
    fitting = [end for end in _UNITS if name == end or (end[0] == "_" and name.endswith(end))]
    return _UNITS[max(fitting, key=len)] if fitting else ""
