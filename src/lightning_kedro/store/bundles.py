"""Values of the project's own classes on disk: arrays, tables and numbers, never a pickle.

A bundle is a folder: ``value.json`` says what the value is made of, and each array, table or file
in it lies beside it (NumPy's ``.npy``, Arrow's IPC), so that large ones are mapped into memory
instead of read. Only dataclasses of this package are built anew; nothing in a bundle is ever
executed.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, Self, runtime_checkable

import numpy as np

from lightning_kedro.exceptions import StorageError

PACKAGE: Final = "lightning_kedro."
VALUE: Final = "value.json"

_PLAIN: Final = (str, int, float, bool, type(None))


@runtime_checkable
class Packed(Protocol):
    """A dataclass that has a form of its own for disk, because it holds very many small values."""

    def pack(self) -> Any:  # noqa: ANN401  (whatever a bundle can hold)
        """The value as few large ones, such as tables."""
        ...

    @classmethod
    def unpack(cls, packed: Any) -> Self:  # noqa: ANN401
        """Build it anew."""
        ...


def write_bundle(folder: Path, value: object) -> None:
    """Write a value into a folder that is there and empty.

    Args:
        folder: The folder.
        value: Dataclasses of this package, mappings, tuples, lists, sets, NumPy arrays, Arrow
            tables, pandas frames, times, bytes, text and numbers, nested in any way.

    Raises:
        TypeError: If something in it is of another kind.
    """
    encoded = _Writer(folder).encode(value)
    (folder / VALUE).write_text(json.dumps(encoded), encoding="utf-8")


def read_bundle(folder: Path) -> Any:  # noqa: ANN401  (whatever was written)
    """Read a value back; arrays are mapped and cannot be written to.

    Raises:
        StorageError: If the folder holds no bundle, or a damaged one.
    """
    try:
        encoded = json.loads((folder / VALUE).read_text(encoding="utf-8"))
        return _decode(folder, encoded)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        message = (
            f"{folder} cannot be read back ({error}): remove it, and run the pipeline from its "
            f"first node."
        )
        raise StorageError(message) from error


class _Writer:
    """Turns a value into JSON, and writes what does not fit there into files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def encode(self, value: Any) -> Any:  # noqa: ANN401, C901, PLR0911  (one branch a kind)
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, np.ndarray):
            return {"array": self._write_array(value)}
        if isinstance(value, bytes):
            return {"bytes": self._name("bin", lambda path: path.write_bytes(value))}
        if isinstance(value, datetime):
            return {"time": value.isoformat()}
        if isinstance(value, Path):
            return {"path": str(value)}
        if isinstance(value, slice):
            return {"slice": [value.start, value.stop, value.step]}
        if isinstance(value, Mapping):
            pairs = [[self.encode(key), self.encode(item)] for key, item in value.items()]
            return {"mapping": pairs}
        if isinstance(value, list | tuple | set | frozenset):
            items = sorted(value) if isinstance(value, set | frozenset) else value
            kind = type(value).__name__ if type(value) in _COLLECTIONS.values() else "tuple"
            return {kind: [self.encode(item) for item in items]}
        if isinstance(value, Packed):
            name = f"{type(value).__module__}:{type(value).__qualname__}"
            return {"packed": name, "of": self.encode(value.pack())}
        if is_dataclass(value) and type(value).__module__.startswith(PACKAGE):
            given = [field.name for field in fields(value) if field.init]
            parts = {name: self.encode(getattr(value, name)) for name in given}
            return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "of": parts}
        return self._encode_table(value)

    def _encode_table(self, value: Any) -> Any:  # noqa: ANN401
        """An Arrow table or a pandas frame."""
        import pandas as pd
        import pyarrow as pa

        if isinstance(value, pd.DataFrame):
            return {"frame": self._write_table(pa.Table.from_pandas(value))}
        if isinstance(value, pa.Table):
            return {"table": self._write_table(value)}
        message = f"{type(value).__qualname__} cannot be written as arrays, tables and numbers"
        raise TypeError(message)

    def _write_array(self, value: np.ndarray[Any, Any]) -> str:
        return self._name("npy", lambda path: np.save(path, value, allow_pickle=False))

    def _write_table(self, table: Any) -> str:  # noqa: ANN401  (an Arrow table)
        import pyarrow as pa

        def write(path: Path) -> None:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)

        return self._name("arrow", write)

    def _name(self, suffix: str, write: Any) -> str:  # noqa: ANN401  (what writes a path)
        """Write a file of its own; returns its name."""
        name = f"{self._count}.{suffix}"
        self._count += 1
        write(self._folder / name)
        return name


_COLLECTIONS: Final = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def _decode(folder: Path, encoded: Any) -> Any:  # noqa: ANN401, C901, PLR0911  (one branch a kind)
    """Build a value from its JSON and its files."""
    if not isinstance(encoded, dict):
        return encoded
    kind, content = next(iter(encoded.items()))
    if kind == "class":
        parts = {name: _decode(folder, part) for name, part in encoded["of"].items()}
        return _find_class(content)(**parts)
    if kind == "packed":
        return _find_class(content).unpack(_decode(folder, encoded["of"]))
    if kind == "mapping":
        return {_decode(folder, key): _decode(folder, item) for key, item in content}
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind](_decode(folder, item) for item in content)
    if kind == "array":
        return _read_array(folder / content)
    if kind == "bytes":
        return (folder / content).read_bytes()
    if kind == "time":
        return datetime.fromisoformat(content)
    if kind == "path":
        return Path(content)
    if kind == "slice":
        return slice(*content)
    table = _read_table(folder / content)
    return table.to_pandas() if kind == "frame" else table


def _find_class(name: str) -> Any:  # noqa: ANN401
    """A dataclass of this package; nothing else is ever built."""
    module, _, attribute = name.partition(":")
    found = getattr(import_module(module), attribute) if module.startswith(PACKAGE) else None
    if not (isinstance(found, type) and is_dataclass(found)):
        message = f"{name} is no dataclass of {PACKAGE.rstrip('.')}"
        raise TypeError(message)
    return found


def _read_array(path: Path) -> Any:  # noqa: ANN401
    """An array, mapped where there is something to map."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # arrays without elements cannot be mapped
        return np.load(path, allow_pickle=False)


def _read_table(path: Path) -> Any:  # noqa: ANN401
    """An Arrow table, mapped."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
