"""Configuration files are read once in a test process, however many runs read them.

Each run reads the same dozen files, which takes a fifth of a short run's time, and the tests are
hundreds of short runs. What the tests get is a copy of their own.
"""

import io
import pickle
from functools import lru_cache
from typing import Any

from omegaconf import OmegaConf

_load = OmegaConf.load


@lru_cache(maxsize=256)
def _read(text: str) -> bytes:
    return pickle.dumps(_load(io.StringIO(text)))


def _copy(text: str) -> Any:
    return pickle.loads(_read(text))  # noqa: S301  (this process's own)


def _load_copy(file: Any) -> Any:
    return _copy(file.read()) if isinstance(file, io.StringIO) else _load(file)


def read_files_once() -> None:
    """Keep what files of configuration say, by their text; errors are raised anew each time."""
    OmegaConf.load = staticmethod(_load_copy)  # type: ignore[assignment]
