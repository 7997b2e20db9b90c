"""Threads that never change a result: one numerical thread each, results in the order of the items.

Sums split over threads are added in the order in which threads finish, and so differ in their last
bits from run to run. Here every item is computed by one thread alone.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int | None = None
) -> list[Result]:
    """Apply a function to items on several threads.

    Args:
        function: What to do with one item; it must not depend on the other items.
        items: The items.
        n_threads: Number of threads; as many as the machine has processors if None.

    Returns:
        The results, in the order of the items.
    """
    with _limit_threads(n_threads) as pool:
        return list(pool.map(function, items))


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int | None = None
) -> Iterator[Result]:
    """Apply a function to items on several threads, no further ahead than there are threads.

    Results are made while whoever asked for them is at work on those before, and no more of them
    are held than that takes.

    Args:
        function: What to do with one item; it must not depend on the other items.
        items: The items.
        n_threads: Number of threads; as many as the machine has processors if None.

    Yields:
        The results, in the order of the items.
    """
    n_threads = n_threads or os.cpu_count() or 1
    ahead: deque[Future[Result]] = deque()
    with _limit_threads(n_threads) as pool:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > n_threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


@contextmanager
def _limit_threads(n_threads: int | None) -> Iterator[ThreadPoolExecutor]:
    """Threads for each of which the numerical libraries use one thread, as long as it lives."""
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController()  # to look for them again in each thread would take longer
    with (
        libraries.limit(limits=1),
        # OpenMP keeps its limit thread by thread: a new thread would start with all processors.
        ThreadPoolExecutor(
            n_threads or os.cpu_count() or 1, initializer=lambda: libraries.limit(limits=1)
        ) as pool,
    ):
        yield pool
