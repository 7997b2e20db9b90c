"""Pictures of a climatology: what they show and what they say."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.analysis.test_climatology_building import at, build, hour, select

from lightning_kedro.analysis.climatology.fields import Climatology
from lightning_kedro.pipelines.reporting import climatology, climatology_maps, diurnal_cycle
from lightning_kedro.selection import Region

OPTIONS = {"degrees": 0.05, "thunder_km": 15.0, "thunder_flashes": 2}
PLACE = (28.02, -81.02)


@pytest.fixture(scope="module")
def made() -> Climatology:
    return build(*(hour(number, PLACE, PLACE) for number in range(20)))


def test_pictures_are_gathered_under_their_names(made: Climatology) -> None:
    plain = select().to_plain()
    pictures = [
        climatology.map_thunder_hours(made, plain, OPTIONS),
        climatology.map_flash_density(made, plain),
        climatology.plot_diurnal_cycle(made, plain),
    ]
    sizes = {Image.open(io.BytesIO(content)).size for content in pictures}
    assert sizes == {(1440, 960)}
    published = climatology.gather_climatology(made, plain, OPTIONS, *pictures)
    assert len(published) == 4
    assert all(one is published[0] for one in published)
    assert [*published[0].files] == [*climatology.PICTURES]
    assert published[0].facts["region"] == "-83,26,-80,29"


def test_words_say_how_much_was_observed(made: Climatology) -> None:
    window = climatology.read_window(select().to_plain())
    words = climatology_maps.describe_thunder(made, window, OPTIONS)
    assert words.title == "Thunder hours, GOES-19 (East)"
    assert "40 GLM flashes" in words.subtitle
    assert "20.0 of 48 h observed (41.7 %)" in words.subtitle
    assert words.note.startswith(
        "An hour of UTC counts at a grid point (0.05°) with 2 flashes within 15 km"
    )
    assert climatology_maps.name_hours(3 / 180) == "1 min"
    density = climatology_maps.describe_density(made, window)
    assert density.note.startswith("Less than a year: a rate, not what a year brings")


def test_quiet_window_says_so() -> None:
    made = build(hour(0))
    window = climatology.read_window(select().to_plain())
    for words, figure in (
        (climatology_maps.describe_density(made, window),) * 2,
        (climatology_maps.describe_thunder(made, window, OPTIONS),) * 2,
    ):
        assert words.empty == "No flashes in this window" == figure.empty
    climatology_maps.draw_flash_density(made, window)
    climatology_maps.draw_thunder_hours(made, window, OPTIONS)
    diurnal_cycle.draw_cycle(made, diurnal_cycle.describe_cycle(made, window))


def draw(made: Climatology, region: Region | None = None, platform: str = "G19") -> Any:
    selection = select(region, platform) if region or platform != "G19" else select()
    return climatology_maps.draw_flash_density(made, climatology.read_window(selection.to_plain()))


def test_map_has_the_field_where_it_is(made: Climatology) -> None:
    figure = draw(made)
    mesh = next(one for one in figure.axes[0].collections if "QuadMesh" in type(one).__name__)
    values = np.ma.masked_invalid(mesh.get_array())
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    corners = mesh.get_coordinates()
    middle = climatology_maps.choose_map(select()).middle
    west, south = corners[row, column]
    east, north = corners[row + 1, column + 1]
    assert west <= PLACE[1] - middle <= east
    assert south <= PLACE[0] <= north
    assert values.max() == pytest.approx(at(made, made.flash_density, *PLACE))


def test_cells_smaller_than_a_pixel_are_averaged() -> None:
    field = np.zeros((5, 6), np.float32)
    field[0, 0], field[4, 5], field[3, 5] = 4.0, 1.0, np.nan
    means = climatology_maps._average(field, 2)
    assert means.shape == (3, 3)
    assert means[0, 0] == 1.0
    assert means[2, 2] == 0.5, "of the cells that there are"
    assert np.isnan(climatology_maps._average(np.full((2, 2), np.nan, np.float32), 2)).all()


def test_hours_that_were_not_observed_are_hatched_not_zero(made: Climatology) -> None:
    rate = diurnal_cycle.known_rate(made.cycle, "utc")
    assert np.isnan(rate[20:]).all()
    np.testing.assert_allclose(rate[:20], 2.0)
    window = climatology.read_window(select().to_plain())
    figure = diurnal_cycle.draw_cycle(made, diurnal_cycle.describe_cycle(made, window))
    (legend,) = figure.legends
    assert legend.get_texts()[0].get_text() == "not observed: not counted as zero"
