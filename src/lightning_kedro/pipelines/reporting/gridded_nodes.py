"""The nodes of reporting that draw flash extent density, if there are grids of the window."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lightning_kedro.pipelines.reporting import density_panels, fed_animation, fed_map
from lightning_kedro.pipelines.reporting.figures import render_png
from lightning_kedro.pipelines.reporting.gridded import GriddedLightning, Opener, read_gridded
from lightning_kedro.pipelines.reporting.reported import Drawing, ReportedResult
from lightning_kedro.unchanged import StoredThings, confirm, hand_on


@hand_on()
def select_grids(
    reported: ReportedResult, grids: Mapping[str, Opener], stored: StoredThings | None = None
) -> GriddedLightning:
    """Read the flash extent density of the result's window, if the pipeline ``grids`` made it.

    Then all is read that a report is drawn from, and it is known whether it has changed meanwhile.
    """
    gridded = read_gridded(grids, reported.window)
    measured = confirm(stored, reported.window.selection, reported.measured)
    return replace(gridded, measured=measured)


@hand_on()
def map_fed(reported: ReportedResult, gridded: GriddedLightning) -> Drawing:
    """Draw the highest flash extent density of the window."""
    words = fed_map.describe_fed("Flash extent density", reported.clustered, gridded)
    figure = fed_map.draw_fed_map(reported.clustered, gridded, words)
    return Drawing(name_source(reported, gridded), render_png(figure, words))


@hand_on()
def map_fed_parts(reported: ReportedResult, gridded: GriddedLightning) -> Drawing:
    """Draw the highest flash extent density of each part of the window, side by side."""
    what = "Flash extent density part by part"
    words = fed_map.describe_fed(what, reported.clustered, gridded)
    figure = fed_map.draw_fed_panels(reported.clustered, gridded, words)
    return Drawing(name_source(reported, gridded), render_png(figure, words))


@hand_on()
def animate_fed(reported: ReportedResult, gridded: GriddedLightning) -> Drawing:
    """Draw flash extent density frame by frame, as a GIF."""
    words = fed_animation.describe_fed_animation(reported.clustered, gridded)
    content = fed_animation.animate_fed(reported.clustered, gridded, words)
    return Drawing(name_source(reported, gridded), content)


@hand_on()
def map_density_parts(reported: ReportedResult) -> Drawing:
    """Draw flashes per 1,000 km2 and hour of each part of the window, side by side."""
    words = density_panels.describe_panels(reported.clustered)
    figure = density_panels.draw_density_panels(reported.clustered, reported.rate, words)
    return Drawing(reported.source, render_png(figure, words))


def name_source(reported: ReportedResult, gridded: GriddedLightning) -> str:
    """What names all that is drawn of a result and its grids."""
    return f"{reported.source} on {gridded.identity or 'no grids'}"


def rename_sources(
    reported: ReportedResult, gridded: GriddedLightning, drawn: Iterable[Drawing]
) -> list[Drawing]:
    """Drawings of these very grids as drawings of the result; others keep their names."""
    mine = name_source(reported, gridded)
    return [Drawing(reported.source, one.content) if one.source == mine else one for one in drawn]
