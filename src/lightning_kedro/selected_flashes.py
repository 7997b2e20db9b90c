"""The flashes of a selection, as results are made of them: read, checked and digested."""

import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.exceptions import NoFlashesError
from lightning_kedro.selection import Selection
from lightning_kedro.sky import check_places, is_as_stored, see_flashes

if TYPE_CHECKING:
    import pyarrow as pa

FLASH_COLUMNS: Final = (
    "platform",
    "granule_start",
    "flash_id",
    "time",
    "lat",
    "lon",
    "quality_flag",
)
"""What is read of each flash."""

_DIGEST_BYTES: Final = 8


def read_flashes(
    flashes: Any,  # noqa: ANN401  (a handle on the table, which knows how to read a selection)
    selection: Selection,
    columns: tuple[str, ...] = FLASH_COLUMNS,
) -> "pa.Table":
    """Read the flashes of a selection.

    Args:
        flashes: The handle on the table ``flashes``.
        selection: Which ones.
        columns: What is read of each, ``FLASH_COLUMNS`` at least.

    Returns:
        The flashes with these columns, ordered by time, platform, granule and id,
        all with a place on the Earth. A quiet window has none.

    Raises:
        NoFlashesError: If there is no flash and no granule of the window either.
        TableError: If a flash has no place.
    """
    if is_as_stored(selection):
        return check_flashes(flashes, selection, flashes.read(selection, columns))
    return check_flashes(flashes, selection, see_flashes(flashes, selection, columns).table)


def check_flashes(
    flashes: Any,  # noqa: ANN401
    selection: Selection,
    table: "pa.Table",
) -> "pa.Table":
    """Make sure that flashes that were read can be used; the columns come in one piece each.

    Raises:
        NoFlashesError: If there is no flash and no granule of the window either.
        TableError: If a flash has no place.
    """
    table = join_chunks(table)
    if table.num_rows == 0 and not flashes.has_granules(selection):
        message = (
            f"No granule of {selection} has been loaded: ingest the window first "
            f"(`kedro run --pipelines ingestion` with the same parameters)."
        )
        raise NoFlashesError(message)
    check_places(table, selection)
    return table


def join_chunks(table: "pa.Table") -> "pa.Table":
    """The same table with each column in one piece, which NumPy reads where it lies.

    Columns are joined one by one, so that no more than one is there twice.
    """
    import pyarrow as pa

    joined = {}
    for name in table.column_names:
        column = table.column(name)
        table = table.drop_columns(name)
        joined[name] = column.combine_chunks()
        del column
    return pa.table(joined)


def fingerprint_flashes(table: "pa.Table") -> str:
    """Digest the flashes: which they are, when and where.

    Args:
        table: The flashes, with the columns ``FLASH_COLUMNS``, in the order of the table's key.

    Returns:
        16 hexadecimal digits: the same for the same flashes, whatever machine or version reads
        them (BLAKE2b, RFC 7693).
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    coded = table.column("platform").combine_chunks().dictionary_encode()
    digest.update("+".join(coded.dictionary.to_pylist()).encode())
    digest.update(np.ascontiguousarray(coded.indices.to_numpy(), dtype="<i4").data)
    kinds = {"granule_start": "<i8", "flash_id": "<i4", "time": "<i8", "lat": "<f4", "lon": "<f4"}
    for name, kind in kinds.items():
        values = table.column(name).to_numpy()
        if kind == "<i8":
            values = values.astype("datetime64[us]", copy=False).view(np.int64)
        digest.update(np.ascontiguousarray(values, dtype=kind).data)
    return digest.hexdigest()


def take_places(
    table: "pa.Table",
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Latitudes and longitudes of flashes, degrees."""
    lat, lon = (table.column(name).to_numpy() for name in ("lat", "lon"))
    return lat, lon
