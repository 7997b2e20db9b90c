"""A result as the pictures take it: read once, by the first node of reporting."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from lightning_kedro.exceptions import PartialRunError
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow, read_clustered
from lightning_kedro.pipelines.reporting.flash_rate import FlashRate, measure_rate
from lightning_kedro.pipelines.reporting.k_evaluation import Evaluation
from lightning_kedro.pipelines.reporting.storm_shapes import Shapes, shape_storms
from lightning_kedro.pipelines.reporting.storm_window import StormWindow, read_storms
from lightning_kedro.pipelines.reporting.window import Window, is_simulated, pick_granules
from lightning_kedro.results import Result
from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class ResultTable(Protocol):
    """A lazy handle on the results in a database: what the entry ``k_selection`` loads."""

    def read_result(self, selection: Selection) -> Result:
        """All tables of a result with ``granules`` and ``coverage`` of its window, in one read.

        Raises:
            NoResultError: If there is no result of the selection.
        """
        ...

    def find_result(
        self, selection: Selection, columns: Mapping[str, Sequence[str]] | None = None
    ) -> Result | None:
        """The tables of a result, of some only some columns; None if there is none."""
        ...

    def find_row(self, selection: Selection) -> Mapping[str, Any] | None:
        """The row of a result alone; None if there is none."""
        ...

    def read_identity(self, selection: Selection) -> str | None:
        """What names the result that is stored now of a selection; None if there is none."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ReportedResult:
    """All that pictures and report are made from: one result, and what its window is covered by.

    Attributes:
        clustered: The flashes and clusters.
        evaluation: Every k that was evaluated.
        rate: The flash rate, with the gaps in coverage.
        flags: Number of flashes by quality flag.
        granules: The rows of ``granules`` in the window.
        coverage: The rows of ``coverage`` of the window's archive hours.
        row: The row of ``k_selection``: options, choice and where the result comes from.
        storms: The storms of the same flashes, or why there are none.
        identity: What names this very result.
        selected_at: When the run that read it began, ISO 8601; "" if that does not matter.
        sky: The row of ``sky_selection``: how the same flashes were seen; None if nobody looked.
        measured: Digest of all that the report is drawn from; "" if that is not known.
    """

    clustered: ClusteredWindow
    evaluation: Evaluation
    rate: FlashRate
    flags: Mapping[int, int]
    granules: "pd.DataFrame"
    coverage: "pd.DataFrame"
    row: Mapping[str, Any]
    storms: StormWindow
    identity: str
    selected_at: str = ""
    sky: Mapping[str, Any] | None = None
    measured: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The result itself: it never changes."""
        return self

    @property
    def source(self) -> str:
        """What names all that is drawn: the result, and that of its storms if there is one."""
        storms = self.storms.identity.rpartition("@")[2]
        return f"{self.identity} with storms {storms}" if storms else self.identity

    @property
    def window(self) -> Window:
        """The result's window."""
        return self.clustered.window

    @property
    def simulated(self) -> bool:
        """Whether the granules were simulated."""
        return self.clustered.simulated


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a node has drawn, and of which result: what is published together must be of one.

    Attributes:
        source: What names the result, and that of its storms.
        content: The bytes of the file.
    """

    source: str
    content: bytes


def check_drawings(reported: ReportedResult, drawings: Iterable[Drawing]) -> None:
    """Refuse drawings of another result than the report's.

    Only runs of some of the nodes can bring them together: the result was clustered again since.

    Raises:
        PartialRunError: If one is of another result.
    """
    for drawing in drawings:
        if drawing.source != reported.source:
            message = (
                f"A picture was drawn of {drawing.source}, but the report is of "
                f"{reported.source}: run `kedro run --pipelines reporting` from its first node."
            )
            raise PartialRunError(message)


def check_stands(reported: ReportedResult, stored: str | None, storms: str) -> None:
    """Make sure that a result that another run has read is the one that is stored now.

    Args:
        reported: The result.
        stored: What names the one that is stored; None if there is none.
        storms: What names the result of storms that is stored; "" if there is none.

    Raises:
        PartialRunError: If it is not.
    """
    has_other_storms = reported.storms.identity not in ("", storms)
    if stored != reported.identity or has_other_storms:
        message = (
            f"The pictures are of {reported.source}, which is not the result that is stored now: "
            f"run `kedro run --pipelines reporting` from its first node."
        )
        raise PartialRunError(message)


def prepare(
    result: Result,
    selected_at: str = "",
    storms: Result | None = None,
    sky: Mapping[str, Any] | None = None,
) -> ReportedResult:
    """Make of a result's tables what the pictures take.

    Args:
        result: The result.
        selected_at: When the run began.
        storms: The storms of the same selection, if they have been looked for.
        sky: The row of ``sky_selection`` of the same selection, if there is one.
    """
    tables = result.tables
    selection = result.selection
    granules = pick_granules(to_frame(tables["granules"]), selection)
    window = Window.read(selection, granules)
    flashes = tables["clustered_flashes"]
    selected = to_frame(tables["k_selection"])
    simulated = is_simulated(selected, granules)
    clustered = read_clustered(
        flashes, to_frame(tables["cluster_centers"]), window, simulated=simulated
    )
    found = read_storms(storms, flashes)
    shapes = Shapes.join(shape_storms(found, clustered.lat, clustered.lon))
    return ReportedResult(
        clustered,
        _read_evaluation(result, window, simulated=simulated),
        measure_rate(clustered.time, granules, window),
        count_flags(flashes),
        granules,
        to_frame(tables["coverage"]),
        result.row,
        replace(found, shapes=shapes),
        result.identity,
        selected_at,
        sky,
    )


def _read_evaluation(result: Result, window: Window, *, simulated: bool) -> Evaluation:
    """Every k that was evaluated; no choice where no silhouette could be measured.

    Fewer than three flashes, or all on one spot, leave nothing to evaluate: then no k is said to be
    better than another.
    """
    scores, curve = (
        to_frame(result.tables[name]).sort_values("k", ignore_index=True)
        for name in ("silhouette_scores", "elbow_curve")
    )
    scores = scores[scores["silhouette_coefficient"].notna()]
    evaluated = len(scores) > 0 and result.row["k_silhouette"] is not None
    return Evaluation(window, scores, curve, result.row if evaluated else None, simulated)


def count_flags(flashes: "pa.Table") -> dict[int, int]:
    """Number of flashes by ``quality_flag``, of a table with that column."""
    flags = flashes.column("quality_flag").drop_null().to_numpy()
    values, counts = np.unique(flags, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def to_frame(table: "pa.Table") -> "pd.DataFrame":
    """An Arrow table as a frame."""
    frame: pd.DataFrame = table.to_pandas()
    return frame
