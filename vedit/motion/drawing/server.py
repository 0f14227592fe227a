"""Serving the drawing page: on loopback only, under an address that only who started it knows.

No request names a file: there are four addresses, and what lies behind them is in memory. What is saved goes to the one
file that the command named, and only after it was found right.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vedit.clip.sizes import Size
from vedit.errors import ConfigError, VeditError, first_line
from vedit.files import LARGEST_SETTINGS
from vedit.motion.strokes.fields import is_no_path
from vedit.motion.strokes.reading import checked
from vedit.motion.strokes.schema import StrokesFile
from vedit.motion.strokes.writing import save_strokes

LOOPBACK = "127.0.0.1"

PAGE = Path(__file__).with_name("page.html")

PATIENCE = 20
"""Seconds that a request may take to be sent."""


class DrawingServer(ThreadingHTTPServer):
    """Serves the page of one picture until it is done. A context manager.

    Args:
        picture: PNG bytes
        size: (H, W) of the picture
        output: the strokes file
        strokes: what is drawn already, None for nothing
        port: 0 takes a free one
        overwrite: whether a file may be replaced that this page did not write

    Raises:
        OSError: where the port is taken
    """

    daemon_threads = True

    def __init__(
        self,
        picture: bytes,
        size: Size,
        output: Path,
        strokes: StrokesFile | None = None,
        port: int = 0,
        *,
        overwrite: bool = False,
    ) -> None:
        self.picture, self.size, self.output, self.overwrite = picture, size, output, overwrite
        self.token, self.saved = secrets.token_urlsafe(24), 0
        self.start = {"version": 1, "size": [size[1], size[0]]}
        if strokes is not None:
            self.start = {"version": 1, **strokes.model_dump(mode="json", exclude_defaults=True)}
        self.masks: set[str] = set()
        if strokes is not None:
            masks = [*(each.mask for each in strokes.strokes), *(each.mask for each in strokes.anchors)]
            masks += [each.mask for each in strokes.sway]
            self.masks |= {each for each in masks if isinstance(each, str)}
        super().__init__((LOOPBACK, port), _Answer)

    @property
    def host(self) -> str:
        """As a browser names it."""
        return f"{LOOPBACK}:{self.server_port}"

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{self.host}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line; and none for a browser that has gone away."""
        if not isinstance(error := sys.exception(), (ConnectionError, TimeoutError)):
            print(f"the page could not be served: {first_line(error)}", file=sys.stderr)

    def page(self) -> str:
        """The page, its scripts marked __NONCE__."""
        return PAGE.read_text(encoding="utf-8")

    def save(self, values: Mapping[str, Any]) -> None:
        """Write what was drawn. Raises ConfigError for what is wrong with it, MediaError where it cannot be written."""
        for each in [each for key in ("strokes", "anchors", "sway") for each in _mappings(values.get(key))]:
            mask = each.get("mask")
            if isinstance(mask, str) and not is_no_path(mask) and mask not in self.masks:
                raise ConfigError("a mask that names a file is written into the strokes file by hand.")
        save_strokes(checked(values, self.output), self.output, overwrite=self.overwrite or self.saved > 0)
        self.saved += 1


def _mappings(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


class _Answer(BaseHTTPRequestHandler):
    """One request, answered where it knows the token and comes from this page."""

    server: DrawingServer
    timeout = PATIENCE
    server_version, sys_version = "vedit", ""

    def do_GET(self) -> None:
        match self._asked():
            case "":
                self._send_page()
            case "picture.png":
                self._send(self.server.picture, "image/png")
            case "strokes.json":
                start = {"strokes": self.server.start, "name": self.server.output.name}
                self._send(json.dumps(start).encode(), "application/json")
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        asked = self._asked()
        if asked == "done":
            self._send(b"{}", "application/json")
            self.server.shutdown()  # in a thread of its own, as every request is
            return
        if asked != "strokes.json":
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal() or int(length[:12]) > LARGEST_SETTINGS:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LARGEST_SETTINGS:,} bytes")
            return
        try:
            values = json.loads(self.rfile.read(int(length)))
            if not isinstance(values, dict):
                raise ConfigError("there are no strokes in it.")
            self.server.save(values)
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"not JSON: {error}")
        except VeditError as error:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        else:
            self._send(json.dumps({"saved": self.server.output.name}).encode(), "application/json")

    def _asked(self) -> str | None:
        """What of the page is asked for; None for what is not this page's, and for other pages that ask."""
        start, own = f"/{self.server.token}/", self.server.host
        origin = self.headers.get("Origin")
        if self.headers.get("Host") != own or origin not in (None, f"http://{own}"):
            return None
        path = self.path.encode()
        if not secrets.compare_digest(path[: len(start)], start.encode()):
            return None
        return self.path[len(start) :]

    def _send_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; img-src 'self'; connect-src 'self'; script-src 'nonce-{nonce}'; "
            f"style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        page = self.server.page().replace("__NONCE__", nonce)
        self._send(page.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": policy})

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(json.dumps({"error": why}).encode(), "application/json", status=status)

    def _send(
        self,
        content: bytes,
        kind: str,
        headers: Mapping[str, str] | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self.send_response(status)
        common = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        for name, value in {**common, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the address is a secret."""
