"""Flashes of two satellites as one set: those that both have seen count once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.matching import Matches, Sighting, match_flashes
from lightning_kedro.analysis.sphere import FloatArray

BoolArray = npt.NDArray[np.bool_]

_TURN: Final = 360.0


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Which flashes of two satellites count.

    Attributes:
        matches: Pairs of flashes that are the same.
        left_counts: Whether the first satellite's flash of a pair counts, shape (m,).
        left: Whether each flash of the first satellite counts, shape (n,).
        right: Whether each flash of the second satellite counts.
    """

    matches: Matches
    left_counts: BoolArray
    left: BoolArray
    right: BoolArray


def merge_sightings(
    left: Sighting, right: Sighting, left_stands: FloatArray, right_stands: FloatArray
) -> Merged:
    """Match the flashes of two satellites, and decide which of a pair counts.

    It is that of the satellite that sees the flash less aslant: on a sphere the one that stands
    less far off in longitude; if both stand equally far off, the first one's.

    Args:
        left: Flashes of the first satellite.
        right: Flashes of the second satellite.
        left_stands: Above which longitude the first satellite stands for each of its flashes,
            degrees east.
        right_stands: The same of the second.
    """
    matches = match_flashes(left, right)
    lon = left.lon[matches.left]
    aslant = [
        np.abs(np.mod(lon - stands + 180.0, _TURN) - 180.0)
        for stands in (left_stands[matches.left], right_stands[matches.right])
    ]
    left_counts = aslant[0] <= aslant[1]
    counted = np.ones(len(left), np.bool_), np.ones(len(right), np.bool_)
    counted[0][matches.left[~left_counts]] = False
    counted[1][matches.right[left_counts]] = False
    return Merged(matches, left_counts, *counted)
