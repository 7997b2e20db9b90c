"""Working on many archive hours: one after the other when they are few, else on all cores."""

import os
from collections.abc import Callable, Sequence
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
            *calls, scheduler="processes", num_workers=count, chunksize=1
        )
        return list(results)
