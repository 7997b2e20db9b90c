"""The report and the chart of k as catalog entries; that of the report publishes all of it."""

import base64
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kedro.io import AbstractDataset
from kedro_datasets._typing import ImagePreview, PlotlyPreview  # Kedro-Viz goes by these names

from lightning_kedro.publication import Publication
from lightning_kedro.results import RESULT_TABLES
from lightning_kedro.store.database import database_exists
from lightning_kedro.store.files import write_atomic
from lightning_kedro.store.kept_reports import show_again
from lightning_kedro.store.reports import finish_publication, publish
from lightning_kedro.store.results import ResultTable
from lightning_kedro.store.uploads import upload_report
from lightning_kedro.unchanged import Unchanged

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PREVIEWED: Final = "cluster_map.png"


class ReportDataset(AbstractDataset[str | Publication | Unchanged, str]):
    """Saves and loads the latest report, an HTML file; of a publication it publishes everything.

    The entry of the last output of the node ``report``: until it saves, the former report and its
    pictures stand, and from then on the new ones (``lightning_kedro.store.reports``).

    Example of the YAML API:
        .. code-block:: yaml

            report:
              type: lightning_kedro.datasets.report.ReportDataset
              path: data/08_reporting/report.html

    Example of the Python API:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
        >>> report = ReportDataset(path=str(path))
        >>> report.save("<!DOCTYPE html>")
        >>> report.load()
        '<!DOCTYPE html>'
    """

    def __init__(
        self,
        *,
        path: str,
        database: str | None = None,
        published: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the report; nothing is opened.

        Args:
            path: The file of the latest report; its folder is that of all reports.
            database: The DuckDB file with the results, by which runs at the same time see whose
                report stands.
            published: An fsspec URL to which each report is copied when it is published here.
            metadata: For plugins such as Kedro-Viz.
        """
        self._path = Path(path)
        self._published = published
        self._database = None if database is None else Path(database)
        self.metadata = metadata

    @property
    def folder(self) -> Path:
        """The folder of all reports."""
        return self._path.parent

    def load(self) -> str:
        """The latest report."""
        finish_publication(self.folder)
        return self._path.read_bytes().decode("utf-8")

    def save(self, data: str | Publication | Unchanged) -> None:
        """Publish a report with all its pictures; or write a page as it is, in place of the latest.

        One that is unchanged is made the latest again if another one is.

        Raises:
            StorageError: If the disk is full or the folder cannot be written to, or others keep it;
                or if the report, which stands here then, cannot be copied.
        """
        if isinstance(data, Publication):
            publish(self.folder, data, partial(self._find_stored, data))
        elif isinstance(data, Unchanged):
            show_again(self.folder, data.name)
        else:
            with write_atomic(self._path) as file:
                file.write_bytes(data.encode("utf-8"))
            return
        if self._published is not None:
            upload_report(self.folder, data.name, self._published)

    def _find_stored(self, publication: Publication) -> str | None:
        """The identity of the result that the database holds of a publication's selection."""
        selection = publication.selection
        if self._database is None or selection is None or not database_exists(self._database):
            return None
        return ResultTable(self._database, RESULT_TABLES[-1]).read_identity(selection)

    def preview(self) -> ImagePreview:
        """The cluster map of the latest report, for Kedro-Viz."""
        finish_publication(self.folder)
        return ImagePreview(base64.b64encode((self.folder / _PREVIEWED).read_bytes()).decode())

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


class ChartDataset(AbstractDataset["Figure | Publication | Unchanged", "Figure"]):
    """Saves and loads a Plotly chart as JSON; Kedro-Viz shows it.

    Like ``plotly.JSONDataset`` of kedro-datasets, but a chart that is part of a publication is
    published with it, and a file is replaced at once.

    Example of the YAML API:
        .. code-block:: yaml

            k_evaluation_chart:
              type: lightning_kedro.datasets.report.ChartDataset
              path: data/08_reporting/k_evaluation.json

    Example of the Python API:
        >>> import pathlib, tempfile
        >>> from plotly.graph_objects import Figure
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "chart.json"
        >>> chart = ChartDataset(path=str(path))
        >>> chart.save(Figure(layout_title_text="nothing"))
        >>> chart.load().layout.title.text
        'nothing'
    """

    def __init__(self, *, path: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the chart; nothing is opened.

        Args:
            path: The file.
            metadata: For plugins such as Kedro-Viz.
        """
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> "Figure":
        """The chart."""
        from plotly.io import from_json

        finish_publication(self._path.parent)
        return from_json(self._path.read_bytes().decode("utf-8"))

    def save(self, data: "Figure | Publication | Unchanged") -> None:
        """Write the file; of a publication nothing, because the report's entry publishes it whole.

        Raises:
            StorageError: If the disk is full or the folder cannot be written to.
        """
        if isinstance(data, Publication | Unchanged):
            return
        with write_atomic(self._path) as partial:
            partial.write_bytes(data.to_json().encode("utf-8"))

    def preview(self) -> PlotlyPreview:
        """The chart, for Kedro-Viz."""
        finish_publication(self._path.parent)
        return PlotlyPreview(json.loads(self._path.read_bytes()))

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
