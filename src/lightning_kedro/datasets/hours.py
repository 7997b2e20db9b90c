"""Working on many archive hours: one after the other when they are few, else on all cores."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Final, TypeVar

T = TypeVar("T")

PARALLEL_FROM: Final = 4
"""From so many hours on, other processes are worth their start (about 2 s of imports each)."""


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
    from dask.base import compute
    from dask.delayed import delayed
    from tqdm.dask import TqdmCallback

    calls = [delayed(task, pure=False)() for task in tasks]
    with TqdmCallback(desc=progress, unit="hour", disable=None):
        results = compute(  # type: ignore[no-untyped-call]
            *calls,
            scheduler="processes",
            num_workers=count,
            chunksize=1,
            initializer=end_with_parent,
        )
        return list(results)


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
