"""The folder that a run works in, and the configuration that it goes by.

A checkout has its configuration in ``conf/``. The package carries the same ``conf/`` with it (the
build puts it there, see setup.py), so that it runs in any folder: what a folder has in a ``conf/``
of its own is laid over the package's, environment by environment; a folder with ``conf/base``
goes by its own alone.
"""

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fsspec.implementations.local import LocalFileSystem
from kedro.config import OmegaConfigLoader
from kedro.framework.session import KedroSession
from kedro.utils import find_kedro_project

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.packaged import PACKAGE, find_conf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from omegaconf import DictConfig

_REMOTE: Final = "://"
_PYPROJECT: Final = "pyproject.toml"
BASE: Final = "base"
"""The environment beneath all others."""

DEFAULT: Final = "local"
"""The environment of runs that name none."""


class FolderSession(KedroSession):
    """A Kedro session of this project, wherever it is started."""

    @classmethod
    def create(
        cls,
        project_path: Path | str | None = None,
        save_on_close: bool = True,
        env: str | None = None,
        runtime_params: dict[str, Any] | None = None,
        conf_source: str | None = None,
    ) -> KedroSession:
        """Make a session in a folder; in the working folder unless one is given."""
        folder = project_path or find_folder(Path.cwd())
        return super().create(folder, save_on_close, env, runtime_params, conf_source)


def find_folder(start: Path) -> Path:
    """The project's folder that a folder lies in, or that folder itself.

    Other Kedro projects do not count: what is made here must not end up in them.
    """
    import tomllib

    found = find_kedro_project(start)
    if found is None:
        return start
    described = tomllib.loads((Path(found) / _PYPROJECT).read_text(encoding="utf-8"))
    is_ours = described["tool"]["kedro"].get("package_name") == PACKAGE
    return Path(found) if is_ours else start


def list_idle_plugins() -> tuple[str, ...]:
    """The plugins whose hooks do nothing here.

    kedro-telemetry sends nothing, whatever the folder; kedro-viz writes into a Kedro project only,
    and would warn in every other folder that this is none.
    """
    viz = () if find_kedro_project(Path.cwd()) else ("kedro-viz",)
    return ("kedro-telemetry", *viz)


def list_environments(conf_source: str | None = None) -> set[str]:
    """The environments that a run in the working folder can have.

    Args:
        conf_source: Another folder of configuration than the folder's own, or an archive.

    Returns:
        Their names; none for archives and remote places.
    """
    own = conf_source or str(find_folder(Path.cwd()) / "conf")
    if _is_elsewhere(own):
        return set()
    return _list_folders([Path(own)] if _has_base(own) else [Path(own), find_conf()])


def _list_folders(roots: "Iterable[Path]") -> set[str]:
    """The folders of environments, and the one that every run has unless it names another."""
    present = [root for root in roots if root.is_dir()]
    return {DEFAULT, *(path.name for root in present for path in root.iterdir() if path.is_dir())}


def _is_elsewhere(conf_source: str | Path) -> bool:
    """Whether configuration is in an archive or in a remote place."""
    return _REMOTE in str(conf_source) or Path(conf_source).is_file()


def _has_base(conf_source: str | Path) -> bool:
    """Whether a folder has a base configuration, so that it goes by its own alone."""
    return (Path(conf_source) / BASE).is_dir()


class FolderConfigLoader(OmegaConfigLoader):
    """Kedro's loader, with the package's ``conf/`` beneath that of a folder without ``conf/base``.

    Names of folders are taken literally: Kedro takes ``[`` or ``*`` in them for a pattern.
    """

    def __init__(
        self,
        conf_source: str | Path,
        env: str | None = None,
        runtime_params: dict[str, Any] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        """Decide where the configuration is; Kedro's own arguments."""
        self._upper: Path | None = None
        if not (_is_elsewhere(conf_source) or _has_base(conf_source)):
            self._upper, conf_source = Path(conf_source), find_conf()
        super().__init__(conf_source, env, runtime_params, **options)

    def _read_raw_config(
        self, key: str
    ) -> "tuple[dict[Path, DictConfig], dict[Path, DictConfig], str, str, set[Path]]":
        """Read the files of a kind: of base, and of the run's environment, the folder's last."""
        env = self.env or self.default_run_env
        folders = [Path(self._get_conf_env_path(env))]
        if self._upper is not None:
            folders.append(self._upper / env)
        present = [folder for folder in folders if self._fs.isdir(folder.as_posix())]
        if not present and env != self.default_run_env:
            raise ParameterError(self._describe_missing(env, folders[-1]))
        base_path = self._get_conf_env_path(self.base_env)
        processed: set[Path] = set()
        base = self._read_folder(base_path, key, processed)
        above: dict[Path, DictConfig] = {}
        if env != self.base_env:
            for folder in present:
                above |= self._read_folder(str(folder), key, processed)
        return base, above, base_path, str(folders[-1]), processed

    def _read_folder(self, folder: str, key: str, processed: set[Path]) -> "dict[Path, DictConfig]":
        """Read the files of a kind in a folder."""
        patterns, secret = self.config_patterns[key], key == "credentials"
        found: dict[Path, DictConfig] = self._read_dir_configs(
            folder, patterns, key, processed, secret
        )
        return found

    def _read_dir_configs(
        self,
        conf_path: str,
        patterns: "Iterable[str]",
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401  (Kedro's own has no types)
        """Kedro's own, in a folder whose name is no pattern."""
        if self._protocol == "file":
            self._fs = _LiteralFolder(conf_path)
        return super()._read_dir_configs(conf_path, patterns, *args, **kwargs)

    def _is_hidden(self, path_str: str) -> bool:
        """Whether a file is hidden within its folder; where that folder is does not matter."""
        return self._protocol != "file" and bool(super()._is_hidden(path_str))

    def _describe_missing(self, env: str, folder: Path) -> str:
        """What to say of an environment that there is not."""
        roots = [Path(self.conf_source), *([] if self._upper is None else [self._upper])]
        return (
            f"There is no environment {env} ({folder} is no folder): the environments are "
            f"{', '.join(sorted(_list_folders(roots)))}."
        )


class _LiteralFolder(LocalFileSystem):  # type: ignore[misc]
    """Files of one folder: in a pattern only what comes after the folder's name is one."""

    cachable = False

    def __init__(self, folder: str) -> None:
        """Hold on to the folder."""
        super().__init__()
        self._folder = Path(folder)

    def glob(self, path: str, **_: "Mapping[str, Any]") -> list[str]:
        """The files and folders that match, without hidden ones."""
        pattern = path.removeprefix(self._folder.as_posix()).lstrip("/")
        # Not Path.glob, which finds no files by ** before Python 3.13, and hidden ones too.
        found = glob.glob(pattern, root_dir=self._folder, recursive=True)  # noqa: PTH207
        return [(self._folder / name).as_posix() for name in found]
