"""Parts of a window in clustering and storms on the workers of a Dask cluster."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.store.cluster import (
    QUEUED_PER_WORKER,
    Progress,
    call,
    explain_loss,
    find_scheduler,
    open_cluster,
    take,
    wait_for,
)

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClusterWorkers(Workers):
    """The workers of the cluster that the environment names, and threads for whatever is less.

    Without an address of a scheduler it is threads that work: workers on this machine would have
    the same cores, and a copy of the flashes on top.

    Attributes:
        from_seconds: Work that takes one core longer than this goes to the cluster, s.
    """

    from_seconds: float

    def run(self, tasks: Sequence[Callable[[], T]], seconds: float, what: str) -> Iterator[T]:
        """Do tasks where they are done sooner.

        Raises:
            ClusterError: If the scheduler cannot be reached or is lost, or a worker lacks this
                package.
        """
        if seconds <= self.from_seconds or len(tasks) == 1 or find_scheduler() is None:
            return THREADS.run(tasks, seconds, what)
        return _run_in_order(tasks, what)


def _run_in_order(tasks: Sequence[Callable[[], T]], what: str) -> Iterator[T]:
    """Do tasks on the cluster, a few ahead for each worker, and give their results in order."""
    run = uuid4().hex[:8]
    ahead: deque[Future] = deque()
    progress = Progress(len(tasks), what, "parts")
    with open_cluster() as client:
        waiting = iter(enumerate(tasks))
        for done in range(1, len(tasks) + 1):
            with explain_loss(client, what), client.as_current():
                wanted = QUEUED_PER_WORKER * max(1, progress.count_workers(client))
                while len(ahead) < wanted and (one := next(waiting, None)) is not None:
                    key = f"{what.lower().replace(' ', '-')}-{run}-{one[0]}"
                    ahead.append(client.submit(call, one[1], key=key, pure=False))
            _wait(client, ahead[0], progress, what)
            yield take(client, ahead.popleft(), what)
            progress.tell(done)


def _wait(client: "Client", future: "Future", progress: Progress, what: str) -> None:
    """Wait for a task to come to its end; say so if there is nobody who could do it."""
    while not future.done():
        with explain_loss(client, what), client.as_current():
            progress.count_workers(client)
            if wait_for({future: 0}):
                return
