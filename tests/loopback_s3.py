"""An S3 on loopback that lists and serves a folder, and misbehaves on a seeded schedule."""

import itertools
import random
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

FAULTS = ("503", "500", "reset", "cut", "stall", "html")

PAGE = """<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Welcome</title>
</head><body><p>Sign in to use this network.</p></body></html>"""
"""What a captive portal or a proxy answers in the place of S3: good XML, with status 200."""

RANGES = ("honored", "ignored", "unversioned", "weak", "shifted", "short", "longer")
"""How requests for a range are answered: as they should be, with all of the object, without an
``ETag``, with one that may be that of two contents, with another range, with too few bytes, with
too many."""

BAD_FAITH = ("trickle", "headers", "endless", "longer")
"""What no broken network does, but a server may: a byte at a time, headers that never end, a body
without end, and one that is longer than was listed."""

TRICKLE_S = 0.05
ENDLESS_BYTES = 256 << 20
"""An endless body ends after so many bytes, so that a client without bounds fails a test."""

CODES = {"403": "AccessDenied", "500": "InternalError", "503": "SlowDown"}


@dataclass
class Schedule:
    """Which requests fail, and how.

    Attributes:
        seed: Of the schedule.
        share: Of the requests for objects that fail; less than all of them never fail the same
            thing more than three times in a row, so that retries always succeed.
        list_share: Of the listings that fail.
        kinds: What may happen: an error status, a connection reset, a body cut short, a stall, a
            page in the place of the answer; or one of ``BAD_FAITH``.
        doomed: Names that always fail with a 503; ``LIST`` dooms all listings.
        denied: Whether everything is refused with a 403.
    """

    seed: int = 0
    share: float = 0.0
    list_share: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    doomed: frozenset[str] = frozenset()
    denied: bool = False
    stall_s: float = 3.0
    _asked: Counter[str] = field(init=False, default_factory=Counter)
    _in_a_row: Counter[str] = field(init=False, default_factory=Counter)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def next_fault(self, key: str) -> str | None:
        if self.denied:
            return "403"
        first_word, file_name = key.split(" ", 1)[0], key.rsplit("/", 1)[-1].split(" ", 1)[0]
        if {file_name, first_word} & self.doomed:
            return "503"
        share = self.list_share if key.startswith("LIST") else self.share
        with self._lock:
            self._asked[key] += 1
            # Not one sequence for all: requests come in another order each time.
            dealt = random.Random(f"{self.seed} {key} {self._asked[key]}")
            fails = dealt.random() < share and (share == 1 or self._in_a_row[key] < 3)
            self._in_a_row[key] = self._in_a_row[key] + 1 if fails else 0
            return dealt.choice(self.kinds) if fails else None


class LoopbackS3(ThreadingHTTPServer):
    """Serves the folder of each bucket below a root; counts what it is asked for."""

    daemon_threads = True

    def __init__(self, root: Path, schedule: Schedule) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.schedule = schedule
        self.requests: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.extra_keys: dict[str, int] = {}
        self.page_size = 1000
        self.answer_listing: Callable[[Mapping[str, str]], str] | None = None
        self.bytes_sent = 0
        self.ranges = "honored"
        self.object_bytes = 0
        self.range_numbers = itertools.count(1)
        self.before_range: Callable[[Path, int], None] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackS3

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if "list-type" in query:
            self.server.requests["LIST"] += 1
            self._list(bucket, **{name: values[0] for name, values in query.items()})
        else:
            self.server.requests["GET"] += 1
            self._get(self.server.root / bucket / key, key)

    def do_HEAD(self) -> None:
        self.server.requests["HEAD"] += 1
        self._answer(404, b"")

    def _list(self, bucket: str, prefix: str = "", **query: str) -> None:
        if self.server.answer_listing is not None:
            self._answer(200, self.server.answer_listing({"prefix": prefix, **query}).encode())
            return
        folder = self.server.root / bucket
        if not folder.is_dir():
            body = "<Error><Code>NoSuchBucket</Code><Message>No such bucket</Message></Error>"
            self._answer(404, body.encode())
            return
        paths = sorted(path for path in folder.rglob("*.nc") if path.is_file())
        items = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in paths]
        items += self.server.extra_keys.items()
        found = [(key, size) for key, size in items if key.startswith(prefix)]
        first = int(query.get("continuation-token", "0"))
        last = first + self.server.page_size
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><ETag>&quot;e&quot;</ETag>"
            f"<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, size in found[first:last]
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < len(found) else ""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>{bucket}</Name>'
            f"<Prefix>{prefix}</Prefix><KeyCount>{len(found[first:last])}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>{str(bool(more)).lower()}</IsTruncated>"
            f"{more}{contents}</ListBucketResult>"
        )
        self._answer_or_fail(self.server.schedule.next_fault(f"LIST {prefix}"), body.encode())

    def _get(self, path: Path, key: str) -> None:
        asked = self.headers.get("Range")
        if asked is not None:
            self.server.requests["RANGE"] += 1
            if self.server.before_range is not None:
                self.server.before_range(path, next(self.server.range_numbers))
        fault = self.server.schedule.next_fault(key if asked is None else f"{key} {asked}")
        if fault is None and not path.is_file():
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>No key</Message></Error>")
        elif fault is None and asked is not None and self.server.ranges != "ignored":
            self._answer_range(path.read_bytes(), asked)
        else:
            content = path.read_bytes() if path.is_file() else b""
            self.server.object_bytes += len(content)
            self._answer_or_fail(fault, content)

    def _answer_range(self, content: bytes, asked: str) -> None:
        """Answer with a part of an object, in the way that this server has with ranges."""
        way, tag = self.server.ranges, f'"{zlib.crc32(content):08x}"'
        start, stop = (int(number) for number in asked.removeprefix("bytes=").split("-"))
        if start >= len(content):
            body = b"<Error><Code>InvalidRange</Code><Message>Not satisfiable</Message></Error>"
            self._answer(416, body)
            return
        if self.headers.get("If-Match", tag) != tag:
            body = b"<Error><Code>PreconditionFailed</Code><Message>Replaced</Message></Error>"
            self._answer(412, body)
            return
        stop = min(stop, len(content) - 1)
        part = content[start : stop + 1]
        first = start + 1 if way == "shifted" else start
        headers = {"Content-Range": f"bytes {first}-{stop}/{len(content)}"}
        if way != "unversioned":
            headers["ETag"] = f"W/{tag}" if way == "weak" else tag
        if way in ("short", "longer"):
            part = part[:-1] if way == "short" else part + b"x"
        self.server.object_bytes += len(part)
        self._answer(206, part, headers=headers)

    def _answer_or_fail(self, fault: str | None, content: bytes) -> None:
        if fault is not None:
            self.server.faults[fault] += 1
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
        elif fault in BAD_FAITH:
            self._answer_in_bad_faith(fault, content)
        elif fault in CODES:
            body = f"<Error><Code>{CODES[fault]}</Code><Message>Not now</Message></Error>"
            self._answer(int(fault), body.encode())
        else:
            if fault == "stall":
                time.sleep(self.server.schedule.stall_s)
            self._answer(200, PAGE.encode() if fault == "html" else content, cut=fault == "cut")

    def _answer_in_bad_faith(self, fault: str, content: bytes) -> None:
        """Send for as long as the client listens, or ``ENDLESS_BYTES``."""
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n")
        if fault == "headers":
            for number in range(10_000):
                self.wfile.write(b"X-%d: x\r\n" % number)
                time.sleep(TRICKLE_S)
            return
        self.wfile.write(b'ETag: "e"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n')
        if fault == "trickle":
            self.wfile.write(b"Content-Length: %d\r\n\r\n" % max(len(content), 10_000))
            for byte in content.ljust(10_000):
                self.wfile.write(bytes([byte]))
                time.sleep(TRICKLE_S)
            return
        self.wfile.write(b"\r\n")
        self.wfile.write(content)
        block = b" " * (64 << 10)
        while fault == "endless" and self.server.bytes_sent < ENDLESS_BYTES:
            self.wfile.write(block)
            self.server.bytes_sent += len(block)
        if fault == "longer":
            self.wfile.write(b"x" * 100)

    def _answer(
        self,
        status: int,
        body: bytes,
        *,
        cut: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        for name, value in ({"ETag": '"e"'} if headers is None else headers).items():
            self.send_header(name, value)
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut


@contextmanager
def serve_folder(root: Path, schedule: Schedule | None = None) -> Iterator[LoopbackS3]:
    """Serve ``root/<bucket>/...`` until the end of the block."""
    server = LoopbackS3(root, schedule or Schedule())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
