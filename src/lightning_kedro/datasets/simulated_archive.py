"""The simulated archive: granules in NOAA's format, made the first time an hour is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from lightning_kedro.glm.granule import GRANULES_PER_HOUR, hour_prefix
from lightning_kedro.granules.archive import GranuleArchive, GranuleSelection
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.simulation.faults import Faults
from lightning_kedro.store.files import explain_disk, remove_stale_partials, write_atomic
from lightning_kedro.store.storage import Storage
from lightning_kedro.store.workers import prepare_workers, run_hours


@dataclass(frozen=True, slots=True)
class Simulation:
    """How an archive is simulated.

    Attributes:
        folder: Its root.
        seed: Of the storms: the same seed gives the same archive.
        faults: What is wrong with every hour of it.
        truth: Whether the storm of every flash is told, in ``.<platform>.truth.parquet`` beside
            an hour's granules (see ``lightning_kedro.simulation.truth``).
    """

    folder: Path
    seed: int
    faults: Faults
    truth: bool = False

    def is_made(self, hour: ArchiveHour) -> bool:
        """Whether the granules of an hour that are wanted are there, with its truth if need be."""
        made = any(mark.exists() for mark in self._find_marks(hour))
        return made and (not self.truth or self._find_truth(hour).exists())

    def _find_truth(self, hour: ArchiveHour) -> Path:
        """Where an hour's truth lies."""
        return self.folder / hour_prefix(hour.hour) / f".{hour.platform}.truth.parquet"

    def _find_marks(self, hour: ArchiveHour) -> tuple[Path, Path]:
        """What says that the whole hour is there, and what says so of the part that is wanted."""
        target = self.folder / hour_prefix(hour.hour)
        whole = target / f".{hour.platform}.simulated"
        return whole, target / f".{hour.platform}.{hour.part}.simulated"

    def make(self, hour: ArchiveHour) -> None:
        """Write the granules of an hour that are wanted and not there yet, and its truth."""
        target = self.folder / hour_prefix(hour.hour)
        whole, part = self._find_marks(hour)
        if self.truth:
            self._make_truth(hour, self._find_truth(hour))
        if whole.exists() or part.exists():
            return
        from lightning_kedro.simulation.hour import simulate_hour

        with explain_disk(target):
            target.mkdir(parents=True, exist_ok=True)
        remove_stale_partials(target)
        numbers = {"first": [0], "last": [GRANULES_PER_HOUR - 1]}.get(hour.part)
        granules = simulate_hour(
            hour.platform, hour.hour, seed=self.seed, faults=self.faults, numbers=numbers
        )
        for name, content in granules:
            with write_atomic(target / name.file_name) as partial_file:
                partial_file.write_bytes(content)
        finished = whole if hour.part == "whole" else part
        with explain_disk(finished):
            finished.touch()

    def _make_truth(self, hour: ArchiveHour, path: Path) -> None:
        """Write the truth of a whole hour, whatever part of it is wanted, if it is not there."""
        if path.exists():
            return
        import pyarrow.parquet as pq

        from lightning_kedro.simulation.truth import simulate_truth

        table = simulate_truth(hour.platform, hour.hour, seed=self.seed, faults=self.faults)
        with write_atomic(path) as partial_file:
            pq.write_table(table, partial_file)


class SimulatedArchive(GranuleArchive):
    """A handle on a simulated archive: hours that it is asked for come into being."""

    def __init__(self, simulation: Simulation) -> None:
        """Remember how to simulate; nothing is made yet."""
        source = Storage(str(simulation.folder), may_be_absent=True)
        super().__init__(source, simulated=True, prepare=prepare_workers)
        self.simulation = simulation

    def select(
        self, hours: Sequence[ArchiveHour], *, may_be_empty: Callable[[], bool] = lambda: False
    ) -> GranuleSelection:
        """Make the hours that are not there yet, then choose their granules."""
        tasks = [
            partial(self.simulation.make, hour)
            for hour in hours
            if not self.simulation.is_made(hour)
        ]
        run_hours(tasks, progress="Simulating")
        return super().select(hours, may_be_empty=may_be_empty)


class SimulatedArchiveDataset(AbstractDataset[None, GranuleArchive]):
    """Loads a handle on an archive of simulated granules, which are made when first asked for.

    The granules are true LCFA files named IS_..., and their title says that they are simulated.
    The same seed gives the same archive, for any date and for all four satellites.

    Example of the YAML API:
        .. code-block:: yaml

            glm_archive:
              type: lightning_kedro.datasets.simulated_archive.SimulatedArchiveDataset
              path: data/sample/01_raw/glm
              seed: 60
              faults: {missing: 2, truncated: 1, duplicated: 1, empty: 1}
              truth: true

    Example of the Python API:
        >>> archive = SimulatedArchiveDataset(path="data/sample/01_raw/glm").load()
        >>> archive.simulated
        True
    """

    def __init__(
        self,
        *,
        path: str,
        root: str | None = None,
        seed: int = 60,
        faults: Mapping[str, Any] | None = None,
        truth: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the archive; nothing is made.

        Args:
            path: The folder to make granules in.
            root: An archive of simulated granules that is there already; it is read instead.
            seed: Of the storms.
            faults: What is wrong with every hour: ``missing``, ``truncated``, ``duplicated`` and
                ``empty``, each a number of granules; ``era`` (E1, E2 or E3) and ``compressed``.
            truth: Whether the storm of every flash is told too, in a hidden Parquet file
                ``.<platform>.truth.parquet`` beside each hour's granules.
            metadata: For plugins such as Kedro-Viz.
        """
        self._simulation = Simulation(Path(path), seed, Faults(**(faults or {})), truth)
        self._root = root
        self.metadata = metadata

    def load(self) -> GranuleArchive:
        """The handle."""
        if self._root is not None:
            return GranuleArchive(Storage(self._root), simulated=True, prepare=prepare_workers)
        return SimulatedArchive(self._simulation)

    def save(self, data: None) -> NoReturn:  # noqa: ARG002
        """Refuse: the archive makes itself."""
        message = f"Archive {self._simulation.folder} makes itself; nothing is saved to it."
        raise DatasetError(message)

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._simulation.folder), "seed": self._simulation.seed}
