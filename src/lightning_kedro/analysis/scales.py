"""The scales of a set of flashes: the numbers of clusters that several criteria support.

Flashes cluster on more than one scale: storms, systems of storms, continents. Each is a peak of the
silhouette curve, so that the highest one is only the scale that is set apart most, as a rule the
coarsest. Here every peak is looked at, with what samples of the flashes say of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from lightning_kedro.analysis.peaks import (
    LEAST_PROMINENCE,
    Plateau,
    find_plateau,
    find_prominences,
)
from lightning_kedro.analysis.resampling import Resampled

LEAST_SILHOUETTE: Final = 0.5
"""From here on Kaufman & Rousseeuw 1990 (doi:10.1002/9780470316801, chapter 2) call a structure
reasonable; K-means cuts even noise in the plane to a silhouette of 0.35 to 0.45."""

LEAST_END_SILHOUETTE: Final = 0.65
"""For two clusters, which have no fewer to stand out from: even noise on a line is cut to 0.63,
and two halves of a rectangle of noise have a better BIC than the whole."""

LEAST_STABILITY: Final = 0.9
"""Adjusted Rand index of two samples: near 1 where clusters are apart, 0.4 to 0.8 on noise."""

VERY_STRONG: Final = 10.0
"""Difference of BIC in nats (Kass & Raftery 1995, doi:10.1080/01621459.1995.10476572)."""

_SPREAD_OF_COEFFICIENTS: Final = 0.25  # standard deviation of single flashes' silhouettes
_TWO: Final = 2

COARSE: Final = "coarse"
STORM_LIKE: Final = "storm-like"
FINE: Final = "fine"
UNSUPPORTED: Final = "unsupported"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A number of clusters and what every criterion says of it; None where one says nothing.

    Attributes:
        k: Number of clusters.
        silhouette: Score over all flashes, -1 to 1.
        dense_silhouette: Score over samples without isolated flashes, -1 to 1.
        prominence: How far a peak of either curve stands out here, 0 to 2 (``find_prominences``);
            the larger one of the two. None where neither has a peak.
        is_elbow: Whether the inertia has its elbow here.
        calinski_harabasz: Variance ratio of all flashes, higher is better.
        bic_gain: BIC/2 per flash of samples, over that of a single cluster, nats.
        is_bic_best: Whether the BIC is highest here and clearly falls within the range.
        stability: Adjusted Rand index of partitions by two samples.
        scale: ``storm-like`` for the finest supported scale, ``coarse`` for prominent peaks with
            fewer clusters, ``fine`` for those with more; ``unsupported`` for prominent peaks where
            no scale is supported. None for what is no prominent peak.
        is_supported: Whether it is a scale of the flashes.
        why: Why, or why not, in a phrase.
    """

    k: int
    silhouette: float
    dense_silhouette: float | None = None
    prominence: float | None = None
    is_elbow: bool = False
    calinski_harabasz: float | None = None
    bic_gain: float | None = None
    is_bic_best: bool = False
    stability: float | None = None
    scale: str | None = None
    is_supported: bool = False
    why: str = ""


def find_best_bic(resampled: Resampled) -> int | None:
    """Find the k at which the BIC is highest, if it clearly falls again within the range.

    Returns:
        The k, from 1; None where the BIC goes on rising, so that there are more clusters than were
        tried, or none of a round shape.
    """
    gains = resampled.bic_gain
    if not gains:
        return None
    best, last = max(gains, key=lambda k: (gains[k], -k)), max(gains)
    drop = 2.0 * resampled.n_flashes * (gains[best] - gains[last])
    return best if drop > VERY_STRONG else None


def measure_variance_ratios(inertia: Mapping[int, float], n_flashes: int) -> dict[int, float]:
    """Calinski-Harabasz index (1974, doi:10.1080/03610927408827101) by k, from 2.

    With the inertia W_k of k clusters and n flashes: ((W_1 - W_k) / (k - 1)) / (W_k / (n - k)).
    """
    return {
        k: (inertia[1] - within) * (n_flashes - k) / (within * (k - 1.0))
        for k, within in inertia.items()
        if 1 < k < n_flashes and within > 0.0
    }


def list_candidates(
    scores: Mapping[int, float],
    inertia: Mapping[int, float],
    k_elbow: int | None,
    resampled: Resampled,
    n_flashes: int,
) -> list[Candidate]:
    """Say of each k that was evaluated what every criterion does, and whether it is a scale.

    Args:
        scores: Silhouette score of all flashes by k.
        inertia: Inertia of all flashes by k, from 1.
        k_elbow: The elbow of the inertia.
        resampled: What samples say.
        n_flashes: Number of flashes.

    Returns:
        The candidates in order of k.
    """
    dense = {k: score for k, score in resampled.silhouette.items() if k in scores}
    k_bic = find_best_bic(resampled)
    prominences = [find_prominences(scores), find_prominences(dense)]
    ratios = measure_variance_ratios(inertia, n_flashes)
    candidates = [
        Candidate(
            k=k,
            silhouette=scores[k],
            dense_silhouette=dense.get(k),
            prominence=max((mine[k] for mine in prominences if k in mine), default=None),
            is_elbow=k == k_elbow,
            calinski_harabasz=ratios.get(k),
            bic_gain=resampled.bic_gain.get(k),
            is_bic_best=k == k_bic,
            stability=resampled.stability.get(k),
        )
        for k in sorted(scores)
    ]
    least = LEAST_PROMINENCE + _TWO * _SPREAD_OF_COEFFICIENTS / max(n_flashes, 1) ** 0.5
    plateaus = [
        find_plateau(curve, peak, prominence, resampled.stability)
        for curve, peaks in zip((scores, dense), prominences, strict=True)
        for peak, prominence in peaks.items()
        if prominence >= least
    ]
    k_below = k_bic if k_bic is not None and k_bic < min(scores) else None
    judged = [_judge(candidate, plateaus, k_below, least) for candidate in candidates]
    return _name_scales(judged)


def _judge(
    candidate: Candidate, plateaus: list[Plateau], k_below: int | None, least: float
) -> Candidate:
    """Say whether a candidate is a scale, and why.

    Args:
        candidate: What the criteria say of it.
        plateaus: Prominent peaks of the silhouette curves.
        k_below: Where the BIC is highest, if that is below the range; else None.
        least: The prominence that a peak needs.
    """
    k = candidate.k
    mine = max((p for p in plateaus if p.chosen == k), key=lambda p: p.prominence, default=None)
    if mine is None and not candidate.is_bic_best:
        return replace(candidate, why=_explain_no_peak(candidate, plateaus, least))
    doubt = _find_doubt(candidate, k_below)
    reasons = ["the BIC is highest"] if candidate.is_bic_best else []
    if mine is not None:
        reasons.append(_describe_plateau(mine))
    if candidate.stability is not None and not doubt:
        reasons.append(f"samples agree (adjusted Rand index {candidate.stability:.2f})")
    return replace(
        candidate,
        scale=UNSUPPORTED,
        is_supported=not doubt,
        why=f"{' and '.join(reasons)}, but {doubt}" if doubt else ", ".join(reasons),
    )


def _describe_plateau(plateau: Plateau) -> str:
    """Say where the silhouette peaks."""
    peaks = f"the silhouette peaks (prominence {plateau.prominence:.3f})"
    if plateau.peak == plateau.chosen:
        return peaks
    first, last = plateau.members[0], plateau.members[-1]
    return f"{peaks} from k = {first} to {last}, most stable here"


def _explain_no_peak(candidate: Candidate, plateaus: list[Plateau], least: float) -> str:
    """Say why a k is no scale."""
    around = next((p for p in plateaus if candidate.k in p.members), None)
    if around is not None:
        return f"part of the plateau for which k = {around.chosen} stands"
    if candidate.prominence is not None:
        return f"a peak of too little prominence: {candidate.prominence:.3f} < {least:.3f}"
    return "no peak of the silhouette"


def _find_doubt(candidate: Candidate, k_below: int | None) -> str:
    """What speaks against a peak being a scale; empty if nothing does."""
    dense, score = candidate.dense_silhouette, candidate.silhouette
    least = LEAST_SILHOUETTE
    if candidate.k == _TWO:
        least, score = LEAST_END_SILHOUETTE, min(score, score if dense is None else dense)
    elif dense is not None:
        score = dense
    if candidate.stability is None:
        return "there are too few flashes for samples"
    if k_below is not None:
        fewer = "a single cluster" if k_below == 1 else f"k = {k_below}, below the range,"
        return f"{fewer} describes the flashes better (BIC)"
    if score < least:
        return f"clusters are not apart (silhouette {score:.2f} < {least})"
    if candidate.stability < LEAST_STABILITY:
        return (
            f"samples disagree (adjusted Rand index {candidate.stability:.2f} < {LEAST_STABILITY})"
        )
    return ""


def _name_scales(candidates: list[Candidate]) -> list[Candidate]:
    """Name the scales by the finest supported one; the BIC, where it is supported, ends them."""
    limit = next((c.k for c in candidates if c.is_bic_best and c.is_supported), None)
    if limit is not None:
        beyond = f"more clusters than the {limit} of the highest BIC"
        candidates = [
            replace(c, is_supported=False, why=f"{c.why}, but {beyond}")
            if c.is_supported and c.k > limit
            else c
            for c in candidates
        ]
    best = choose_scale(candidates)
    if best is None:
        return candidates
    named = []
    for candidate in candidates:
        scale = candidate.scale
        if candidate.k == best.k:
            only_two = candidate.k == _TWO and not candidate.is_bic_best
            scale = COARSE if only_two else STORM_LIKE
        elif scale is not None:
            scale = COARSE if candidate.k < best.k else FINE
        named.append(replace(candidate, scale=scale))
    return named


def choose_scale(candidates: list[Candidate]) -> Candidate | None:
    """The finest supported scale; None where there is none."""
    return max((c for c in candidates if c.is_supported), key=lambda c: c.k, default=None)
