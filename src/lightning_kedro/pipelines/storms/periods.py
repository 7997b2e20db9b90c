"""Flashes of storms counted by period, and rows in the order of their table's key."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.storms.pixels import IntArray


def count_periods(times: npt.NDArray[np.datetime64], length_minutes: int) -> IntArray:
    """The period since 1970 in which each time lies, shape (n,)."""
    return times.view(np.int64) // (length_minutes * 60_000_000)


def to_times(periods: IntArray, length_minutes: int) -> npt.NDArray[np.datetime64]:
    """When periods since 1970 begin, datetime64[us], shape (n,)."""
    return np.asarray((periods * (length_minutes * 60_000_000)).astype("datetime64[us]"))


def count_minutes(
    groups: IntArray, times: npt.NDArray[np.datetime64], length_minutes: int
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Count flashes by storm and period.

    Args:
        groups: Storm of each flash, shape (n,), rising.
        times: Times, datetime64[us], shape (n,), rising within a storm.
        length_minutes: Length of a period, minutes.

    Returns:
        The storm's period that each flash is in, shape (n,); and the periods since 1970, the
        flashes in each, and the storms, shape (periods that have flashes,).
    """
    periods = count_periods(times, length_minutes)
    is_first = np.ones(groups.size, dtype=np.bool_)
    is_first[1:] = (periods[1:] != periods[:-1]) | (groups[1:] != groups[:-1])
    starts = np.flatnonzero(is_first)
    counts = np.diff(starts, append=groups.size)
    index = np.repeat(np.arange(starts.size), counts)
    return index, periods[starts], counts, groups[starts]


def sort_columns(columns: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The rows in the order of some columns, as the table's key has it."""
    arrays = [np.asarray(columns[key]) for key in keys]
    order = np.lexsort(arrays[::-1]) if arrays[0].size else np.empty(0, dtype=np.int64)
    sorted_columns = {}
    for name, values in columns.items():
        if isinstance(values, list):
            sorted_columns[name] = [values[row] for row in order.tolist()]
        else:
            sorted_columns[name] = values[order]
    return sorted_columns
