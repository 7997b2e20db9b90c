"""What a lap does: ingest what has come, and if anything has changed make and publish results."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from kedro.framework.hooks import hook_impl

from lightning_kedro.exceptions import IncompleteRunError, NoFlashesError, TableError
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.parameters import check_parameters
from lightning_kedro.project import FolderSession
from lightning_kedro.selected_flashes import fingerprint_flashes, read_flashes
from lightning_kedro.selection import Selection
from lightning_kedro.times import parse_utc
from lightning_kedro.watching.health import INCOMPLETE, NEW, UNCHANGED, Lap, as_utc
from lightning_kedro.watching.loop import StopRequestedError
from lightning_kedro.watching.results import drop_former, span

if TYPE_CHECKING:
    from kedro.framework.session import KedroSession
    from kedro.io import CatalogProtocol

    Catalog = CatalogProtocol[Any, Any]

INGESTION: Final = "ingestion"

LABEL: Final = "watch"
"""The label of a watch's results, unless the parameters have one: only such are dropped again."""

LONGEST_CATCH_UP: Final = timedelta(days=1)
"""What laps have missed is ingested from at most so long ago."""

_DIGEST_BYTES: Final = 8


class _LapHooks:
    """Keeps the catalog of a run, and ends it between two nodes if it is told to."""

    def __init__(self, is_stopped: Callable[[], bool]) -> None:
        self._is_stopped = is_stopped
        self.catalog: Catalog | None = None

    @hook_impl(tryfirst=True)
    def before_node_run(self) -> None:
        """Leave the run where nothing is half done."""
        if self._is_stopped():
            raise StopRequestedError

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, catalog: "Catalog") -> None:
        """Keep the catalog, also of a run that another hook calls incomplete."""
        self.catalog = catalog


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run has left: its catalog, and why it is incomplete, if it is."""

    catalog: "Catalog"
    incomplete: str


@dataclass(slots=True)
class WindowJob:
    """The job for a window that ends now.

    Attributes:
        env: The Kedro environment.
        params: Parameters that are not as configured; the window may be among them.
        window: Length of the window.
        late: Ingestion looks so much further back, for granules that come late.
        pipelines: What is run.
        keep: How many results of former windows are kept; 0: all.
        is_stopped: Whether to stop.
        state: What tells what was published last from anything else.
    """

    env: str | None
    params: Mapping[str, Any]
    window: str = "1h"
    late: timedelta = timedelta(hours=1)
    pipelines: Sequence[str] = (INGESTION, "sky", "storms", "clustering", "reporting")
    keep: int = 3
    is_stopped: Callable[[], bool] = field(default=lambda: False)
    state: str = ""
    _ingested: datetime | None = None

    def run(self, now: datetime) -> Lap:
        """Do it once.

        Args:
            now: The present, UTC; the window ends with the minute that it is in.

        Raises:
            LightningKedroError: If it fails.
            StopRequestedError: If it was told to stop on the way.
        """
        start, end = self.find_window(now)
        rest = [name for name in self.pipelines if name != INGESTION]
        incomplete, n_granules, catalog = "", 0, None
        if INGESTION in self.pipelines:
            ran = self._run([INGESTION], self._find_first(start, end), end)
            catalog, incomplete = ran.catalog, ran.incomplete
            n_granules = count_loaded(catalog)
            self._ingested = end
        if catalog is None:
            catalog = self._open(start, end)
        selection = select(catalog, start, end)
        seen = look(catalog, selection)
        if not seen.is_of(self.state, catalog, selection, rest):
            if rest:
                self._run(rest, start, end)
                drop_former(catalog, selection, self.keep)
            self.state = seen.state
            outcome = NEW
        else:
            outcome = UNCHANGED
        return Lap(
            INCOMPLETE if incomplete else outcome,
            n_granules,
            seen.n_flashes,
            seen.newest,
            incomplete,
            self.state,
        )

    def find_window(self, now: datetime) -> tuple[datetime, datetime]:
        """The window of a lap, from full minutes: laps within one have the same.

        Raises:
            ParameterError: If the parameters have another window that is none.
        """
        minute = now.replace(second=0, microsecond=0)
        given = self.params.get("window", {})
        values = {"start": f"now-{self.window}", "end": "now", **given}
        sides = check_parameters(
            {
                "satellite": PLATFORMS[-1],
                "window": {side: values[side] for side in ("start", "end")},
            },
            now=minute,
        )["window"]
        start, end = (parse_utc(sides[side], now=minute) for side in ("start", "end"))
        return start, end

    def check(self, now: datetime) -> None:
        """See whether the parameters can be used, before the first lap.

        Raises:
            ParameterError: If they cannot.
        """
        self._open(*self.find_window(now))

    def _find_first(self, start: datetime, end: datetime) -> datetime:
        """From when on granules are looked for: late ones, and those of laps that failed."""
        since = start if self._ingested is None else min(start, self._ingested)
        return max(since - self.late, min(start, end - LONGEST_CATCH_UP))

    def _make_session(self, start: datetime, end: datetime) -> tuple["KedroSession", _LapHooks]:
        """A session of Kedro for a window."""
        params = deepcopy({**self.params})
        params["window"] = {side: _write(time) for side, time in (("start", start), ("end", end))}
        params["clustering"] = {"label": LABEL, **params.get("clustering", {})}
        session = FolderSession.create(env=self.env, runtime_params=params)
        hooks = _LapHooks(self.is_stopped)
        session._hook_manager.register(hooks)  # noqa: SLF001  (settings have hooks for all runs only)
        return session, hooks

    def _run(self, names: Sequence[str], start: datetime, end: datetime) -> Ran:
        """Run pipelines in a session of their own.

        An incomplete run has loaded what could be had: the lap goes on with it.
        """
        session, hooks = self._make_session(start, end)
        incomplete = ""
        with session:
            try:
                session.run(pipeline_names=[*names])
            except IncompleteRunError as error:
                incomplete = str(error)
        if hooks.catalog is None:  # pragma: no cover  (a run without an error has one)
            message = "the run has ended without a catalog"
            raise RuntimeError(message)
        return Ran(hooks.catalog, incomplete)

    def _open(self, start: datetime, end: datetime) -> "Catalog":
        """The catalog of a window, without a run."""
        session, _ = self._make_session(start, end)
        with session:
            return session.load_context().catalog


def _write(time: datetime) -> str:
    """A time as a parameter."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat()


def select(catalog: "Catalog", start: datetime, end: datetime) -> Selection:
    """The selection of a catalog's parameters with another window."""
    checked = catalog.load("parameters")
    window = {"start": _write(start), "end": _write(end)}
    return Selection.from_parameters({**checked, "window": window})


def count_loaded(catalog: "Catalog") -> int:
    """How many granules a run of ingestion has read anew."""
    wanted = len([*catalog.load("decode_report").wanted])
    return max(0, wanted - len(catalog.load("load_report").failures))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a window holds.

    Attributes:
        state: What tells it from anything else: window, flashes, and granules.
        fingerprint: Of the flashes.
        n_flashes: Number of flashes.
        newest: End of the newest granule, UTC.
    """

    state: str
    fingerprint: str
    n_flashes: int
    newest: datetime | None

    def is_of(
        self, state: str, catalog: "Catalog", selection: Selection, pipelines: Sequence[str]
    ) -> bool:
        """Whether it is what was published last, and the results of that still stand."""
        if self.state != state:
            return False
        try:
            clustered = "clustering" not in pipelines or self._has_clusters(catalog, selection)
            return clustered and ("storms" not in pipelines or has_storms(catalog, selection))
        except (TableError, NoFlashesError):  # somebody has removed them
            return False

    def _has_clusters(self, catalog: "Catalog", selection: Selection) -> bool:
        """Whether the stored clusters are of these flashes."""
        rows = catalog.load("k_selection").read(selection, ["flashes_fingerprint"])
        return bool(rows["flashes_fingerprint"].to_pylist() == [self.fingerprint])


def has_storms(catalog: "Catalog", selection: Selection) -> bool:
    """Whether the stored storms are of the flashes that there are now, also before the window."""
    columns = ["flashes_fingerprint", "look_start", "look_end"]
    rows = catalog.load("storm_selection").read(selection, columns).to_pylist()
    if len(rows) != 1:
        return False
    looked_at = span(selection, rows[0]["look_start"], rows[0]["look_end"])
    flashes = read_flashes(catalog.load("flashes"), looked_at)
    return bool(fingerprint_flashes(flashes) == rows[0]["flashes_fingerprint"])


def look(catalog: "Catalog", selection: Selection) -> Seen:
    """See what the database holds of a selection."""
    columns = ("platform", "granule_start", "granule_end", "status", "flash_count")
    granules = catalog.load("granules").read(selection, columns)
    fingerprint, n_flashes = "", 0
    with suppress(NoFlashesError):  # clustering and storms say it, if they are asked for
        flashes = read_flashes(catalog.load("flashes"), selection)
        fingerprint, n_flashes = fingerprint_flashes(flashes), flashes.num_rows
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest.update(repr((selection.name, fingerprint, granules.to_pydict())).encode())
    ends = granules["granule_end"].to_pylist()
    newest = as_utc(max(ends)) if ends else None
    return Seen(digest.hexdigest(), fingerprint, n_flashes, newest)
