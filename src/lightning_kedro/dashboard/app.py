"""The dashboard's web server: addresses, what they answer, and what goes wrong in plain words."""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from lightning_kedro.dashboard import pages
from lightning_kedro.dashboard.addresses import BadRequestError, NotFoundError
from lightning_kedro.dashboard.answers import MapAnswers
from lightning_kedro.dashboard.database import CrowdedError, NoDatabaseError, Reader
from lightning_kedro.dashboard.views import Place
from lightning_kedro.exceptions import DatabaseBusyError, LightningKedroError
from lightning_kedro.pipelines.reporting.interactive_map import pack_basemap
from lightning_kedro.pipelines.reporting.report import PICTURES, read_template
from lightning_kedro.store.lake.places import Place as LakePlace
from lightning_kedro.store.reports import PAGE, THUMBNAIL

logger = logging.getLogger(__name__)

BUSY: Final = 503

RETRY_SECONDS: Final = 2
"""After so long a page that a run is in the way of tries again."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
"""The names of this machine."""

POLICY: Final = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing comes from elsewhere, and nothing in a page runs that is not a file of ours."""

REPORT_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""A report has style and script inside: the same as its own policy, and nothing to connect to."""

STATIC: Final = {
    "dashboard.css": "text/css",
    "dashboard.js": "text/javascript",
    "report.css": "text/css",
    "map.js": "text/javascript",
    "storms.js": "text/javascript",
    "basemap.js": "text/javascript",
    "basemap.json": "application/json",
}
"""Files of the pages; style and map script are the report's own."""

_NAME: Final = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_+.-]*")
_REPORT_FILES: Final = frozenset(
    {PAGE, THUMBNAIL, *(f"{name}.{kind}" for name in PICTURES for kind in ("png", "gif"))}
)

Platforms = Annotated[list[str] | None, Query(alias="satellite")]
Text = Annotated[str | None, Query(max_length=40)]
Name = Annotated[str | None, Query(max_length=400)]


def make_app(
    database: Path,
    reports: Path,
    *,
    host: str = LOOPBACK[0],
    env: str | None = None,
    lake: LakePlace | None = None,
) -> FastAPI:
    """Make the server's application.

    Args:
        database: The DuckDB file; it need not exist yet.
        reports: The folder of all reports.
        host: The address that it listens to; on loopback only requests by its own names are
            answered, so that no page from elsewhere can ask in a visitor's browser.
        env: The Kedro environment whose data these are, for the commands that pages name.
        lake: The lake that has granules and coverage in the database's place, if there is one.
    """
    app = FastAPI(title="lightning_kedro", docs_url=None, redoc_url=None, openapi_url=None)
    reader = Reader(database, lake=lake)
    place = Place(database, reports, env)
    if host in LOOPBACK:
        app.middleware("http")(_check_host)
    app.middleware("http")(_add_headers)
    _add_pages(app, reader, place)
    _add_files(app, reader, place)
    answer = partial(_answer, place)
    _add_states(app, answer)
    _add_refusals(app, answer)
    return app


def _add_pages(app: FastAPI, reader: Reader, place: Place) -> None:
    """The pages that people look at."""

    @app.get("/", response_class=HTMLResponse)
    def show_calendar(satellite: Platforms = None, month: Text = None, day: Text = None) -> str:
        """The calendar, and a day of it."""
        return pages.show_calendar(reader, place, satellite, month, day)

    @app.get("/results/{name}", response_class=HTMLResponse)
    def show_result(name: str, by: Text = None) -> str:
        """A result."""
        return pages.show_result(reader, place, name, by)

    @app.get("/compare", response_class=HTMLResponse)
    def compare(left: Name = None, right: Name = None, by: Text = None, same: Text = None) -> str:
        """Two results side by side."""
        return pages.compare_results(reader, place, left, right, by, same)


def _add_files(app: FastAPI, reader: Reader, place: Place) -> None:
    """What the pages load, and the published reports."""
    maps = MapAnswers(reader)

    @app.get("/api/results/{name}/map")
    def read_map_data(name: str, by: Text = None, beside: Name = None) -> Response:
        """What the map of a result needs but for the basemap; with room for another result."""
        return Response(maps.read(name, by, beside), media_type="application/json")

    @app.get("/static/{name}")
    def read_static(name: str) -> Response:
        """A file of the pages."""
        if name not in STATIC:
            raise NotFoundError(f"There is no file {name[:80]!r} here.")
        headers = {"Cache-Control": "max-age=300"}
        return Response(_load_static(name), media_type=STATIC[name], headers=headers)

    @app.get("/reports/{name}/{file}")
    def read_report(name: str, file: str) -> Response:
        """A file of a published report."""
        path = place.reports / name / file
        if not _NAME.fullmatch(name) or file not in _REPORT_FILES or not path.is_file():
            raise NotFoundError("There is no such report here: `kedro run` makes it.")
        headers = {"Content-Security-Policy": REPORT_POLICY}
        return FileResponse(path, headers=headers)


@cache
def _load_static(name: str) -> str:
    """The content of a file of the pages."""
    if name == "basemap.json":
        return json.dumps(pack_basemap(), separators=(",", ":"))
    if name in {"report.css", "map.js", "storms.js", "basemap.js"}:
        return read_template(name)
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")


def _answer(
    place: Place,
    request: Request,
    status: int,
    message: str,
    **more: Any,  # noqa: ANN401  (what the page takes besides)
) -> Response:
    """Say what is wrong: as a page, or as JSON where a script asked."""
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == BUSY else None
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": message}, status, headers=headers)
    page = pages.show_error(place, status, message, **more)
    return HTMLResponse(page, status, headers=headers)


def _add_states(app: FastAPI, answer: Callable[..., Response]) -> None:
    """What keeps the database from being read."""

    @app.exception_handler(NoDatabaseError)
    def say_empty(request: Request, error: NoDatabaseError) -> Response:
        status = 200 if request.url.path == "/" else 404
        return answer(request, status, str(error), is_empty=True)

    @app.exception_handler(DatabaseBusyError)
    def say_busy(request: Request, error: DatabaseBusyError) -> Response:
        logger.info("Answered 503: %s", error)
        run = "A run is under way, or another program has the database open."
        why = str(error) if isinstance(error, CrowdedError) else run
        message = f"{why} This page tries again every {RETRY_SECONDS} seconds."
        return answer(request, BUSY, message, retries=True)

    @app.exception_handler(LightningKedroError)
    def say_error(request: Request, error: LightningKedroError) -> Response:
        logger.warning("Answered 500: %s", error)
        return answer(request, 500, str(error))

    @app.exception_handler(Exception)
    def say_unforeseen(request: Request, error: Exception) -> Response:  # noqa: ARG001
        message = "This page cannot be shown, for a reason that nobody foresaw: the log has it."
        return answer(request, 500, message)


def _add_refusals(app: FastAPI, answer: Callable[..., Response]) -> None:
    """What is wrong with an address."""

    @app.exception_handler(BadRequestError)
    def say_bad(request: Request, error: BadRequestError) -> Response:
        return answer(request, 400, str(error))

    @app.exception_handler(RequestValidationError)
    def say_invalid(request: Request, error: RequestValidationError) -> Response:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][1:])
        message = f"The parameter {where[:40]} of this address has a value that cannot be used."
        return answer(request, 400, message)

    @app.exception_handler(NotFoundError)
    def say_missing(request: Request, error: NotFoundError) -> Response:
        return answer(request, 404, str(error))

    @app.exception_handler(HTTPException)
    def say_http(request: Request, error: HTTPException) -> Response:
        words = {404: "There is no such page here.", 405: "Pages here are only read."}
        return answer(request, error.status_code, words.get(error.status_code, str(error.detail)))


async def _check_host(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Answer only requests by this machine's own names: a name from elsewhere may lead here too."""
    if request.url.hostname not in LOOPBACK:
        return Response("This dashboard answers to names of this machine only.", 400)
    return await call_next(request)


async def _add_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """What every answer says: nothing is fetched from elsewhere, nothing is kept."""
    response = await call_next(request)
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response
