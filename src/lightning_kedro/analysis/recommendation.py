"""Which number of clusters to take, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lightning_kedro.analysis.elbow import find_elbow
from lightning_kedro.analysis.resampling import NOT_RESAMPLED, Resampled
from lightning_kedro.analysis.scales import Candidate, choose_scale, list_candidates

MULTISCALE: Final = "multiscale"
"""The criterion that looks at all scales."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A number of clusters and how it came about.

    Attributes:
        k: The chosen number of clusters.
        criterion: ``multiscale``, ``silhouette``, ``elbow`` or ``fixed``: what decided in the end;
            ``none`` where there were too few flashes for any.
        k_silhouette: The k with the highest silhouette score, or None where none was evaluated.
        k_elbow: The elbow of the inertia, or None where it has none.
        at_range_end: Whether the chosen k is the smallest or largest that was evaluated, so that
            a better one may lie beyond. False for a fixed k.
        reason: The choice in a sentence.
        candidates: What every criterion says of each k that was evaluated, in order of k.
    """

    k: int
    criterion: str
    k_silhouette: int | None
    k_elbow: int | None
    at_range_end: bool
    reason: str
    candidates: tuple[Candidate, ...] = ()


def recommend_k(
    scores: Mapping[int, float],
    inertia: Mapping[int, float],
    criterion: str,
    fixed: int | None,
    resampled: Resampled = NOT_RESAMPLED,
    n_flashes: int = 0,
) -> Recommendation:
    """Recommend a number of clusters.

    Args:
        scores: Silhouette score by k.
        inertia: Inertia by k, from k = 1.
        criterion: ``multiscale``, ``silhouette`` or ``elbow``.
        fixed: The k that was asked for, or None for the recommended one.
        resampled: What samples of the flashes say; without it no scale is supported.
        n_flashes: Number of flashes.

    Returns:
        The recommendation. Multiscale takes the finest supported scale (``scales``), and the
        silhouette decides where there is none. An elbow outside the evaluated range counts as its
        nearer end; without an elbow the silhouette decides.
    """
    ks = sorted(scores)
    k_silhouette = max(ks, key=lambda k: (scores[k], -k))
    k_elbow = find_elbow(sorted(inertia), [inertia[k] for k in sorted(inertia)])
    candidates = list_candidates(scores, inertia, k_elbow, resampled, n_flashes)
    found = {
        "silhouette": f"the silhouette is highest, {scores[k_silhouette]:.4f}, "
        f"at k = {k_silhouette}",
        "elbow": "the inertia has no elbow"
        if k_elbow is None
        else f"the inertia has its elbow at k = {k_elbow}",
    }
    chosen = _choose(criterion, fixed, k_silhouette, k_elbow, candidates, found)
    k = int(np.clip(chosen.k, ks[0], ks[-1])) if fixed is None else chosen.k
    at_end = fixed is None and k in (ks[0], ks[-1])
    reason = chosen.reason
    if at_end:
        reason += f"; k = {k} is an end of the range {ks[0]} to {ks[-1]}"
    return replace(chosen, k=k, at_range_end=at_end, reason=reason, candidates=tuple(candidates))


def _choose(
    criterion: str,
    fixed: int | None,
    k_silhouette: int,
    k_elbow: int | None,
    candidates: list[Candidate],
    found: Mapping[str, str],
) -> Recommendation:
    """Choose by one criterion, in words; the range has not been looked at."""
    silhouette, elbow = found["silhouette"], found["elbow"]
    scale = choose_scale(candidates)
    if fixed is not None:
        k, decided = fixed, "fixed"
        reason = f"k = {fixed} was asked for; {silhouette}, and {elbow}"
    elif criterion == "elbow" and k_elbow is not None:
        k, decided, reason = k_elbow, "elbow", f"{elbow}; {silhouette}"
    elif criterion == MULTISCALE and scale is not None:
        k, decided = scale.k, MULTISCALE
        reason = f"{_describe_scale(scale, candidates)}; {silhouette}, and {elbow}"
    elif criterion == MULTISCALE:
        k, decided = k_silhouette, "silhouette"
        reason = f"no scale is supported{_find_reason(candidates)}; {silhouette}; {elbow}"
    else:
        k, decided, reason = k_silhouette, "silhouette", f"{silhouette}; {elbow}"
    return Recommendation(k, decided, k_silhouette, k_elbow, at_range_end=False, reason=reason)


def _describe_scale(scale: Candidate, candidates: list[Candidate]) -> str:
    """Say what supports a scale, and which coarser ones there are."""
    coarser = [str(other.k) for other in candidates if other.is_supported and other.k < scale.k]
    text = f"k = {scale.k} is the finest scale that is supported: {scale.why}"
    return f"{text}; coarse scales: k = {', '.join(coarser)}" if coarser else text


def _find_reason(candidates: list[Candidate]) -> str:
    """Why no scale is supported, by what was nearest to be one."""
    peaks = [candidate for candidate in candidates if candidate.scale is not None]
    if not peaks:
        return ", as the silhouette has no prominent peak"
    best = max(peaks, key=lambda peak: (peak.is_bic_best, peak.prominence or 0.0))
    return f" (at k = {best.k} {best.why})"
