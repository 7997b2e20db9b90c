"""Working on many archive hours: one after the other when they are few, else on all cores."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from lightning_kedro.exceptions import IncompleteRunError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")

PARALLEL_FROM: Final = 4
"""From so many hours on, other processes are worth their start (half a second of imports)."""

MAX_WORKERS: Final = 61 if sys.platform == "win32" else 1024
"""Windows cannot wait for more processes at once; elsewhere there is no such limit."""

QUEUED_PER_WORKER: Final = 2
"""How many tasks are pickled and handed out at once: one that is worked on, and the next."""

_PRELOADED: Final = [
    "concurrent.futures.process",
    "portalocker",
    "lightning_kedro.store.series_files",
    "lightning_kedro.store.workers",
    "lightning_kedro.granules.tasks",
    "lightning_kedro.glm.variables",
]
"""What workers need for reading an hour."""


def run_hours(
    tasks: Sequence[Callable[[], T]], *, progress: str, workers: int | None = None
) -> list[T]:
    """Run a task for each hour, in processes of their own if there are many.

    Args:
        tasks: What to do; when they are many, each must be picklable, and so must its result, which
            should be small: files are written by the task, not by the caller.
        progress: What a progress bar says; it is drawn on a terminal only.
        workers: How many processes; as many as there are cores if None.

    Returns:
        The results in the order of the tasks.

    Raises:
        IncompleteRunError: If a worker was killed, for example for want of memory.
        Exception: The first one that a task raises; tasks that have not begun are dropped.
    """
    from tqdm import tqdm

    count = 1
    if len(tasks) >= PARALLEL_FROM:
        count = min(workers or count_cores(), len(tasks), MAX_WORKERS)
    with tqdm(total=len(tasks), desc=progress, unit="hour", disable=None) as bar:
        results = _run_in_pool(tasks, count) if count > 1 else _run_here(tasks)
        by_task: dict[int, T] = {}
        for index, result in results:
            by_task[index] = result
            bar.update()
    return [by_task[index] for index in range(len(tasks))]


def count_cores() -> int:
    """How many cores this process may use: affinity and a container's share are respected."""
    import joblib

    return int(joblib.cpu_count())


def _run_here(tasks: Sequence[Callable[[], T]]) -> Iterator[tuple[int, T]]:
    """Run tasks one after the other; yields each one's number and result."""
    for index, task in enumerate(tasks):
        yield index, task()


def _run_in_pool(tasks: Sequence[Callable[[], T]], count: int) -> Iterator[tuple[int, T]]:
    """Run tasks in worker processes; yields each one's number and result as it is done."""
    prepare_workers(len(tasks))
    waiting = iter(enumerate(tasks))
    running: dict[Future[T], int] = {}
    with _start_pool(count) as pool:
        while True:
            for index, task in islice(waiting, QUEUED_PER_WORKER * count - len(running)):
                running[pool.submit(task)] = index
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


@contextmanager
def _start_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of workers, none of which outlives it: not even if this process is killed.

    Workers live as long as this process holds the other end of a pipe.

    Raises:
        IncompleteRunError: If a worker was killed.
    """
    context = multiprocessing.get_context(choose_start_method())
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        count, mp_context=context, initializer=initialize_worker, initargs=(reader,)
    )
    try:
        yield pool
    except BrokenProcessPool as error:
        message = (
            "A process that worked on an hour was ended from outside, perhaps because memory ran "
            "out: close other programs, then run again; nothing is lost."
        )
        raise IncompleteRunError(message) from error
    except Exception:
        raise  # what is being worked on is finished first, so that nothing half-written is left
    except BaseException:
        writer.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        writer.close()
        reader.close()


def choose_start_method() -> str:
    """How worker processes are started here: from a fork server where there is one.

    Its workers start in no time, because it has imported what they need, and safely, because it
    has no threads. Where there is none, as on Windows, each worker imports for itself.
    """
    methods = multiprocessing.get_all_start_methods()
    return "forkserver" if "forkserver" in methods else "spawn"


def prepare_workers(n_hours: int) -> None:
    """Begin to load what workers need, if there will be some, while this process goes on.

    It is loaded once, by a process from which workers are then forked: one without threads, files
    or locks, and which ends when this one does.

    Args:
        n_hours: How many archive hours there may be to work on.
    """
    if n_hours >= PARALLEL_FROM and choose_start_method() == "forkserver":
        from multiprocessing import forkserver

        multiprocessing.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


def initialize_worker(lifeline: "Connection") -> None:
    """Make a process ready for its first hour: the worker initializer.

    Args:
        lifeline: The reading end of a pipe; when the writing end is closed the worker ends.
    """
    # Ctrl-C reaches all processes of a terminal: the one that waits for the workers ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_after, args=(lifeline,), daemon=True).start()
    hide_pandas()
    gc.freeze()  # exclude preloaded modules from later collections


def _end_after(lifeline: "Connection") -> None:
    """End this process as soon as nobody holds the other end of a pipe.

    A run that is killed cannot stop its workers, and they would wait for work for ever: each holds
    an end of the queue that the others read.
    """
    with suppress(OSError, EOFError):
        lifeline.poll(None)
    os._exit(1)


def hide_pandas() -> None:
    """Keep Arrow from importing pandas, which takes longer than to read an hour.

    pyarrow caches whether pandas can be imported when it first converts Python objects. Workers
    convert none of pandas: hide it during the first conversion.
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
