"""How much sooner flashes come over a slow line if only their bytes are fetched: ratios of one run.

    python tests/benchmarks/home_line.py [--minutes 20] [--rounds 1]

A server on loopback that stands for an S3 at the end of a line: each request waits for 50 ms, and
all bodies and headers together come no faster than the line carries. Over it granules are fetched
and read to the series of their hour, as a run does it: whole, and by ranges. What is made of them
is compared, and must be the same.
"""

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import re
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from ingestion import BUSY, GRANULE_LENGTH, PROJECT, make_hour, name_of

from lightning_kedro.granules.record import HourSeries, StoredGranule
from lightning_kedro.granules.series import read_series
from lightning_kedro.store.storage import Storage

LATENCY_S = 0.05
LINES = (("10 Mbit/s", 10e6 / 8), ("50 Mbit/s", 50e6 / 8), ("no limit", None))
"""Lines, in bytes a second."""

HEADER_BYTES = 450
"""S3 answers with some 450 bytes of headers, TCP and TLS not counted."""

PIECE = 8 << 10
REAL_COUNT = 30
REAL = PROJECT.parent / "shared" / "granules"


class Line:
    """What all answers share: they come one piece after another."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self.bytes_per_second = bytes_per_second
        self.is_free_at = 0.0

    async def carry(self, n_bytes: int) -> None:
        """Wait until so many bytes more have come through."""
        if self.bytes_per_second is None:
            return
        now = time.monotonic()
        self.is_free_at = max(self.is_free_at, now) + n_bytes / self.bytes_per_second
        await asyncio.sleep(self.is_free_at - now)


def serve(bodies: dict[str, bytes], bytes_per_second: float | None, pipe: Any) -> None:
    """Answer requests for objects and ranges of them; runs in a process of its own."""
    from aiohttp import web

    line, counts = Line(bytes_per_second), {"requests": 0, "bytes": 0}
    tags = {key: f'"{zlib.crc32(body):08x}"' for key, body in bodies.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/counts":
            told = dict(counts)
            counts.update(requests=0, bytes=0)
            return web.json_response(told)
        key = request.path.lstrip("/")
        body, status, headers = bodies[key], 200, {"ETag": tags[key]}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if request.headers.get("If-Match", tags[key]) != tags[key]:
            return web.Response(status=412)
        if asked:
            start, stop = int(asked[1]), int(asked[2]) + 1
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
            body, status = body[start:stop], 206
        counts["requests"] += 1
        counts["bytes"] += len(body)
        await asyncio.sleep(LATENCY_S)
        await line.carry(HEADER_BYTES)
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        for first in range(0, len(body), PIECE):
            piece = body[first : first + PIECE]
            await line.carry(len(piece))
            await response.write(piece)
        await response.write_eof()
        return response

    async def run() -> None:
        app = web.Application()
        app.router.add_route("GET", "/{tail:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await asyncio.Event().wait()

    asyncio.run(run())


@contextlib.contextmanager
def line_to(bodies: dict[str, bytes], bytes_per_second: float | None) -> Iterator[str]:
    """The address of a server at the end of a line."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(bodies, bytes_per_second, there), daemon=True)
    server.start()
    yield here.recv()
    server.terminate()
    server.join()


def ask_counts(endpoint: str) -> dict[str, int]:
    """What was served since it was asked last."""
    import json
    from urllib.request import urlopen

    with urlopen(f"{endpoint}/counts") as answer:  # noqa: S310  (on loopback)
        counts: dict[str, int] = json.load(answer)
    return counts


def read(
    endpoint: str, granules: Sequence[StoredGranule], *, ranges: bool
) -> tuple[float, dict[str, int], HourSeries]:
    """Fetch and read granules as a run does it: seconds, what was served, and the series."""
    entry = yaml.safe_load((PROJECT / "conf" / "base" / "catalog.yml").read_text())["glm_archive"]
    arguments = {"anon": True, "endpoint_url": endpoint, **entry["fs_args"]}
    storage = Storage(
        "s3://noaa-goes16", arguments, max_concurrency=entry["max_concurrency"], ranges=ranges
    )
    storage.read(granules[0])  # connects
    ask_counts(endpoint)
    began = time.perf_counter()
    series = read_series(storage.choose_reader(("flash",)).read_all(granules))
    return time.perf_counter() - began, ask_counts(endpoint), series


def compare(label: str, paths: Sequence[Path], rounds: int) -> None:
    """Whole granules beside ranges, over each line."""
    bodies = {
        f"noaa-goes16/{number}/{path.name}": path.read_bytes() for number, path in enumerate(paths)
    }
    granules = [
        StoredGranule(name_of(path), key, len(body))
        for path, (key, body) in zip(paths, bodies.items(), strict=True)
    ]
    megabytes = sum(map(len, bodies.values())) / 1e6
    print(f"\n{label}: {len(paths)} granules, {megabytes:.1f} MB")
    for line, bytes_per_second in LINES:
        with line_to(bodies, bytes_per_second) as endpoint:
            for _ in range(rounds):
                whole, _, expected = read(endpoint, granules, ranges=False)
                ranged, counts, series = read(endpoint, granules, ranges=True)
                assert series.flashes.equals(expected.flashes)
                assert series.granules.equals(expected.granules)
                print(
                    f"  {line:10s} whole {whole:6.2f} s, by ranges {ranged:6.2f} s: "
                    f"ratio = {whole / ranged:.2f}; {counts['bytes'] / megabytes / 1e4:.0f} % of "
                    f"the bytes, {counts['requests'] / len(paths):.1f} requests a granule"
                )


def find_real() -> dict[tuple[str, datetime], list[Path]]:
    """The real granules at hand by satellite and hour."""
    found: dict[tuple[str, datetime], list[Path]] = {}
    for path in sorted(REAL.glob("*.nc")):
        name = name_of(path)
        found.setdefault((name.platform, name.hour), []).append(path)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=20, help="of the simulated hour")
    parser.add_argument("--rounds", type=int, default=1, help="how often each line is measured")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        count = timedelta(minutes=options.minutes) // GRANULE_LENGTH
        paths = sorted(make_hour(Path(name), BUSY.hour).glob("*.nc"))[:count]
        compare("A simulated hour (aim at 10 Mbit/s: at least 1.8)", paths, options.rounds)
    for (platform, hour), real in find_real().items():
        if (platform, f"{hour:%Y%j}") in (
            ("G16", "2018183"),
            ("G17", "2019270"),
            ("G19", "2025097"),
        ):
            paths = (REAL_COUNT * real)[:REAL_COUNT]
            label = f"Real granules of {platform}, {hour:%Y-%m-%d %H:00}, {len(real)} of them"
            compare(f"{label}, each several times", paths, options.rounds)


if __name__ == "__main__":
    main()
