"""``init``: a folder made a Kedro project of its own, with the configuration to edit."""

import shutil
from pathlib import Path
from typing import Final

import click

from lightning_kedro.commands.errors import plain_errors

_PYPROJECT: Final = """\
# A folder in which lightning_kedro runs: `kedro run`, `kedro viz` and `kedro jupyter` work here.
[tool.kedro]
package_name = "lightning_kedro"
project_name = "lightning_kedro"
kedro_init_version = "{version}"
source_dir = "."
"""


@click.command(name="init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(folder: Path) -> None:
    """Copy the configuration to FOLDER/conf for editing, and make FOLDER a Kedro project.

    Runs in FOLDER then go by that configuration alone. For a few values of your own there is no
    need of it: write only them, in conf/local/parameters.yml or conf/local/globals.yml.
    """
    from lightning_kedro.store.disk import explain_disk

    with plain_errors(), explain_disk(folder):
        made = make_project(folder)
    click.echo(f"Made {', '.join(made)} in {folder.resolve()}.")


def make_project(folder: Path) -> list[str]:
    """Copy what a project's folder needs; what it has already stays as it is.

    Returns:
        What was made.

    Raises:
        StorageError: If there is a ``conf/base`` already.
    """
    import kedro

    from lightning_kedro.exceptions import StorageError
    from lightning_kedro.packaged import find_conf

    if (folder / "conf" / "base").exists():
        message = (
            f"Folder {folder.resolve()} has a conf/base already: move it away to have it made "
            f"anew, or edit it."
        )
        raise StorageError(message)
    local = shutil.ignore_patterns("local", "__pycache__")
    shutil.copytree(find_conf(), folder / "conf", ignore=local, dirs_exist_ok=True)
    (folder / "conf" / "local").mkdir(exist_ok=True)
    made = ["conf"]
    texts = {
        "pyproject.toml": _PYPROJECT.format(version=kedro.__version__),
        ".telemetry": "consent: false\n",
    }
    for name, text in texts.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
            made.append(name)
    return made
