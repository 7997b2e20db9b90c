"""Loading hours into a lake: the objects that workers have written begin to count.

Each table is committed at once, however many hours there are: first ``flashes``, ``groups`` and
``events``, then ``granules``, then ``coverage``. Rows are read of granules that are on record only,
so that the commit of ``granules`` is the moment from which the hours stand. A client that is killed
before it leaves objects that nobody reads, and the next run, which still lacks the granules, names
the same objects.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from datetime import time as clock
from typing import TYPE_CHECKING, Final

from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.store.lake.hours import hour_of
from lightning_kedro.store.lake.log import ROW_TABLES, LakeObject, LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.records import RECORDS, list_days, plan_changes
from lightning_kedro.store.lake.series import LakeHours
from lightning_kedro.store.lake.tasks import MergeHour, WrittenHour

if TYPE_CHECKING:
    from deltalake import DeltaTable

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 30
"""How often a commit is planned anew because another client has come first."""

LONGEST_PAUSE_SECONDS: Final = 0.5

RunTasks = Callable[[Sequence[MergeHour]], list[WrittenHour]]
"""Runs tasks where the flashes are: on workers."""

Hour = tuple[str, datetime]


def run_here(tasks: Sequence[MergeHour]) -> list[WrittenHour]:
    """Run tasks one after the other in this process."""
    return [task() for task in tasks]


def commit_hours(
    lake: Place, loaded: LoadedHours, *, simulated: bool, run_tasks: RunTasks = run_here
) -> None:
    """Load hours that have been written into the lake's tables.

    Args:
        lake: Where the lake is.
        loaded: The granules, the objects that hold their flashes, and the hours to count.
        simulated: Whether the granules are simulated.
        run_tasks: Runs what has to be merged because another client has written the same hours.

    Raises:
        TableError: If other clients come first again and again, or a table is damaged.
        StorageError: If storage refuses.
    """
    series = loaded.series
    if not isinstance(series, LakeHours):
        message = f"hours of a lake are loaded, not {type(series).__name__}"
        raise TypeError(message)
    hours = _commit_rows(lake, series.hours, simulated=simulated, run_tasks=run_tasks)
    _commit_records(lake, loaded, hours, simulated=simulated)


def list_hours(lake: Place, days: Sequence[tuple[str, date]]) -> dict[Hour, dict[str, str]]:
    """By table the objects of each hour of some days that count now.

    Raises:
        TableError: If another program has changed a table.
    """
    found: dict[Hour, dict[str, str]] = {}
    for name in ROW_TABLES:
        table = LakeTable(lake, name)
        for hour, one in _list_current(table, table.open(), days).items():
            found.setdefault(hour, {})[name] = one.path
    return found


def _list_current(
    table: LakeTable, delta: "DeltaTable | None", days: Sequence[tuple[str, date]]
) -> dict[Hour, LakeObject]:
    """The object of each hour of some days in one table, which is open if there is one."""
    found: dict[Hour, LakeObject] = {}
    if delta is None or not days:
        return found
    for row in table.list_objects(delta, days).to_pylist():
        one = LakeObject(
            row["path"], row["platform"], row["date"], row["num_records"], row["size_bytes"]
        )
        hour = datetime.combine(one.date, clock(hour_of(table.name, one.path)))
        found[one.platform, hour] = one
    return found


def _commit_rows(
    lake: Place, hours: Sequence[WrittenHour], *, simulated: bool, run_tasks: RunTasks
) -> list[WrittenHour]:
    """Commit the objects of hours, table by table.

    Returns:
        The hours as they count now: where another client had come first, merged with its version.
    """
    written = [hour for hour in hours if hour.objects]
    others = [hour for hour in hours if not hour.objects]
    days = sorted({(hour.platform, hour.hour.date()) for hour in written})
    tables = [LakeTable(lake, name) for name in ROW_TABLES]
    for attempt in range(ATTEMPTS):
        if not written:
            return others
        held = {name for hour in written for name in hour.objects}
        opened = [(one, one.open_or_make() if one.name in held else one.open()) for one in tables]
        current = {one.name: _list_current(one, delta, days) for one, delta in opened}
        written = _merge(lake, written, current, simulated=simulated, run_tasks=run_tasks)
        if all(_commit_table(one, delta, written, current[one.name]) for one, delta in opened):
            return [*written, *others]
        _pause(attempt)
    raise TableError(_describe_rush(tables[0]))


def _commit_table(
    table: LakeTable,
    delta: "DeltaTable | None",
    written: Sequence[WrittenHour],
    current: Mapping[Hour, LakeObject],
) -> bool:
    """Commit what hours have written for one table: whether nobody came first."""
    name = table.name
    news = [hour for hour in written if _path_of(hour, current) != hour.paths.get(name)]
    if not news:
        return True
    added = [hour.objects[name] for hour in news if name in hour.objects]
    former = (current.get((hour.platform, hour.hour)) for hour in news)
    removed = {one.path: one for one in former if one is not None}
    if delta is None:  # merged with a version that has more levels than ours had
        delta = table.open_or_make()
    if not table.commit(delta, added, removed):
        return False
    rows = sum(one.n_rows for one in added) - sum(one.n_rows for one in removed.values())
    logger.info("Committed %d hours to %s, %d more %s", len(news), table.place.url, rows, name)
    return True


def _merge(
    lake: Place,
    written: Sequence[WrittenHour],
    current: Mapping[str, Mapping[Hour, LakeObject]],
    *,
    simulated: bool,
    run_tasks: RunTasks,
) -> list[WrittenHour]:
    """Merge the hours that another client has changed since ours were written."""
    behind: dict[Hour, MergeHour] = {}
    for hour in written:
        paths = {name: _path_of(hour, mine) for name, mine in current.items()}
        theirs = {name: path for name, path in paths.items() if path is not None}
        if "flashes" in theirs and any(
            path not in (hour.paths.get(name), hour.former.get(name))
            for name, path in theirs.items()
        ):
            key = (hour.platform, hour.hour)
            behind[key] = MergeHour(lake, *key, hour.paths, theirs, simulated)
    if not behind:
        return [*written]
    logger.info("Merging %d hours that another run has written meanwhile", len(behind))
    merged = dict(zip(behind, run_tasks([*behind.values()]), strict=True))
    return [merged.get((hour.platform, hour.hour), hour) for hour in written]


def _path_of(hour: WrittenHour, current: Mapping[Hour, LakeObject]) -> str | None:
    """The object of a table that counts for an hour now."""
    one = current.get((hour.platform, hour.hour))
    return None if one is None else one.path


def _commit_records(
    lake: Place, loaded: LoadedHours, hours: Sequence[WrittenHour], *, simulated: bool
) -> None:
    """Commit the granules of hours, and the coverage that follows from them."""
    tables = {name: LakeTable(lake, name) for name in RECORDS}
    if not list_days(loaded, hours):
        return
    for attempt in range(ATTEMPTS):
        opened = {name: table.open_or_make() for name, table in tables.items()}
        changes = plan_changes({**opened}, lake, loaded, hours, simulated=simulated)
        for name, change in changes.items():
            if not change.added:
                continue
            for path, content in change.contents.items():
                tables[name].place.write(path, content)
            if not tables[name].commit(opened[name], change.added, change.removed):
                break
        else:
            return
        _pause(attempt)
    raise TableError(_describe_rush(tables["granules"]))


def _pause(attempt: int) -> None:
    """Let others come to their end: longer each time, and not all at once."""
    longest = min(LONGEST_PAUSE_SECONDS, 0.02 * 2.0**attempt)
    time.sleep(random.uniform(0.0, longest))  # noqa: S311


def _describe_rush(table: LakeTable) -> str:
    """What to say when others come first again and again."""
    return (
        f"Other runs keep changing {table.place.url}: {ATTEMPTS} commits came too late. Run again "
        f"when they have ended; what was written is kept."
    )
