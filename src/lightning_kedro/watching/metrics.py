"""Where the numbers of a watch can be read: a file for node_exporter, or a port of this machine."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from lightning_kedro.exceptions import LightningKedroError
from lightning_kedro.store.files import write_atomic

LOOPBACK: Final = "127.0.0.1"

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsError(LightningKedroError):
    """The numbers cannot be shown where they were asked for."""


def write_metrics(path: Path, text: str) -> None:
    """Write the file that node_exporter's textfile collector reads: as a whole, or not at all.

    Raises:
        StorageError: If it cannot be written.
    """
    with write_atomic(path) as partial:
        partial.write_bytes(text.encode("utf-8"))


@contextmanager
def serve_metrics(port: int, make_text: Callable[[], str]) -> Iterator[str]:
    """Answer ``/metrics`` on this machine's own address, in a thread.

    Args:
        port: The port; 0 for any free one.
        make_text: Gives the numbers as they are now.

    Yields:
        The address.

    Raises:
        MetricsError: If the port cannot be had.
    """
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), _make_handler(make_text))
    except (OSError, OverflowError) as error:
        message = (
            f"Metrics cannot be served at {LOOPBACK} port {port}: {error}. Give another "
            f"--metrics-port, or 0 for any free one."
        )
        raise MetricsError(message) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _make_handler(make_text: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    """What answers requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            content = (make_text() if found else "The numbers are at /metrics.\n").encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing: requests come several times a minute."""

    return Handler
