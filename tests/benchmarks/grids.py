"""How fast lightning is gridded: ``python tests/benchmarks/grids.py [FOLDER OF GRANULES]``.

On one core: events per second put on the grid; the same with reading; the same with the file. Of
the real granules beside the project, or of those in a folder; else of simulated ones.

Beside it stands what glmtools' author measured for one minute of about 100,000 events on the full
disk at 2 km, files included: 72 s (github.com/deeplycloudy/glmtools, pull request 35, 2019-06-14:
from 104 s, with the change that it makes). That was another machine, and a version of 2019: later
ones may be faster, but no figure of theirs was found. glmtools cannot be installed from a package
registry, nor what it needs (lmatools, stormdrain), so that both were not run side by side.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is imported

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from lightning_kedro.analysis.grids.building import GridBuilder, Lightning, Steps
from lightning_kedro.analysis.grids.products import PRODUCTS
from lightning_kedro.analysis.grids.target import TargetGrid, make_fixed_grid, make_lat_lon_grid
from lightning_kedro.analysis.grids.window import FinishedStep, GriddedWindow
from lightning_kedro.file_formats import ZARR
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import GranuleName, parse_granule_name
from lightning_kedro.glm.levels import read_events, read_groups
from lightning_kedro.glm.lightning_ellipsoid import lightning_ellipsoid
from lightning_kedro.store.grid_files import write_grids

SHARED = Path(__file__).parents[3] / "shared" / "granules"
REPEATS = 5
GLMTOOLS_SECONDS, GLMTOOLS_EVENTS = 72.0, 100_000
START = datetime(2018, 7, 2, 4, 33, tzinfo=UTC)
MINUTE = Steps(START, START + timedelta(minutes=1), 1.0)

Granule = tuple[GranuleName, Path | bytes]


def find_granules(folder: Path) -> list[Granule]:
    """The minute of the truth test, or all that there is of one satellite; else a simulated one."""
    named = [(parse_granule_name(path.name), path) for path in sorted(folder.glob("*.nc"))]
    found: list[Granule] = [(name, path) for name, path in named if name is not None]
    found = [item for item in found if item[0].start.year == START.year] or found
    found = [item for item in found if item[0].platform == found[0][0].platform]
    if found:
        return [item for item in found if item[0].start < found[0][0].start + timedelta(minutes=1)]
    from lightning_kedro.simulation.hour import simulate_hour

    return list(simulate_hour("G16", datetime(2024, 7, 14, 22, tzinfo=UTC), numbers=range(3)))


def read(granule: Granule) -> Lightning:
    name, content = granule
    flashes = read_flashes(content, name)
    return Lightning(
        flashes=flashes,
        groups=read_groups(content, name),
        events=read_events(content, name),
        steps=np.zeros(len(flashes), np.int64),
        satellite_lon=field_of_view(name.platform, name.start).center_lon,
        ellipsoid=lightning_ellipsoid(name.start),
    )


def grid(target: TargetGrid, lightning: list[Lightning]) -> FinishedStep:
    builder = GridBuilder(target, MINUTE)
    for granule in lightning:
        builder.add(granule)
    return FinishedStep(0, builder.pop(0), len(lightning))


def take_time(work: Callable[[], object]) -> float:
    """Median of CPU seconds, after one for nothing."""
    work()
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def main() -> None:
    granules = find_granules(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED)
    lightning = [read(granule) for granule in granules]
    events = sum(len(granule.events) for granule in lightning)
    center = lightning[0].satellite_lon
    print(f"{len(granules)} granules, {events:,} events, one core, {REPEATS} runs each (median)")
    targets: dict[str, TargetGrid] = {
        sector: make_fixed_grid(sector, center) for sector in ("conus", "full_disk")
    }
    targets["latlon 0.1"] = make_lat_lon_grid(center - 75, -60, center + 75, 60, 0.1)
    for name, target in targets.items():

        def make(target: TargetGrid = target) -> Iterator[FinishedStep]:
            yield grid(target, [read(granule) for granule in granules])

        with tempfile.TemporaryDirectory() as folder:
            window = GriddedWindow("minute", target, MINUTE, tuple(PRODUCTS), {}, make)
            alone = take_time(lambda target=target: grid(target, lightning))  # type: ignore[misc]
            with_reading = take_time(lambda make=make: list(make()))  # type: ignore[misc]
            with_file = take_time(lambda window=window: write_grids(Path(folder), window))  # type: ignore[misc]
            store = replace(window, formats=(ZARR,))
            with_store = take_time(lambda store=store: write_grids(Path(folder), store))  # type: ignore[misc]
        print(
            f"{name:10s} gridding {events / alone:11,.0f} events/s | with reading "
            f"{events / with_reading:9,.0f} events/s | with the file {with_file:6.3f} s "
            f"| with a Zarr store instead {with_store:6.3f} s"
        )
        if name == "full_disk":
            ratio = (GLMTOOLS_SECONDS / GLMTOOLS_EVENTS) / (with_file / events)
            print(f"{'':10s} {ratio:,.0f} x glmtools' published rate, granules to file")


if __name__ == "__main__":
    main()
