"""Working on many archive hours: one after the other when they are few, else on all cores."""

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import Final, TypeVar

T = TypeVar("T")

PARALLEL_FROM: Final = 4
"""From so many hours on, other processes are worth their start (half a second of imports)."""

_PRELOADED: Final = [
    "dask.multiprocessing",
    "lightning_kedro.store.series_files",
    "lightning_kedro.granules.tasks",
]
"""What workers need for reading an hour."""


def run_hours(
    tasks: Sequence[Callable[[], T]], *, progress: str, workers: int | None = None
) -> list[T]:
    """Run a task for each hour, on Dask's local schedulers.

    Args:
        tasks: What to do; when they are many, each must be picklable, and so must its result, which
            should be small: files are written by the task, not by the caller.
        progress: What a progress bar says; it is drawn on a terminal only.
        workers: How many processes; as many as there are cores if None.

    Returns:
        The results in the order of the tasks.
    """
    count = min(workers or len(os.sched_getaffinity(0)), len(tasks))
    if len(tasks) < PARALLEL_FROM or count < 2:  # noqa: PLR2004  (two workers at least)
        from tqdm import tqdm

        return [task() for task in tqdm(tasks, desc=progress, unit="hour", disable=None)]
    import dask.config
    from dask.base import compute
    from dask.delayed import delayed
    from tqdm.dask import TqdmCallback

    prepare_workers(len(tasks))
    calls = [delayed(task, pure=False)() for task in tasks]
    with (
        dask.config.set({"multiprocessing.context": "forkserver"}),
        TqdmCallback(desc=progress, unit="hour", disable=None),
    ):
        results = compute(  # type: ignore[no-untyped-call]
            *calls,
            scheduler="processes",
            num_workers=count,
            chunksize=1,
            initializer=begin_worker,
        )
        return list(results)


def prepare_workers(n_hours: int) -> None:
    """Begin to load what workers need, if there will be some, while this process goes on.

    It is loaded once, by a process from which workers are then forked in no time: one without
    threads, files or locks, and which ends when this one does.

    Args:
        n_hours: How many archive hours there may be to work on.
    """
    if n_hours >= PARALLEL_FROM:
        multiprocessing.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


def begin_worker() -> None:
    """What a worker does before its first hour."""
    end_with_parent()
    spare_pandas()
    gc.freeze()  # what was loaded stays: to look for garbage in it again and again is in vain


def spare_pandas() -> None:
    """Keep Arrow from importing pandas, which takes longer than to read an hour.

    It does so at the first array that it makes of Python's objects, to see whether they are of
    pandas, and remembers whether there is one. Workers make none: to their Arrow there is none.
    """
    import pyarrow as pa

    class HidePandas(MetaPathFinder):
        """Says that pandas is not installed."""

        def find_spec(self, fullname: str, *_: object) -> None:
            if fullname == "pandas":
                raise ModuleNotFoundError(name=fullname)

    hidden = HidePandas()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)


def end_with_parent() -> None:
    """End this worker process as soon as the one that started it is gone.

    A run that is killed cannot stop its workers, and they would wait for work for ever: each holds
    an end of the queue that the others read.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    """Wait for a process, which takes no time from this one, then end at once."""
    parent.join()
    os._exit(1)
