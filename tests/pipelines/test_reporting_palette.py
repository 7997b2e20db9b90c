"""Colors: eight told apart by every eye, the others by most, and no two clusters the same."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from PIL.ImageColor import getrgb

from lightning_kedro.pipelines.reporting.palette import DARK, LIGHT, Theme, assign_colors, mix

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


def see(color: str, eye: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A color in OKLab, as an eye sees it."""
    values = np.array(getrgb(color)) / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(eye) @ linear, 0.0, 1.0)
    return np.asarray(TO_LAB @ np.cbrt(TO_CONES @ seen))


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_any_two_of_the_first_eight_clusters_are_told_apart(theme: Theme, eye: str) -> None:
    seen = [see(color, EYES[eye]) for color in theme.clusters[:8]]
    nearest = min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))
    assert nearest > 0.1


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_cluster_colors_stand_out_from_the_map(theme: Theme) -> None:
    normal = EYES["normal"]
    for color in theme.clusters:
        for ground in (theme.land, theme.sea):
            assert np.linalg.norm(see(color, normal) - see(ground, normal)) > 0.2


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("count", "least"), [(24, 0.095), (64, 0.06), (128, 0.04)])
def test_any_two_clusters_differ_however_many_there_are(
    theme: Theme, count: int, least: float
) -> None:
    seen = np.array([see(color, EYES["normal"]) for color in theme.clusters[:count]])
    assert len(seen) == count
    distances = np.linalg.norm(seen[:, None] - seen, axis=2)[np.triu_indices(count, 1)]
    assert distances.min() > least


def test_clusters_after_the_first_eight_look_the_same_in_every_theme() -> None:
    assert LIGHT.clusters[8:] == DARK.clusters[8:]


def test_clusters_take_their_colors_in_order_and_begin_again_after_the_last() -> None:
    assert assign_colors(0).tolist() == []
    assert assign_colors(128).tolist() == [*range(128)]
    assert assign_colors(130)[-2:].tolist() == [0, 1]


def test_mixing_goes_from_ground_to_color() -> None:
    assert mix("#FFFFFF", "#000000", 0.0) == (0, 0, 0)
    assert mix("#FFFFFF", "#000000", 1.0) == (255, 255, 255)
    assert mix("#FF0000", "#0000FF", 0.5) == (128, 0, 128)
