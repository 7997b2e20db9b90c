"""Runs the dashboard's server: finds a free port, says the address, opens a browser."""

import contextlib
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightning_kedro.exceptions import LightningKedroError

if TYPE_CHECKING:
    from uvicorn import Server

    from lightning_kedro.store.lake.places import Place

USUAL_PORT: Final = 4180
"""Tried first, so that bookmarks last; any free one if it is taken."""

HIGHEST_PORT: Final = 65535


class ServerError(LightningKedroError):
    """The server cannot listen where it was asked to."""


def serve(
    database: Path,
    reports: Path,
    host: str,
    port: int | None,
    env: str | None,
    say: Callable[[str], None],
    *,
    opens: bool,
    lake: "Place | None" = None,
) -> None:
    """Serve the dashboard until the process is interrupted.

    Args:
        database: The DuckDB file; it need not exist yet.
        reports: The folder of all reports.
        host: The address to listen to.
        port: The port; 0 for any free one, None for the usual one or else any free one.
        env: The Kedro environment whose data these are.
        say: Tells the address.
        opens: Whether to open it in a browser.
        lake: The lake that has granules and coverage in the database's place, if there is one.

    Raises:
        ServerError: If the address or port cannot be had.
    """
    with listen(host, port) as listener:
        address = name_address(listener)
        server = make_server(database, reports, host, env, lake)
        say(f"Dashboard of {database}: {address} (Ctrl+C ends it)")
        if opens:
            threading.Thread(target=open_browser, args=[address], daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def make_server(
    database: Path,
    reports: Path,
    host: str,
    env: str | None = None,
    lake: "Place | None" = None,
) -> "Server":
    """The server, not running yet."""
    from uvicorn import Config, Server

    from lightning_kedro.dashboard.app import make_app

    app = make_app(database, reports, host=host, env=env, lake=lake)
    return Server(
        Config(app, lifespan="off", ws="none", loop="asyncio", http="h11", log_level="warning")
    )


def listen(host: str, port: int | None) -> socket.socket:
    """Listen at an address.

    Raises:
        ServerError: If the address or port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for tried in (USUAL_PORT, 0) if port is None else (port,):
        listener = socket.socket(family)
        # Without it a port that was served a minute ago is taken; Windows would share a port.
        if hasattr(socket, "SO_REUSEPORT"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), tried))
            listener.listen()  # so that a browser that is opened at once waits for the first answer
        except (OSError, OverflowError) as error:
            listener.close()
            last = error
            continue
        return listener
    where = f"{host} port {port if port is not None else USUAL_PORT}"
    message = (
        f"The dashboard cannot listen at {where}: {last}. Give another --port, or --port 0 for "
        f"any free one."
    )
    raise ServerError(message) from last


def name_address(listener: socket.socket) -> str:
    """Where a browser of this machine finds what listens."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  (said, not listened to)
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def open_browser(address: str) -> None:
    """Open an address in a browser with windows, if there is one: none that takes the terminal."""
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(address)
