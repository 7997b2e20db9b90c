"""What the report says of how flashes were seen: artifacts, both satellites, and their places."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.pipelines.reporting.flash_rate import find_gaps
from lightning_kedro.pipelines.reporting.window import Window
from lightning_kedro.sky_words import ARTIFACT_WORDS, describe_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from lightning_kedro.pipelines.reporting.reported import ReportedResult

_MINUTE: Final = np.timedelta64(60_000_000, "us")
_NOT_LOOKED_AT: Final = (
    "Artifacts have not been looked for: run `kedro run --pipelines sky,reporting` with the same "
    "parameters."
)
_OTHER_FLASHES: Final = (
    "Artifacts were looked for in other flashes of this window than the clusters: run `kedro run "
    "--pipelines sky,clustering,reporting` with the same parameters."
)
_NO_ARTIFACTS: Final = (
    "No flash is flagged: no glint of the Sun, no stray sunlight, no wrapped area, no line of the "
    "detector."
)


def note_sky(reported: "ReportedResult") -> Iterator[str]:
    """Artifacts, what both satellites saw, and when only one of them did, a sentence each."""
    yield from _note_sides(reported.granules, reported.window)
    yield from _note_counts(reported.sky, reported.row)


def _note_counts(sky: "Mapping[str, Any] | None", row: "Mapping[str, Any]") -> Iterator[str]:
    """What the pipeline sky has found, if it was of the same flashes."""
    if sky is None:
        yield _NOT_LOOKED_AT
        return
    if sky["flashes_fingerprint"] != row["flashes_fingerprint"]:
        yield _OTHER_FLASHES
        return
    yield from describe_counts(sky)
    if sky["n_flashes"] and not any(sky[name] for name in ARTIFACT_WORDS):
        yield _NO_ARTIFACTS


def _note_sides(granules: "pd.DataFrame", window: Window) -> Iterator[str]:
    """How long only one of two satellites saw anything."""
    selection = window.selection
    for side in selection.sides if selection.is_merged else ():
        mine = Window(replace(selection, segments=side), window.slots)
        gaps = find_gaps(granules, mine)
        minutes = float((gaps[:, 1] - gaps[:, 0]).sum() / _MINUTE)
        if minutes > 0.0:
            yield (
                f"{mine.satellites} lacks {minutes:,.1f} minutes of the window: there only what "
                f"the other satellite saw is counted."
            )
