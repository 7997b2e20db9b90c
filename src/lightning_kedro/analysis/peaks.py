"""Peaks of a curve of scores, how far they stand out, and the plateaus that they are."""

from collections.abc import Mapping
from typing import Final, NamedTuple

LEAST_PROMINENCE: Final = 0.02
"""Of a peak of the silhouette: peaks that differ by less are one. Few flashes need more."""

SAME_STABILITY: Final = 0.02
"""Stabilities that differ by less are equal; with the seed of the samples they vary by 0.03."""


class Plateau(NamedTuple):
    """A peak with the k around it that score nearly as well, and the most stable of them.

    Attributes:
        peak: The k with the highest score.
        prominence: How far it stands out, in the unit of the scores.
        chosen: The k that stands for all.
        members: All of them, rising.
    """

    peak: int
    prominence: float
    chosen: int
    members: tuple[int, ...]


def find_prominences(scores: Mapping[int, float]) -> dict[int, float]:
    """Peaks of a curve, with their prominence.

    Args:
        scores: Score by k, one k after another.

    Returns:
        Prominence of each peak by k, in the unit of the scores: its height above the higher of the
        lowest points on the way to higher ground on either side, or to the end of the curve. The
        first k is a peak where the curve falls from it, and has one side only. The last k never
        is one: how the curve goes on is unknown. Of equal neighbours the first is the peak.
    """
    ks = sorted(scores)
    heights = [scores[k] for k in ks]
    found = {}
    for number in range(len(ks) - 1):
        height = heights[number]
        if number and heights[number - 1] >= height:
            continue
        beyond = next((other for other in heights[number:] if other != height), height)
        if beyond >= height:
            continue
        right = _find_lowest(height, heights[number + 1 :])
        left = _find_lowest(height, heights[:number][::-1]) if number else right
        found[ks[number]] = height - max(left, right)
    return found


def _find_lowest(height: float, side: list[float]) -> float:
    """The lowest point of a curve on the way from a peak to something higher, or to its end."""
    lowest = height
    for other in side:
        if other > height:
            break
        lowest = min(lowest, other)
    return lowest


def find_plateau(
    curve: Mapping[int, float], peak: int, prominence: float, stability: Mapping[int, float]
) -> Plateau:
    """The k around a peak that score nearly as well, and which of them stands for all.

    Differences less than ``LEAST_PROMINENCE`` do not tell one k from another: the most stable is
    taken, and of equally stable ones that with the highest score. The first k of the curve stands
    for itself: it is a scale of its own, or none.

    Args:
        curve: Score by k, one k after another.
        peak: A peak of it.
        prominence: Its prominence.
        stability: Stability by k; 0 where it is missing.
    """
    if peak == min(curve):
        return Plateau(peak, prominence, peak, (peak,))
    lowest = curve[peak] - LEAST_PROMINENCE
    members = [peak]
    for step in (-1, 1):
        k = peak + step
        while min(curve) < k < max(curve) and curve[k] >= lowest:
            members.append(k)
            k += step
    best = max(stability.get(k, 0.0) for k in members)
    stable = [k for k in members if stability.get(k, 0.0) >= best - SAME_STABILITY]
    chosen = max(stable, key=lambda k: (curve[k], -k))
    return Plateau(peak, prominence, chosen, tuple(sorted(members)))
