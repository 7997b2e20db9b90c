"""What is known of how flashes were seen, in sentences, for the log and the report."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lightning_kedro.selection import ON_ELLIPSOID, ON_GROUND

ARTIFACT_WORDS: Final = {
    "n_sun_glint": "may be the Sun's glint on water",
    "n_stray_sunlight": "may be sunlight that comes past the Earth's rim",
    "n_wrapped_area": "have an area that has wrapped at 10,000 km² and is not known",
    "n_detector_line": "lie on rows or columns of the detector that stand out",
    "n_late": "are of before 15 October 2018, when times were some 130 ms late",
}
"""What each count of ``sky_selection`` means."""


def describe_counts(row: Mapping[str, Any]) -> Iterator[str]:
    """What a row of ``sky_selection`` says, a sentence for each count that is not zero."""
    n = row["n_flashes"]
    if row["n_matched"] is not None:
        yield describe_both(row)
    for name, text in ARTIFACT_WORDS.items():
        if row[name]:
            yield f"{row[name]:,} of {n:,} flashes {text}."
    if row["n_left_out"]:
        yield (
            f"{row['n_left_out']:,} flashes that the Sun may have made are left out "
            f"(preprocessing.artifacts: leave_out); they stay in the table flashes."
        )


def describe_both(row: Mapping[str, Any]) -> str:
    """What both satellites saw, in a sentence."""
    share = row["matched_share"]
    told = "" if share is None else f", {100.0 * share:.1f} % of those that both could see"
    apart = row["median_distance_km"]
    residual = "" if apart is None else f"; half of the pairs are within {apart:.1f} km"
    return (
        f"GOES-East saw {row['n_east']:,} flashes and GOES-West {row['n_west']:,}: "
        f"{row['n_matched']:,} are the same and count once{told}{residual}."
    )


def describe_place(place: str) -> str:
    """Where flashes are put, in a sentence or two.

    Args:
        place: ``preprocessing.place``.
    """
    if place == ON_GROUND:
        return (
            "Flashes are put where their lines of sight meet the ground (preprocessing.place), as "
            "images show them that know nothing of the height of clouds."
        )
    if place != ON_ELLIPSOID:
        return f"Flashes are put beneath cloud tops at {place} km (preprocessing.place)."
    return (
        "Flashes are where GLM's files put them: beneath their light if cloud tops are at the "
        "lightning ellipsoid, 6 km high at the poles and 14 km at the equator (16 km before 15 "
        "October 2018). A flash whose cloud is a kilometer lower is farther from the point below "
        "the satellite, by 1 km where the satellite stands 45° high, and by 2.7 km where it "
        "stands 20° high."
    )
