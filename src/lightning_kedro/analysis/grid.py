"""Grids of cells for flashes: equal-area on the sphere, square in plain longitude and latitude.

On the sphere the grid is HEALPix (Gorski et al. 2005, ApJ 622, 759, doi:10.1086/427976): twelve
faces of equal area, each cut into ``divisions`` x ``divisions`` cells of equal area. It has no
seam at 180 degrees and no slivers at the poles. Any whole number of divisions will do here, as
cells are counted along the two sides of a face and never along rings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, KM_PER_DEGREE, FloatArray

MAX_DIVISIONS: Final = 2**16
"""Finest grid on the sphere: cells of 0.1 km, far below what the instrument resolves (8 km)."""

MAX_DIVISIONS_DEGREES: Final = 2**18 * 3 // 2
"""Finest grid in degrees: the same 0.1 km at the equator, along 360 degrees."""

_FACES: Final = 12
_BINS: Final = 32  # positions along a side are kept as 32-bit fractions of it
_TIME_BINS: Final = 24  # bits of a key that hold the time bin
_EQUATORIAL: Final = 2.0 / 3.0  # |sin(lat)| up to which HEALPix is a cylindrical projection

IntArray = npt.NDArray[np.int64]


def max_divisions(coordinates: str) -> int:
    """Divisions of the finest grid on the ``sphere`` or in ``degrees``."""
    return MAX_DIVISIONS if coordinates == "sphere" else MAX_DIVISIONS_DEGREES


@dataclass(frozen=True, slots=True)
class Positions:
    """Where points lie on the faces of a grid, before it is known how fine the grid is.

    Attributes:
        face: Face, shape (n,), uint8 in 0..11 (0 only in degrees).
        x: Fraction along one side of the face in units of 2**-32, shape (n,), uint32.
        y: The same along the other side.
        time_km: Time as a distance, shape (n,), km, at least 0; None without a time scale.
    """

    face: npt.NDArray[np.uint8]
    x: npt.NDArray[np.uint32]
    y: npt.NDArray[np.uint32]
    time_km: FloatArray | None = None

    @classmethod
    def join(cls, parts: Sequence["Positions"]) -> Self:
        """Positions of several parts as one."""
        times = [part.time_km for part in parts if part.time_km is not None]
        return cls(
            np.concatenate([part.face for part in parts]),
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.y for part in parts]),
            np.concatenate(times) if times else None,
        )

    def __len__(self) -> int:
        """Number of points."""
        return self.face.size

    def __getitem__(self, part: slice) -> "Positions":
        """Some of the points."""
        time_km = None if self.time_km is None else self.time_km[part]
        return Positions(self.face[part], self.x[part], self.y[part], time_km)


@dataclass(frozen=True, slots=True)
class CellGrid:
    """A grid of cells.

    Attributes:
        coordinates: ``sphere`` (HEALPix) or ``degrees`` (squares of longitude and latitude).
        divisions: Cells along the side of a face; in degrees, along 360 degrees.
    """

    coordinates: str
    divisions: int

    @property
    def n_cells(self) -> int:
        """Number of cells on the whole Earth, empty ones too."""
        return (_FACES if self.coordinates == "sphere" else 1) * self.divisions**2

    @property
    def cell_size_km(self) -> float:
        """Square root of a cell's area, km; in degrees, of a cell at the equator."""
        if self.coordinates == "sphere":
            return float(EARTH_RADIUS_KM * np.sqrt(4.0 * np.pi / self.n_cells))
        return float(360.0 * KM_PER_DEGREE / self.divisions)

    def find_keys(self, positions: Positions) -> IntArray:
        """Number the cells in which points lie.

        Args:
            positions: The points on the faces.

        Returns:
            Shape (n,), int64: the same key for the points of one cell. With a time scale, cells
            are as long in time as they are wide in space.
        """
        divisions = np.uint64(self.divisions)
        shift = np.uint64(_BINS)
        keys = positions.face.astype(np.uint64)
        for fraction in (positions.x, positions.y):
            keys *= divisions
            keys += (fraction.astype(np.uint64) * divisions) >> shift
        if positions.time_km is not None:
            bins = np.floor(positions.time_km / self.cell_size_km).astype(np.uint64)
            keys = (keys << np.uint64(_TIME_BINS)) | bins
        return keys.astype(np.int64)


def find_positions(
    coordinates: str, lat: npt.ArrayLike, lon: npt.ArrayLike, time_km: FloatArray | None = None
) -> Positions:
    """Find where points lie on the faces of a grid.

    Args:
        coordinates: ``sphere`` or ``degrees``.
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees in [-180, 180].
        time_km: Time as a distance, shape (n,), km, at least 0; None without a time scale.

    Returns:
        The positions, good for grids of any fineness.
    """
    lat = np.asarray(lat, dtype=np.float64)
    lon = np.asarray(lon, dtype=np.float64)
    if coordinates == "sphere":
        face, x, y = _project_healpix(lat, lon)
    else:
        face = np.zeros(lat.shape, dtype=np.uint8)
        x, y = (lon + 180.0) / 360.0, (lat + 90.0) / 360.0
    return Positions(face, _to_bins(x), _to_bins(y), time_km)


def _to_bins(fraction: FloatArray) -> npt.NDArray[np.uint32]:
    """Fractions in [0, 1], rounding aside, in units of 2**-32."""
    bins = np.floor(fraction * 2.0**_BINS)
    return np.clip(bins, 0.0, 2.0**_BINS - 1.0).astype(np.uint32)


def _project_healpix(
    lat: FloatArray, lon: FloatArray
) -> tuple[npt.NDArray[np.uint8], FloatArray, FloatArray]:
    """HEALPix face in 0..11 and fractions along its two sides (Gorski et al. 2005, section 5)."""
    z = np.sin(np.radians(lat))
    quarters = np.mod(lon / 90.0, 4.0)
    ascending, descending = 0.5 + quarters - 0.75 * z, 0.5 + quarters + 0.75 * z
    up, down = np.floor(ascending), np.floor(descending)
    face = np.where(up == down, np.mod(up, 4.0) + 4.0, np.where(up < down, up, down + 8.0))
    x, y = descending - down, 1.0 - (ascending - up)
    cap = np.flatnonzero(np.abs(z) > _EQUATORIAL)
    quarter = np.minimum(np.floor(quarters[cap]), 3.0)
    along = quarters[cap] - quarter
    # 1 - |sin(lat)| without its loss of digits near the pole.
    colatitude = np.radians(90.0 - np.abs(lat[cap]))
    reach = np.sqrt(6.0) * np.sin(colatitude / 2.0)
    north = z[cap] > 0.0
    up, down = along * reach, (1.0 - along) * reach
    face[cap] = np.where(north, quarter, quarter + 8.0)
    x[cap] = np.where(north, 1.0 - down, up)
    y[cap] = np.where(north, 1.0 - up, down)
    return face.astype(np.uint8), x, y
