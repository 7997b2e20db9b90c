"""What passes from node to node within a run, as a catalog entry."""

import contextlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from kedro.io import AbstractDataset

from lightning_kedro.exceptions import PartialRunError
from lightning_kedro.store.bundles import read_bundle, write_bundle
from lightning_kedro.store.files import explain_disk
from lightning_kedro.unchanged import Unchanged

KEPT_SECONDS: Final = 86_400.0
"""For how long what a run made in between is kept, for runs of some of the nodes: a day."""


_ATTEMPTS: Final = 10


class IntermediateDataset(AbstractDataset[Any, Any]):
    """Saves what a node hands to the next ones, and loads it for this run alone.

    It is told apart by what it was made for (selection and options) and by the session that made
    it: runs at the same time never read each other's. Every node may run in a process of its own. A
    run of some nodes finds what the last run made for the same parameters, and is refused what was
    made for others. Nothing is pickled.

    Example of the YAML API:
        .. code-block:: yaml

            candidates:
              type: lightning_kedro.datasets.intermediate.IntermediateDataset
              path: data/06_models
              name: candidates
              made_for: ${runtime_params:made_for.clustering}
              session: ${runtime_params:session}

    Example of the Python API:
        >>> import tempfile
        >>> options = {"path": tempfile.mkdtemp(), "name": "answer", "made_for": "all"}
        >>> IntermediateDataset(**options, session="one").save({"k": 42})
        >>> IntermediateDataset(**options, session="two").load()
        {'k': 42}
    """

    def __init__(
        self,
        *,
        path: str,
        name: str,
        made_for: str,
        session: str,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the entry; nothing is made.

        Args:
            path: The folder of the layer.
            name: The entry's name.
            made_for: What it is made for: a name of selection and options.
            session: The session, whose own it loads before any other's.
            metadata: For plugins such as Kedro-Viz.
        """
        self._layer = Path(path)
        self._name = name
        self._made_for = made_for
        self._session = session
        self.metadata = metadata

    def load(self) -> Any:  # noqa: ANN401  (whatever was saved)
        """What this session made; else what the last one made for the same parameters.

        Raises:
            PartialRunError: If there is nothing that was made for these parameters.
            StorageError: If it is damaged.
        """
        if self._mark.is_file():
            return Unchanged(**json.loads(self._mark.read_bytes()))
        if self._own.is_dir():
            return read_bundle(self._own)
        others = sorted(self._folder.glob("[!.]*"), key=_modified)
        if others:
            return read_bundle(others[-1])
        message = (
            f"There is no {self._name} made for {self._made_for}: with these parameters run the "
            f"nodes before it first, or the pipeline from its first node (`kedro run --params "
            f"unchanged=remake`)."
        )
        raise PartialRunError(message)

    def save(self, data: object) -> None:
        """Write it whole, and remove what has been there for more than a day."""
        if isinstance(data, Unchanged):
            with explain_disk(self._folder):
                _make_folder(self._folder, exist_ok=True)
                self._mark.write_text(json.dumps(asdict(data)), encoding="utf-8")
            return
        self._sweep()
        partial = self._folder / f".{self._session}.{uuid4().hex}"
        with explain_disk(self._folder):
            _make_folder(partial)
            try:
                write_bundle(partial, data)
                shutil.rmtree(self._own, ignore_errors=True)
                partial.replace(self._own)
                self._mark.unlink(missing_ok=True)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        """Where what was made for the same parameters lies, one folder a session."""
        return self._layer / self._made_for / self._name

    @property
    def _own(self) -> Path:
        """What this session made."""
        return self._folder / self._session

    @property
    def _mark(self) -> Path:
        """Where this session says that there was nothing to make: no other one reads it.

        Runs of some of the nodes go on with what was made last.
        """
        return self._folder / f".{self._session}.unchanged"

    def _sweep(self) -> None:
        """Remove what was made for any parameters long ago."""
        for folder in self._layer.glob(f"*/{self._name}/*"):
            if time.time() - _modified(folder) > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
                if folder.suffix == ".unchanged":
                    folder.unlink(missing_ok=True)
        for folder in self._layer.glob("*"):
            _remove_empty(folder / self._name)
            _remove_empty(folder)

    def _exists(self) -> bool:
        """Whether this session has made it."""
        return self._own.is_dir() or self._mark.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._folder)}


def _make_folder(folder: Path, *, exist_ok: bool = False) -> None:
    """Make a folder, again if another run has just removed the empty one above it."""
    for _ in range(_ATTEMPTS):
        # FileExistsError: it was there, and was gone when pathlib looked whether it is a folder.
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            folder.mkdir(parents=True, exist_ok=exist_ok)
            return
    folder.mkdir(parents=True, exist_ok=exist_ok)


def _modified(path: Path) -> float:
    """When a folder was made, seconds since 1970; just now if another run removes it meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _remove_empty(folder: Path) -> None:
    """Remove a folder if nothing is in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
