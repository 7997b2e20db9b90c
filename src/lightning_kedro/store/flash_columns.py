"""The flashes of an hour as Arrow, beside the CSV files that hold the same.

To parse the CSV files of a day takes longer than all else that loading does. Whoever writes them
has their columns at hand, and leaves them in ``flashes.arrow``, already in the order in which they
are loaded. The CSV files remain what counts: the columns name the size and the CRC-32 of the files
that they were written with, and stand for these only. Once one of them was edited, cut or written
by something else the columns are passed over, as they are where they are damaged themselves.

The file is an Arrow IPC stream, with the sizes and sums in its schema's metadata, followed by the
CRC-32 of the stream in four bytes. It need not reach the disk before anything else does.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from lightning_kedro.granules.series import SERIES_SCHEMA
from lightning_kedro.store.files import write_atomic

FLASH_COLUMNS: Final = "flashes.arrow"

ORDER: Final = ("platform", "time", "granule_start", "flash_id")
"""The order of flashes in the database."""

_FILES: Final = b"files"
"""The key of the metadata under which the files are named."""

_SUM_BYTES: Final = 4


class Fingerprint(NamedTuple):
    """What tells a file from others of its name: no safeguard against forgers, but against edits.

    Attributes:
        file_bytes: Its size in bytes.
        crc: The CRC-32 of its content.
    """

    file_bytes: int
    crc: int

    @classmethod
    def of(cls, content: "bytes | pa.Buffer | memoryview") -> "Fingerprint":
        """The fingerprint of a file with this content."""
        view = memoryview(content)
        return cls(view.nbytes, zlib.crc32(view))


def write_columns(path: Path, flashes: pa.Table, files: Mapping[str, Fingerprint]) -> None:
    """Leave the columns of an hour's flashes for whoever loads them.

    Args:
        path: The file.
        flashes: The flashes, with the columns of both series.
        files: The files that hold the same, by name; they are in the same folder.
    """
    told = {_FILES: json.dumps({name: list(file) for name, file in files.items()}).encode()}
    ordered = flashes.sort_by([(name, "ascending") for name in ORDER])
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, flashes.schema.with_metadata(told)) as writer:
        writer.write_table(ordered.replace_schema_metadata(told).combine_chunks())
    content = stream.getvalue()
    with write_atomic(path) as partial_file, partial_file.open("wb") as file:
        file.write(content)
        file.write(zlib.crc32(content).to_bytes(_SUM_BYTES, "little"))


def read_columns(path: Path) -> pa.Table | None:
    """The columns of an hour's flashes, in the order of the database.

    Args:
        path: The file.

    Returns:
        The columns; None if there are none, or if the files beside them are not (or no longer)
        those that they were written with.
    """
    try:
        content = memoryview(path.read_bytes())
        stream, total = content[:-_SUM_BYTES], content[-_SUM_BYTES:]
        if zlib.crc32(stream) != int.from_bytes(total, "little"):
            return None
        with pa.ipc.open_stream(stream) as reader:
            told = json.loads((reader.schema.metadata or {})[_FILES])
            if not all(_is_same(path.with_name(name), file) for name, file in told.items()):
                return None
            flashes = reader.read_all().replace_schema_metadata(None)
    except (OSError, ValueError, KeyError):  # Arrow's own errors are ValueErrors
        return None
    return flashes if flashes.schema.equals(SERIES_SCHEMA) else None


def _is_same(path: Path, fingerprint: list[int]) -> bool:
    """Whether a file is the one that a fingerprint was taken of."""
    if path.stat().st_size != fingerprint[0]:
        return False
    return list(Fingerprint.of(path.read_bytes())) == fingerprint
