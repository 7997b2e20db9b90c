"""Which number of clusters to take, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lightning_kedro.analysis.elbow import find_elbow


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A number of clusters and how it came about.

    Attributes:
        k: The chosen number of clusters.
        criterion: ``silhouette``, ``elbow`` or ``fixed``: what decided in the end; ``none`` where
            there were too few flashes for any.
        k_silhouette: The k with the highest silhouette score, or None where none was evaluated.
        k_elbow: The elbow of the inertia, or None where it has none.
        at_range_end: Whether the chosen k is the smallest or largest that was evaluated, so that
            a better one may lie beyond. False for a fixed k.
        reason: The choice in a sentence.
    """

    k: int
    criterion: str
    k_silhouette: int | None
    k_elbow: int | None
    at_range_end: bool
    reason: str


def recommend_k(
    scores: Mapping[int, float], inertia: Mapping[int, float], criterion: str, fixed: int | None
) -> Recommendation:
    """Recommend a number of clusters.

    Args:
        scores: Silhouette score by k.
        inertia: Inertia by k, from k = 1.
        criterion: ``silhouette`` or ``elbow``.
        fixed: The k that was asked for, or None for the recommended one.

    Returns:
        The recommendation. An elbow outside the evaluated range counts as its nearer end; without
        an elbow the silhouette decides.
    """
    ks = sorted(scores)
    k_silhouette = max(ks, key=lambda k: (scores[k], -k))
    k_elbow = find_elbow(sorted(inertia), [inertia[k] for k in sorted(inertia)])
    score = scores[k_silhouette]
    found = {
        "silhouette": f"the silhouette is highest, {score:.4f}, at k = {k_silhouette}",
        "elbow": "the inertia has no elbow"
        if k_elbow is None
        else f"the inertia has its elbow at k = {k_elbow}",
    }
    if fixed is not None:
        reason = f"k = {fixed} was asked for; {found['silhouette']}, and {found['elbow']}"
        return Recommendation(
            fixed, "fixed", k_silhouette, k_elbow, at_range_end=False, reason=reason
        )
    if criterion == "elbow" and k_elbow is not None:
        k, other = int(np.clip(k_elbow, ks[0], ks[-1])), "silhouette"
    else:
        k, other = k_silhouette, "elbow"
    decided = "elbow" if other == "silhouette" else "silhouette"
    at_end = k in (ks[0], ks[-1])
    reason = f"{found[decided]}; {found[other]}"
    if at_end:
        reason += f"; k = {k} is an end of the range {ks[0]} to {ks[-1]}"
    return Recommendation(k, decided, k_silhouette, k_elbow, at_range_end=at_end, reason=reason)
