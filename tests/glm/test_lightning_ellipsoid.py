"""The lightning ellipsoid by date."""

from datetime import UTC, datetime

import pytest

from lightning_kedro.glm.lightning_ellipsoid import AT_LAUNCH, GRS80, LOWERED, lightning_ellipsoid


@pytest.mark.parametrize(
    ("start", "equator_km"),
    [
        (datetime(2018, 7, 2, 4, 33, tzinfo=UTC), 16.0),
        (datetime(2018, 10, 14, 23, 59, 40, tzinfo=UTC), 16.0),
        (datetime(2018, 10, 15, tzinfo=UTC), 14.0),
        (datetime(2025, 4, 7, tzinfo=UTC), 14.0),
    ],
)
def test_height_above_ground_is_that_of_the_date(start: datetime, equator_km: float) -> None:
    ellipsoid = lightning_ellipsoid(start)
    height = ellipsoid.equatorial_km - GRS80.equatorial_km
    assert height == pytest.approx(equator_km, abs=0.004), "the first one is 16.003 km"
    assert ellipsoid.polar_km - GRS80.polar_km == pytest.approx(6.0, abs=0.004)
    assert ellipsoid in {AT_LAUNCH, LOWERED}
