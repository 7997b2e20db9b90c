"""Where the package's own configuration is: light to import, the command line needs it first."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent.name
"""The package, as Kedro knows the project."""

PROGRAM: Final = "lightning-kedro"
"""The command that the package installs."""

_LOGGING: Final = "logging.yml"


_CODE: Final = (".py", ".j2", ".js", ".css", ".html")


def find_conf() -> Path:
    """The folder ``conf/``: beside the package's modules in a wheel, at the top of a checkout."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


@cache
def fingerprint_code() -> str:
    """Digest the package's code and templates: another one whenever any of them is edited.

    Of the process, which imports each of them once.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(name for name in names if name.endswith(_CODE)):
            content = (Path(folder) / name).read_bytes()
            digest.update(
                f"{Path(folder).relative_to(root).as_posix()}/{name}:{len(content)}:".encode()
            )
            digest.update(content)
    return digest.hexdigest()[:16]


def choose_logging() -> None:
    """Let Kedro log as the package does, in a folder that says nothing of it.

    Kedro looks at the variable when it is first imported, and so do processes that it starts.
    """
    own = Path.cwd() / "conf"
    if not any((own / name).is_file() for name in (_LOGGING, "logging.yaml")):
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(find_conf() / _LOGGING))
