"""Flash extent density of a window's grids, as the pictures take it: lit cells, frame by frame.

The grids are those that the pipeline ``grids`` has made of the very selection; there may be none.
"""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.target import FixedGrid, LatLonGrid
from lightning_kedro.exceptions import StorageError
from lightning_kedro.pipelines.reporting.frames import choose_frames
from lightning_kedro.pipelines.reporting.window import Times, Window
from lightning_kedro.selection import DEFAULT_LABEL

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)

Opener = Callable[..., Any]
"""Opens a file with xarray; takes the options of ``xarray.open_dataset``."""

Lit = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Cells in which something was seen, rising, and their values."""


FED: Final = "flash_extent_density"
MINUTES: Final = 5.0
"""What flash extent density is accumulated over, as forecasters see it."""

_ROWS: Final = 1000  # of a grid, read at a time
_KINDS: Final = ("full-disk", "latlon", "conus")
_MINUTE: Final = np.timedelta64(1, "m")


@dataclass(frozen=True, slots=True, eq=False)
class GriddedLightning:
    """The flash extent density of a window: of each frame and cell the highest of five minutes.

    Attributes:
        name: The grids' file without its ending; "" if there are none.
        grid: The grid; None if there are none.
        edges: Edges of the frames, shape (f + 1,), datetime64[us], UTC.
        minutes: What a value is accumulated over, minutes; flashes are given per 5 minutes.
        frame: Frame of each value, shape (n,), from 0, rising.
        cell: Its cell, shape (n,), rising within a frame.
        value: Flashes per 5 minutes, shape (n,), more than 0.
        n_granules: Granules that the grids are made of.
        n_expected: How many there should be.
        identity: What names these very values.
        measured: Digest of all that the report is drawn from, if it had not changed when they had
            been read; else "".
    """

    name: str
    grid: FixedGrid | LatLonGrid | None
    edges: Times
    minutes: float
    frame: npt.NDArray[np.int32]
    cell: npt.NDArray[np.int64]
    value: npt.NDArray[np.float32]
    n_granules: int = 0
    n_expected: int = 0
    identity: str = ""
    measured: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same: nothing in it changes."""
        return self

    def __bool__(self) -> bool:
        """Whether there are grids."""
        return self.grid is not None

    def within(
        self, first: int, last: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Cells and their highest values of some frames, ``last`` not among them."""
        mine = slice(*np.searchsorted(self.frame, [first, last]))
        return _take_highest(self.cell[mine], self.value[mine])


def read_gridded(grids: Mapping[str, Opener], window: Window) -> GriddedLightning:
    """Read the flash extent density of a window.

    Args:
        grids: How to open the grids of each window, by name.
        window: The window.

    Returns:
        What its grids hold; without grids, or if they cannot be read, nothing.
    """
    edges = choose_frames(window.start, window.end)
    for name in _choose(grids, window):
        try:
            with grids[name](mask_and_scale=False) as opened:
                if FED in opened and opened.sizes["time"]:
                    made = _read(opened, name, _coarsen(edges, opened))
                    slots = len(window.selection.sides)  # each has granules of its own
                    return replace(made, n_expected=made.n_expected * slots)
        except (OSError, ValueError, KeyError, StorageError) as error:
            logger.warning("The grids %s cannot be read and are left out: %s", name, error)
    return _make_empty(edges)


def _coarsen(edges: Times, opened: "xr.Dataset") -> Times:
    """Edges of frames that are no finer than the steps of a file."""
    bounds = opened["time_bounds"].values.astype("datetime64[us]")
    if np.diff(edges).max() >= (bounds[0, 1] - bounds[0, 0]):
        return edges
    return np.concatenate([edges[:1], bounds[:-1, 1], edges[-1:]])


def _make_empty(edges: Times) -> GriddedLightning:
    """What there is without grids."""
    none = np.zeros(0)
    return GriddedLightning(
        "", None, edges, MINUTES, none.astype(np.int32), none.astype(np.int64), none.astype("f4")
    )


def _choose(grids: Mapping[str, Opener], window: Window) -> list[str]:
    """The grids of a selection, those that show most first: the label does not matter to them."""
    own = window.selection
    names = dict.fromkeys([own.name, replace(own, label=DEFAULT_LABEL).name])
    found = []
    for number, selected in enumerate(names):
        for name in grids:
            kind, _, rest = name.removeprefix(f"{selected}_").partition("_")
            fitting = [at for at, one in enumerate(_KINDS) if kind.startswith(one)]
            if name.startswith(f"{selected}_") and fitting:
                is_window = rest.startswith("window")  # one step: nothing to see of its course
                found.append((number, is_window, fitting[0], name))
    return [name for *_, name in sorted(found)]


def _read(opened: "xr.Dataset", name: str, edges: Times) -> GriddedLightning:
    """The values of a file, frame by frame."""
    bounds = opened["time_bounds"].values.astype("datetime64[us]")
    step = float((bounds[0, 1] - bounds[0, 0]) / _MINUTE)
    count = max(round(MINUTES / step), 1)
    # A frame has the steps that end in it.
    of_step = np.clip(np.searchsorted(edges, bounds[:, 1], side="left") - 1, 0, edges.size - 2)
    first = np.searchsorted(of_step, np.arange(edges.size))
    frames = [*_read_frames(opened, first, count)]
    sizes = [cell.size for cell, _ in frames]
    frame = np.repeat(np.arange(len(frames), dtype=np.int32), sizes)
    cell: npt.NDArray[np.int64] = np.concatenate([cell for cell, _ in frames])
    value: npt.NDArray[np.float32] = np.concatenate([value for _, value in frames])
    value *= np.float32(MINUTES / step / count)
    digest = hashlib.blake2b(digest_size=6)
    for array in (frame, cell, value):
        digest.update(np.ascontiguousarray(array).data)
    return GriddedLightning(
        name=name,
        grid=_read_grid(opened),
        edges=edges,
        minutes=count * step,
        frame=frame,
        cell=cell,
        value=value,
        n_granules=int(opened["granule_count"].sum()),
        n_expected=round(float((bounds[-1, 1] - bounds[0, 0]) / _MINUTE) * 3.0),
        identity=f"{name}-{digest.hexdigest()}",
    )


def _read_frames(opened: "xr.Dataset", first: npt.NDArray[np.int64], count: int) -> Iterator[Lit]:
    """Of each frame the cells and their highest sums of ``count`` steps one after the other.

    Args:
        opened: The file.
        first: The first step of each frame, and one past the last, shape (f + 1,).
        count: How many steps are added up; the first ones have fewer before them.
    """
    before: deque[Lit] = deque(maxlen=count)
    for start, end in pairwise(first):
        highest: Lit = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        for step in range(start, end):
            before.append(_read_step(opened, step))
            highest = _take_highest(*_join([highest, _add_up(*_join(before))]))
        yield highest


def _join(parts: Iterable[Lit]) -> Lit:
    """Some cells and values one after the other."""
    cells, values = zip(*parts, strict=True)
    return np.concatenate(cells), np.concatenate(values)


def _read_step(opened: "xr.Dataset", step: int) -> Lit:
    """The cells in which something was seen in a step, rising, and their values."""
    variable = opened[FED][step]
    columns = variable.shape[1]
    cells, values = [], []
    for row in range(0, variable.shape[0], _ROWS):
        block = variable[row : row + _ROWS].values.ravel()
        lit = np.flatnonzero(block != 0)  # of truth values, which is ten times as fast
        cells.append(lit + row * columns)
        values.append(block[lit].astype(np.float32))
    return np.concatenate(cells), np.concatenate(values)


def _add_up(cell: npt.NDArray[np.int64], value: npt.NDArray[np.float32]) -> Lit:
    """Sums by cell."""
    cells, number = np.unique(cell, return_inverse=True)
    return cells, np.bincount(number, value, cells.size).astype(np.float32)


def _take_highest(cell: npt.NDArray[np.int64], value: npt.NDArray[np.float32]) -> Lit:
    """The highest value of each cell."""
    order = np.argsort(cell, kind="stable")
    cell, value = cell[order], value[order]
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    if not first.size:
        return cell, value
    return cell[first], np.maximum.reduceat(value, first)


def _read_grid(opened: "xr.Dataset") -> FixedGrid | LatLonGrid:
    """The grid that a file is on."""
    if "goes_imager_projection" in opened:
        lon = float(opened["goes_imager_projection"].attrs["longitude_of_projection_origin"])
        x, y = (opened[name].values for name in ("x", "y"))
        sector = str(opened.attrs.get("scene_id", "")).lower().replace(" ", "_")
        return FixedGrid(sector, lon, float(x[0]), float(y[0]), x.size, y.size)
    west, east = opened["lon_bounds"].values[0]
    south = float(opened["lat_bounds"].values[0, 0])
    sizes = opened.sizes
    return LatLonGrid(float(west), south, float(east - west), sizes["lon"], sizes["lat"])
