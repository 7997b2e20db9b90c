"""Where the simulated storms are born, as a table.

Shaped after what is widely published of lightning in the Americas and on the oceans beside them
(continental storms in the late afternoon, oceanic ones all day and most before dawn, Maracaibo by
night), in round numbers; not fitted to data.
"""

from typing import Final, NamedTuple


class Region(NamedTuple):
    """A region where storms are born.

    Attributes:
        name: What it is called.
        lat: Its center (degrees north).
        lon: Its center (degrees east, may be below -180).
        lat_spread: Standard deviation of births in latitude (degrees).
        lon_spread: Standard deviation of births in longitude (degrees).
        storms: Mean number of storms a day over the year.
        peak_hour: Local solar hour at which most are at their peak.
        sharpness: How strongly they keep to that hour (0: not at all; 2: well-marked).
        season: Excess of mid July (positive) or mid January (negative), -1 to 1.
        flashes_per_min: Typical rate of a storm at its peak (flashes a minute).
        east_km_h: Mean eastward drift (km/h).
        north_km_h: Mean northward drift (km/h).
    """

    name: str
    lat: float
    lon: float
    lat_spread: float
    lon_spread: float
    storms: float
    peak_hour: float
    sharpness: float
    season: float
    flashes_per_min: float
    east_km_h: float
    north_km_h: float


REGIONS: Final[tuple[Region, ...]] = (
    Region("Amazon", -5.0, -60.0, 5.0, 7.0, 150, 16.5, 1.6, -0.3, 7.0, -20, 0),
    Region("Southern Brazil", -17.0, -52.0, 4.0, 5.0, 60, 16.5, 1.6, -0.8, 7.0, -5, -5),
    Region("Colombia", 6.5, -75.0, 2.5, 1.8, 55, 18.5, 1.4, 0.1, 8.0, -15, 3),
    Region("Lake Maracaibo", 9.6, -71.5, 0.5, 0.5, 8, 3.0, 2.5, 0.3, 20.0, -3, 0),
    Region("La Plata basin", -29.0, -58.0, 3.5, 4.0, 26, 21.0, 0.8, -0.6, 16.0, 40, -12),
    Region("Central America", 12.5, -85.5, 2.5, 3.0, 35, 17.5, 1.4, 0.6, 7.0, -15, 3),
    Region("Sierra Madre", 22.5, -104.5, 4.0, 2.0, 35, 17.5, 1.9, 0.9, 8.0, -12, 8),
    Region("Florida", 27.5, -81.3, 1.5, 1.0, 14, 16.0, 1.9, 0.9, 9.0, 8, 4),
    Region("Gulf of Mexico", 27.0, -90.5, 2.0, 4.5, 16, 9.0, 0.6, 0.6, 6.0, 12, 5),
    Region("Southern states", 33.0, -88.0, 2.5, 4.5, 30, 16.5, 1.4, 0.8, 8.0, 30, 10),
    Region("Great Plains", 39.5, -98.5, 4.0, 4.0, 24, 20.5, 1.0, 0.9, 18.0, 45, 8),
    Region("Rocky Mountains", 36.5, -107.5, 3.5, 2.5, 22, 15.5, 2.2, 0.95, 4.0, 15, 8),
    Region("Caribbean", 19.0, -74.0, 2.5, 5.0, 22, 16.0, 1.0, 0.6, 6.0, -18, 4),
    Region("Gulf Stream", 33.5, -72.0, 3.0, 4.5, 14, 4.0, 0.4, 0.1, 5.0, 40, 15),
    Region("Atlantic ITCZ", 6.0, -36.0, 2.5, 8.0, 16, 5.0, 0.4, 0.2, 3.0, -25, 2),
    Region("Pacific ITCZ", 8.5, -112.0, 2.0, 13.0, 34, 4.5, 0.4, 0.4, 4.0, -22, 3),
    Region("Central Pacific ITCZ", 7.5, -160.0, 2.0, 13.0, 30, 4.5, 0.4, 0.2, 3.5, -22, 2),
    Region("South Pacific zone", -12.0, -177.0, 4.5, 9.0, 46, 4.5, 0.4, -0.4, 6.0, 8, -6),
    Region("Western Pacific", 8.0, -192.0, 4.0, 6.0, 26, 4.5, 0.4, 0.2, 5.0, -15, 4),
    Region("Coral Sea islands", -13.5, -196.0, 3.5, 4.0, 20, 16.0, 1.0, -0.8, 7.0, -5, -4),
    Region("North Pacific", 33.0, -165.0, 5.0, 14.0, 8, 4.0, 0.2, -0.2, 2.0, 45, 8),
)  # fmt: skip
