"""Requests for many items at once, in threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lightning_kedro.exceptions import ArchiveError


def run_concurrently(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    workers: int,
) -> list[Any]:
    """Do something for many items at once; used for requests, which mostly wait.

    Args:
        work: What to do; called in threads.
        items: For what.
        workers: How many at a time, at most.

    Returns:
        The results in the order of the items; an ``ArchiveError`` stands in the place of its
        result.
    """

    def attempt(item: Any) -> Any:  # noqa: ANN401
        try:
            return work(item)
        except ArchiveError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(items)))) as pool:
        return list(pool.map(attempt, items))
