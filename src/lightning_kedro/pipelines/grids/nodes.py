"""The nodes of the grids pipeline: granules in, gridded lightning out."""

from collections.abc import Mapping
from typing import Any

from lightning_kedro.analysis.grids.window import GriddedWindow
from lightning_kedro.file_formats import check_format
from lightning_kedro.granules.archive import GranuleArchive, GranuleSelection
from lightning_kedro.granules.hours import archive_hours
from lightning_kedro.granules.ports import RawGranules
from lightning_kedro.granules.record import HourReport
from lightning_kedro.pipelines.grids.gridding import describe_window, find_looked_at, find_near
from lightning_kedro.pipelines.grids.options import GridOptions
from lightning_kedro.selection import Selection


def select_granules(
    glm_archive: GranuleArchive, selection: Mapping[str, Any], grids: Mapping[str, Any]
) -> tuple[GranuleSelection, HourReport]:
    """Choose the granules that may hold lightning of the window, which the catalog fetches.

    Args:
        glm_archive: The archive.
        selection: Which satellite in which part of the window.
        grids: The options, which are checked before anything is fetched for them.

    Returns:
        The granules, and the report of their hours.

    Raises:
        ParameterError: If there is no such grid, or its format cannot be written here.
    """
    selected, options = Selection.from_plain(selection), GridOptions.from_parameters(grids)
    check_format("grids.format", options.format)
    options.make_grid(selected)
    window = find_looked_at(selected).segments
    found = glm_archive.select(archive_hours(window))
    report = found.report.keep(find_near(found.granules, window))
    return GranuleSelection(report, found.source), report


def grid_lightning(
    grid_granules: RawGranules,
    grid_report: HourReport,
    selection: Mapping[str, Any],
    grids: Mapping[str, Any],
) -> GriddedWindow:
    """Put the selected lightning on a grid, step by step, while the catalog writes it."""
    return describe_window(
        grid_granules,
        grid_report,
        Selection.from_plain(selection),
        GridOptions.from_parameters(grids),
    )
