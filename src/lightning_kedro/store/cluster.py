"""Working on archive hours with Dask: on the cluster that the environment names, or on one here.

``DASK_SCHEDULER_ADDRESS`` (or Dask's own configuration, which also knows TLS) names a scheduler;
without it workers are started on this machine for as long as they are needed. A task that a worker
took with it when it died is given to another one: tasks may run twice, and their results are the
same objects.
"""

import asyncio
import ctypes
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from lightning_kedro.exceptions import ClusterError
from lightning_kedro.store.lake.log import LACKING
from lightning_kedro.store.workers import count_cores

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_SECONDS: Final = 20.0
"""How long a scheduler may take to answer."""

CLOSE_SECONDS: Final = 2.0
"""How long a scheduler that may be gone is told that this client goes."""

QUEUED_PER_WORKER: Final = 3
"""How many tasks are handed out for each worker: this process's memory is bounded by them."""

LOOK_SECONDS: Final = 5.0
"""How often it is looked whether there are more workers, or any."""

UNREADABLE: Final = "Error during deserialization of the task graph"
"""How Dask says that the scheduler's Python lacks something."""

WARN_SECONDS: Final = 60.0
"""How often it is said that there is no worker."""

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Names of parameters of ``mallopt``."""

_MAPPED_FROM_BYTES: Final = 32 << 20
_KEPT_BYTES: Final = 128 << 20
"""The largest array that is not mapped anew each time, and how much free memory is kept."""

TOLD: Final = 10
"""How often progress is logged in all, at most."""


def run_on_cluster(tasks: Iterable[Callable[[], T]], *, what: str, total: int) -> list[T]:
    """Run a task for each hour on workers, and wait for all of them.

    Args:
        tasks: What to do; picklable, and so must be its result, which should be small. Each is
            taken when a worker is about to need it, so that they need not all be in memory.
        what: What is being done, for the log: ``Decoding``.
        total: How many tasks there are.

    Returns:
        The results in the order of the tasks.

    Raises:
        ClusterError: If the scheduler cannot be reached or is lost, a worker lacks this package,
            or a task takes one worker after the other with it.
        Exception: The first one that a task raises; tasks that have not begun are dropped.
    """
    if not total:
        return []
    with open_cluster() as client:
        return _run(client, tasks, what, total)


def find_scheduler() -> str | None:
    """The address of the scheduler that the environment names; None if it names none.

    Raises:
        ClusterError: If Dask is not installed.
    """
    try:
        import dask
    except ImportError as error:
        raise ClusterError(LACKING) from error
    address: str | None = dask.config.get("scheduler-address", None)
    return address


@contextmanager
def open_cluster() -> Iterator["Client"]:
    """Connect to the cluster, and say where it can be watched.

    Raises:
        ClusterError: If Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        import dask

        _quieten(dask.config)
        from distributed import Client
    except ImportError as error:
        raise ClusterError(LACKING) from error
    address = find_scheduler()
    try:
        client = _connect(Client, address)
    except (OSError, TimeoutError, ValueError) as error:
        message = (
            f"The Dask scheduler {address} cannot be reached: start it with `dask scheduler`, "
            f"check DASK_SCHEDULER_ADDRESS, or unset it to work on this machine."
        )
        raise ClusterError(message) from error
    try:
        logger.info("Dask: %s; dashboard %s", _describe(client, address), client.dashboard_link)
        yield client
    finally:
        client.close(timeout=CLOSE_SECONDS)


def _quieten(config: Any) -> None:  # noqa: ANN401  (dask.config)
    """Have Dask log warnings only, here and in workers started here, unless it was told otherwise.

    It logs a dozen lines for every worker that it starts.
    """
    if config.get("logging.distributed", None) is None:
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")
        config.set({"logging.distributed": "warning"})
        logging.getLogger("distributed").setLevel(logging.WARNING)


def _connect(make_client: Any, address: str | None) -> "Client":  # noqa: ANN401
    """A client of the scheduler of an address, or of workers that it starts on this machine."""
    if address:
        client: Client = make_client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        return client
    local: Client = make_client(
        n_workers=count_cores(),
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        set_as_default=False,
    )
    return local


def _describe(client: "Client", address: str | None) -> str:
    """Where the workers are."""
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    return f"{count} workers " + (f"of {address}" if address else "on this machine")


def _run(client: "Client", tasks: Iterable[Callable[[], T]], what: str, total: int) -> list[T]:
    """Hand tasks out, a few for each worker at a time, and collect their results."""
    run = uuid4().hex[:8]
    waiting = iter(enumerate(tasks))
    running: dict[Future, int] = {}
    results: dict[int, T] = {}
    progress = Progress(total, what)
    while len(results) < total:
        with explain_loss(client, what), client.as_current():
            wanted = QUEUED_PER_WORKER * max(1, progress.count_workers(client))
            for number, task in islice(waiting, max(0, wanted - len(running))):
                key = f"{what.lower()}-{run}-{number}"
                running[client.submit(call, task, key=key, pure=False)] = number
            done = wait_for(running)
        for future in done:
            number = running.pop(future)
            results[number] = take(client, future, what)
            progress.tell(len(results))
    return [results[number] for number in range(total)]


def call(task: Callable[[], T]) -> T:
    """Run a task; by this name the dashboard shows it."""
    _keep_memory()
    return task()


@cache
def _keep_memory() -> None:
    """Have a worker's allocator keep memory between arrays.

    Dask's nannies set it to give back whatever is free at once (``MALLOC_TRIM_THRESHOLD_``), so
    that each array of some size is mapped anew, and its pages are made anew: arithmetic on large
    arrays takes two to three times as long.
    """
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        return
    with suppress(OSError, AttributeError):  # only GNU's C library has it
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def wait_for(running: Mapping["Future", int]) -> Sequence["Future"]:
    """The tasks that have come to an end; none if none has for a while."""
    from distributed import wait

    try:
        done = wait([*running], timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED").done
    except TimeoutError:
        return ()
    except (asyncio.CancelledError, CancelledError):  # the scheduler is gone
        done = running
    return [*done]


def take(client: "Client", future: "Future", what: str) -> Any:  # noqa: ANN401
    """The result of a task that has come to its end.

    Raises:
        ClusterError: If workers could not do it, or the scheduler is gone.
        Exception: What the task raised.
    """
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        return future.result()
    except (asyncio.CancelledError, CancelledError, CommClosedError) as error:
        raise _describe_loss(client, what) from error
    except KilledWorker as error:
        message = (
            f"{what} has ended several workers one after the other, perhaps because "
            f"their memory ran out: give them more, then run again; nothing is lost."
        )
        raise ClusterError(message) from error
    except RuntimeError as error:
        if not str(error).startswith(UNREADABLE):
            raise
        message = (
            "The Dask scheduler cannot read what this run sends: install the same versions of "
            "Python, Dask and lightning_kedro there and on every worker, then run again."
        )
        raise ClusterError(message) from error
    except ModuleNotFoundError as error:
        message = (
            f"A worker lacks {error.name}: install the same version of lightning_kedro with its "
            f'extra dask on every worker (`pip install -e ".[dask]"`), then run again.'
        )
        raise ClusterError(message) from error


@contextmanager
def explain_loss(client: "Client", what: str) -> Iterator[None]:
    """Say plainly that the scheduler is gone.

    Raises:
        ClusterError: If it is.
    """
    if client.status != "running":
        raise _describe_loss(client, what)
    try:
        yield
    except (OSError, TimeoutError, asyncio.CancelledError) as error:
        raise _describe_loss(client, what) from error


def _describe_loss(client: "Client", what: str) -> ClusterError:
    """What to say of a scheduler that is gone."""
    address = client.scheduler.address if client.scheduler else "of this run"
    return ClusterError(
        f"The Dask scheduler {address} was lost while {what.lower()} went on: start it and its "
        f"workers anew, then run again; nothing is lost."
    )


class Progress:
    """What the log says while tasks run.

    Args:
        total: How many tasks there are.
        what: What is being done.
        of: What the tasks are of.
    """

    def __init__(self, total: int, what: str, of: str = "hours") -> None:
        """Nothing is done yet."""
        self._total = total
        self._what = what
        self._of = of
        self._told = 0
        self._warned = -WARN_SECONDS
        self._workers: tuple[float, int] = (-LOOK_SECONDS, 0)

    def count_workers(self, client: "Client") -> int:
        """How many workers there are, as of some seconds ago; says so if there are none."""
        now = time.monotonic()
        if now - self._workers[0] >= LOOK_SECONDS:
            self._workers = (now, len(client.nthreads()))
        if self._workers[1] == 0 and now - self._warned >= WARN_SECONDS:
            self._warned = now
            logger.warning(
                "%s waits for workers: start some with `dask worker %s --nthreads 1`",
                self._what,
                client.scheduler.address if client.scheduler else "ADDRESS",
            )
        return self._workers[1]

    def tell(self, done: int) -> None:
        """Say how far it is, ten times in all."""
        if done * TOLD // self._total > self._told:
            self._told = done * TOLD // self._total
            logger.info(
                "%s: %d of %d %s, %d workers",
                *(self._what, done, self._total, self._of, self._workers[1]),
            )
