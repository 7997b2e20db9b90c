"""The catalog of the folder that a command is given in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from lightning_kedro.packaged import PACKAGE

if TYPE_CHECKING:
    from kedro.framework.session import KedroSession
    from kedro.io import CatalogProtocol


@contextmanager
def open_catalog(env: str | None) -> Iterator["CatalogProtocol[Any, Any]"]:
    """Configure the project and make its catalog.

    Args:
        env: The Kedro environment; Kedro's own choice if None.
    """
    from kedro.framework.project import configure_project

    from lightning_kedro.project import FolderSession

    configure_project(PACKAGE)
    with FolderSession.create(env=env) as session:
        yield cast("KedroSession", session).load_context().catalog
