"""Colours: told apart by every eye, and never the same for neighbours."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_kedro.analysis.sphere import to_lat_lon, to_unit_vectors
from lightning_kedro.pipelines.reporting.palette import (
    DARK,
    LIGHT,
    Theme,
    assign_colours,
    find_neighbours,
    mix,
    order_by_degeneracy,
    to_rgb,
)

# Machado, Oliveira & Fernandes 2009, severity 1.0, for linear RGB.
EYES = {
    "normal": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Ottosson 2020, "A perceptual color space for image processing".
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def see(colour: str, eye: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A colour in OKLab, as an eye sees it."""
    values = np.array(to_rgb(colour)) / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(eye) @ linear, 0.0, 1.0)
    return np.asarray(TO_LAB @ np.cbrt(TO_CONES @ seen))


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_any_two_cluster_colours_are_told_apart(theme: Theme, eye: str) -> None:
    seen = [see(colour, EYES[eye]) for colour in theme.clusters]
    nearest = min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))
    assert nearest > 0.1


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_cluster_colours_stand_out_from_the_map(theme: Theme) -> None:
    normal = EYES["normal"]
    for colour in theme.clusters:
        for ground in (theme.land, theme.sea):
            assert np.linalg.norm(see(colour, normal) - see(ground, normal)) > 0.2


centers = st.lists(st.tuples(st.floats(-60, 60), st.floats(-180, 180)), min_size=1, max_size=60)


@given(centers)
def test_neighbours_never_share_a_colour(places: list[tuple[float, float]]) -> None:
    lat, lon = np.array(places).T
    colours = assign_colours(lat, lon)
    assert len(colours) == len(places)
    assert ((colours >= 0) & (colours < 8)).all()
    if len(places) <= 8:
        assert len(set(colours.tolist())) == len(places)
        return
    for cluster, others in enumerate(find_neighbours(to_unit_vectors(lat, lon))):
        assert all(colours[cluster] != colours[other] for other in others)


def test_many_clusters_are_coloured_on_a_real_planar_graph() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    neighbours = find_neighbours(points)
    place = {node: at for at, node in enumerate(order_by_degeneracy(neighbours))}
    before = [sum(place[other] < place[one] for other in neighbours[one]) for one in range(500)]
    assert max(before) <= 5
    colours = assign_colours(*to_lat_lon(points))
    assert all(colours[one] != colours[other] for one in range(500) for other in neighbours[one])
    assert len(set(colours[:8].tolist())) == 8


def test_mixing_goes_from_ground_to_colour() -> None:
    assert mix("#FFFFFF", "#000000", 0.0) == (0, 0, 0)
    assert mix("#FFFFFF", "#000000", 1.0) == (255, 255, 255)
    assert mix("#FF0000", "#0000FF", 0.5) == (128, 0, 128)
