"""From the lightning ellipsoid to the ground: where a flash's line of sight comes down.

The files place a flash where its line of sight meets the lightning ellipsoid, a surface at about
the height of cloud tops. If the cloud is so high, the place beneath it on the ground has the files'
latitude and longitude, to within 60 m. Images that are drawn without regard to the height of clouds
(the imager's fixed grid, on the ground's ellipsoid) have the same cloud farther from the satellite:
where the line of sight, followed through the cloud, meets the ground. Where the top of the cloud is
known to be lower than the lightning ellipsoid, its place is between the two.
"""

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.fixed_grid import locate, project
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.glm.lightning_ellipsoid import Ellipsoid, raise_ground


def follow_to_ground(
    lat: npt.ArrayLike,
    lon: npt.ArrayLike,
    satellite_lon: float,
    ellipsoid: Ellipsoid,
    height_km: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Follow lines of sight to a height above the ground.

    Args:
        lat: Latitudes as in GLM's files, shape (n,), degrees north.
        lon: Longitudes, shape (n,), degrees east.
        satellite_lon: Longitude of the satellite above the equator, degrees east.
        ellipsoid: The lightning ellipsoid of their granules.
        height_km: The height above GRS 80, km.

    Returns:
        Latitudes and longitudes (-180 to 180) of the ground beneath, shape (n,) each; at the rim of
        the disc, where a line of sight passes by the Earth, NaN.
    """
    x, y = project(lat, lon, satellite_lon, ellipsoid)
    ground_lat, ground_lon = locate(x, y, satellite_lon, raise_ground(height_km))
    return ground_lat, np.asarray(np.mod(ground_lon + 180.0, 360.0) - 180.0)
