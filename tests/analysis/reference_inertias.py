"""What scikit-learn's K-means finds in ten starts, kept: it takes minutes to find it again.

Data that are not those of the file are clustered anew, and all are with
``LIGHTNING_KEDRO_EXHAUSTIVE=1``. Tests of K-means with ``LIGHTNING_KEDRO_KEEP=1`` keep what they
find.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Final

import numpy as np
from sklearn.cluster import KMeans
from tests.repetitions import IS_EXHAUSTIVE
from threadpoolctl import threadpool_limits

KEPT: Final = Path(__file__).with_suffix(".json")


def find_inertias(points: np.ndarray, weights: np.ndarray | None, n_clusters: int) -> list[float]:
    """The inertia of the best of ten starts of scikit-learn, for k from 2 to ``n_clusters``.

    Args:
        points: Shape (m, d), km.
        weights: Shape (m,), or None if all are 1.
        n_clusters: The largest k.
    """
    digest = _digest(points, weights, n_clusters)
    kept: dict[str, list[float]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if digest in kept and not IS_EXHAUSTIVE:
        return kept[digest]
    with threadpool_limits(limits=1):
        fits = [
            KMeans(k, n_init=10, random_state=0).fit(points, sample_weight=weights)
            for k in range(2, n_clusters + 1)
        ]
    found = [float(fit.inertia_) for fit in fits]
    if os.environ.get("LIGHTNING_KEDRO_KEEP") == "1":
        KEPT.write_text(json.dumps(dict(sorted({**kept, digest: found}.items())), indent=0) + "\n")
    return found


def _digest(points: np.ndarray, weights: np.ndarray | None, n_clusters: int) -> str:
    """What tells data from others; the last bits of places, which differ by machine, do not."""
    rounded = (np.round(points, 4) + 0.0).tobytes()  # no negative zeros
    masses = b"" if weights is None else np.round(weights, 4).tobytes()
    shape = repr((points.shape, n_clusters)).encode()
    return hashlib.sha256(shape + rounded + masses).hexdigest()[:20]
