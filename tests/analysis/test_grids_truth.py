"""The grids against glmtools' own published one-minute grid of the same three granules.

GOES-16, 2018-07-02 04:33 UTC, from glmtools' test data (Bruning et al. 2019, doi
10.1029/2019JD030874). glmtools counts flashes, groups and events in the minute of their granule,
but centroids in the minute of the flash's own first event: here as there.

Where the two differ, and why:

* That file is packed: extents in steps of 1/16, areas of 1 km2, energies of 1.526e-6 nJ. What is
  below half a step is 0 there: that is why half of the cells with a little energy are empty.
* Corner points: glmtools interpolates a table of its own, here they come from the zones of the
  detector. They differ by 2 microradians or less (4 % of a cell), so that a cell at the edge of a
  pixel is shared out a little otherwise. Averages of flashes with very different areas show it.
* In 27 cells areas stand there without an extent, which was below half of its step.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import pytest
from tests.conftest import PROJECT, name_of, needs_real_granules, real_granule_paths

from lightning_kedro.analysis.grids import building
from lightning_kedro.analysis.grids.building import GridBuilder, Lightning, Steps
from lightning_kedro.analysis.grids.products import PRODUCTS
from lightning_kedro.analysis.grids.sums import CellSums
from lightning_kedro.analysis.grids.target import make_fixed_grid
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.levels import read_events, read_groups
from lightning_kedro.glm.lightning_ellipsoid import lightning_ellipsoid
from lightning_kedro.glm.pixels import pixel_heights, pixel_widths

Grid = npt.NDArray[np.float64]

REFERENCE = PROJECT.parent / "shared" / "reference" / "glmtools_conus_20180702_0433.nc"
STEPS = Steps(datetime(2018, 7, 2, 4, 33, tzinfo=UTC), datetime(2018, 7, 2, 4, 34, tzinfo=UTC), 1.0)
CONUS = make_fixed_grid("conus", -75.0)
AREA_STEP, ENERGY_STEP = 1.0, 1.52597e-6
GRANULES_AREA_STEP = 0.1517

pytestmark = [
    needs_real_granules,
    pytest.mark.skipif(not REFERENCE.exists(), reason=f"needs {REFERENCE.name} in ../shared"),
]


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Grid]:
    """glmtools' fields; 0 where nothing was seen."""
    with netCDF4.Dataset(REFERENCE) as file:
        np.testing.assert_allclose(file["x"][:], CONUS.center_x, atol=1e-12)
        np.testing.assert_allclose(file["y"][:], CONUS.center_y, atol=1e-12)
        file.set_auto_maskandscale(False)
        fields = [file[name] for name in PRODUCTS if name in file.variables]
        return {
            field.name: field[:].view(np.uint16).ravel() * float(field.scale_factor)
            for field in fields
        }


@pytest.fixture(scope="module")
def granules() -> list[Lightning]:
    """The three granules, every flash in the minute of its granule."""
    paths = [path for path in real_granule_paths() if "_G16_s20181830433" in path.name]
    assert len(paths) == 3
    return [read(path) for path in paths]


def read(path: Any) -> Lightning:
    name = name_of(path)
    flashes = read_flashes(path, name)
    return Lightning(
        flashes=flashes,
        groups=read_groups(path, name),
        events=read_events(path, name),
        steps=np.zeros(len(flashes), np.int64),
        satellite_lon=-75.0,
        ellipsoid=lightning_ellipsoid(name.start),
    )


def add_up(
    granules: list[Lightning], *, by_flash: bool = False, join_pixels: bool = False
) -> CellSums:
    builder = GridBuilder(CONUS, STEPS, join_pixels)
    for lightning in granules:
        if by_flash:
            steps = STEPS.number(lightning.flashes.time)
            fields = {name: getattr(lightning, name) for name in lightning.__slots__}
            lightning = Lightning(**{**fields, "steps": steps})  # noqa: PLW2901
        builder.add(lightning)
    assert builder.unplaced == 0
    return builder.pop(0)


def make_grids(granules: list[Lightning]) -> dict[str, Grid]:
    sums = add_up(granules)
    grids = {name: np.zeros(CONUS.rows * CONUS.columns) for name in PRODUCTS}
    for name, product in PRODUCTS.items():
        grids[name][sums.cell] = product.compute(sums)
    return grids


@pytest.fixture(scope="module")
def ours(granules: list[Lightning]) -> dict[str, Grid]:
    return make_grids(granules)


def test_flash_extent_density_is_glmtools(
    ours: dict[str, Grid], reference: Mapping[str, Grid]
) -> None:
    mine, theirs = ours["flash_extent_density"], reference["flash_extent_density"]
    seen = (mine > 0) | (theirs > 0)
    assert np.corrcoef(mine[seen], theirs[seen])[0, 1] >= 0.99998
    assert mine.sum() == pytest.approx(theirs.sum(), rel=2e-4)
    assert mine.max() == pytest.approx(21.0, abs=1e-9)
    assert theirs.max() == 21.0


def test_group_extent_density_is_glmtools(
    ours: dict[str, Grid], reference: Mapping[str, Grid]
) -> None:
    mine, theirs = ours["group_extent_density"], reference["group_extent_density"]
    seen = (mine > 0) | (theirs > 0)
    assert np.corrcoef(mine[seen], theirs[seen])[0, 1] >= 0.99999
    assert mine.sum() == pytest.approx(theirs.sum(), rel=5e-4)
    assert mine.max() == pytest.approx(theirs.max(), abs=1e-9)


def test_flash_centroids_are_in_the_same_cells(
    granules: list[Lightning], reference: Mapping[str, Grid]
) -> None:
    theirs = reference["flash_centroid_density"]
    sums = add_up(granules, by_flash=True)
    mine = pick(sums, "flash_centroid_density", np.flatnonzero(theirs))
    assert mine.sum() == sums.take("flash_centroids").sum() == 342, "and none elsewhere"
    np.testing.assert_array_equal(mine, theirs[theirs > 0])


def test_joined_pixels_show_what_glmtools_counts_twice(
    granules: list[Lightning], reference: Mapping[str, Grid]
) -> None:
    """Documented: 2.2 % of all counts, and 19 flashes at most where glmtools has 21."""
    joined = add_up(granules, join_pixels=True).take("flash_extent")
    theirs = reference["flash_extent_density"]
    assert joined.sum() / theirs.sum() == pytest.approx(0.9786, abs=1e-4)
    assert joined.max() == pytest.approx(19.0, abs=1e-9)


@pytest.fixture(scope="module")
def seen_cells(ours: dict[str, Grid], reference: Mapping[str, Grid]) -> npt.NDArray[np.int64]:
    """The cells in which anything was seen, here or there."""
    fields = [*ours.values(), *reference.values()]
    return np.flatnonzero(np.any([field > 0 for field in fields], axis=0))


@pytest.fixture(scope="module")
def spread(
    granules: list[Lightning], seen_cells: npt.NDArray[np.int64]
) -> dict[str, tuple[Grid, Grid]]:
    """The least and the largest value of these cells, for corners up to 2.5 microradians away."""
    runs = []
    shifts = [(0.0, 0.0), (2.5, 0.0), (-2.5, 0.0), (0.0, 2.5), (0.0, -2.5)]
    with pytest.MonkeyPatch.context() as patch:
        for scale in (0.99, 1.0, 1.01):
            for shift in shifts:
                patch.setattr(building, "pixel_corners", displace(scale, *shift))
                runs.append(add_up(granules))
    names = ("average_flash_area", "average_group_area", "total_energy")
    values = {name: [pick(run, name, seen_cells) for run in runs] for name in names}
    return {name: (np.min(mine, 0), np.max(mine, 0)) for name, mine in values.items()}


def pick(sums: CellSums, name: str, cells: npt.NDArray[np.int64]) -> Grid:
    """A product in some cells; 0 where nothing was seen."""
    at = np.minimum(np.searchsorted(sums.cell, cells), len(sums) - 1)
    return np.where(sums.cell[at] == cells, PRODUCTS[name].compute(sums)[at], 0.0)


def displace(scale: float, east: float, north: float) -> Any:
    """Corners of pixels that are a little larger, smaller, or elsewhere (microradians)."""

    def corners(x: Grid, y: Grid) -> tuple[Grid, Grid]:
        wide, high = scale * pixel_widths(x) / 2, scale * pixel_heights(y) / 2
        x, y = x + east * 1e-6, y + north * 1e-6
        return (
            np.stack([x - wide, x - wide, x + wide, x + wide], 1),
            np.stack([y + high, y - high, y - high, y + high], 1),
        )

    return corners


def test_energy_differs_by_rounding_and_by_corners_only(
    ours: dict[str, Grid],
    reference: Mapping[str, Grid],
    spread: dict[str, tuple[Grid, Grid]],
    seen_cells: npt.NDArray[np.int64],
) -> None:
    mine, theirs = (fields["total_energy"][seen_cells] for fields in (ours, reference))
    packed = np.round(mine / ENERGY_STEP)
    steps_apart = np.abs(packed - np.round(theirs / ENERGY_STEP))[packed + theirs > 0]
    assert steps_apart.max() <= 1, "rounded as theirs, no cell is more than one step away"
    assert np.mean(steps_apart == 0) > 0.98
    assert packed.sum() * ENERGY_STEP == pytest.approx(theirs.sum(), rel=2e-4)
    low, high = spread["total_energy"]
    half = ENERGY_STEP * 0.5001
    assert ((theirs >= low - half) & (theirs <= high + half)).all(), "cell by cell"


def test_areas_differ_by_rounding_and_by_corners_only(
    ours: dict[str, Grid],
    reference: Mapping[str, Grid],
    spread: dict[str, tuple[Grid, Grid]],
    seen_cells: npt.NDArray[np.int64],
) -> None:
    for name in ("average_flash_area", "average_group_area"):
        mine, theirs = (fields[name][seen_cells] for fields in (ours, reference))
        both = (mine > 0) & (theirs > 0)
        assert np.count_nonzero((mine > 0) != (theirs > 0)) < 50, "slivers at edges of pixels"
        low, high = spread[name]
        half = 0.5 * AREA_STEP + GRANULES_AREA_STEP
        unexplained = both & ((theirs < low - half) | (theirs > high + half))
        assert not unexplained.any(), (name, theirs[unexplained], mine[unexplained])
        assert np.mean((np.abs(mine - theirs) <= half)[both]) > 0.85, "rounding alone"


def test_least_area_is_at_most_the_mean(ours: dict[str, Grid]) -> None:
    least, mean = ours["minimum_flash_area"], ours["average_flash_area"]
    np.testing.assert_array_equal(least > 0, mean > 0)
    assert (least <= mean * (1 + 1e-12)).all()
