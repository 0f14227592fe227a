"""The server of the drawing page: who may ask it what, and what it writes."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Ran
from tests.report.browser import serving
from vedit.motion.drawing import DrawingServer
from vedit.motion.drawing.picture import png_of
from vedit.motion.strokes import read_strokes

DRAWN = {"version": 1, "size": [64, 48], "strokes": [{"points": [[1, 2], [30, 20]]}]}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DrawingServer]:
    Image.new("RGB", (64, 48)).save(tmp_path / "p.png")
    png, size = png_of(tmp_path / "p.png")
    with DrawingServer(png, size, tmp_path / "s.yaml") as server, serving(server):
        yield server


def ask(
    server: DrawingServer,
    path: str,
    method: str = "GET",
    body: str | None = None,
    headers: dict[str, str] | None = None,
    token: str | None = None,
) -> tuple[int, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    with closing(line):  # also where the server hangs up on what is too long
        line.request(method, f"/{server.token if token is None else token}/{path}", body, headers or {})
        answer = line.getresponse()
        return answer.status, answer.read()


def save(server: DrawingServer, values: Any) -> tuple[int, Any]:
    status, content = ask(server, "strokes.json", "POST", values if isinstance(values, str) else json.dumps(values))
    return status, json.loads(content)


def test_it_listens_on_loopback_alone(server: DrawingServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", server.address)


def test_the_page_and_the_picture(server: DrawingServer) -> None:
    status, page = ask(server, "")
    assert (status, b"__NONCE__" in page, b"<canvas" in page) == (200, False, True)
    assert ask(server, "picture.png") == (200, server.picture)
    assert json.loads(ask(server, "strokes.json")[1])["strokes"] == {"version": 1, "size": [64, 48]}


def test_what_is_drawn_is_saved(server: DrawingServer) -> None:
    assert save(server, DRAWN) == (200, {"saved": "s.yaml"})
    assert read_strokes(server.output).strokes[0].points == ((1, 2), (30, 20))
    assert server.saved == 1


@pytest.mark.parametrize(
    ("values", "status", "why"),
    [
        ({**DRAWN, "strokes": [{"points": [[1, 2]]}]}, 422, "stroke 1: points: [[1, 2]] has one point"),
        ({**DRAWN, "strokes": [{**DRAWN["strokes"][0], "mask": "/etc/passwd"}]}, 422, "by hand"),  # type: ignore[index,dict-item]
        ([], 422, "no strokes"),
        ("{", 400, "not JSON"),
        ("[" * 100_000, 400, "not JSON"),
        ('"' + "x" * 1_100_000 + '"', 413, "more than 1,000,000 bytes"),
    ],
)
def test_what_is_wrong_is_told_and_not_saved(server: DrawingServer, values: Any, status: int, why: str) -> None:
    try:
        found, answer = save(server, values)
    except (BrokenPipeError, ConnectionResetError):  # it does not read on what is too long
        assert status == 413
    else:
        assert found == status
        assert why in answer["error"]
    assert not server.output.exists()
    assert server.saved == 0


@pytest.mark.parametrize("path", ["p.png", "../p.png", "..%2fp.png", "/etc/passwd", "s.yaml", "strokes.json/", "?"])
def test_no_path_leads_to_a_file(server: DrawingServer, path: str) -> None:
    for method in ("GET", "POST"):
        assert ask(server, path, method, "{}" if method == "POST" else None)[0] == 404


def test_who_does_not_know_the_address_or_comes_from_another_page_gets_nothing(server: DrawingServer) -> None:
    assert ask(server, "", token="x" * 32)[0] == 404
    assert ask(server, "", token="")[0] == 404
    assert ask(server, "", headers={"Host": f"vedit.example:{server.server_port}"})[0] == 404
    assert ask(server, "strokes.json", "POST", "{}", {"Origin": "http://vedit.example"})[0] == 404
    assert ask(server, "strokes.json", "PUT", "{}")[0] == 501
    assert not server.output.exists()


def test_garbage_does_not_end_it(server: DrawingServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)) as line:
        line.sendall(b"\x00\xff" * 50 + b"\r\n\r\n")
        line.recv(100)
    assert ask(server, "")[0] == 200


def test_a_file_that_exists_is_gone_on_with(tmp_path: Path) -> None:
    Image.new("L", (64, 48), 255).save(tmp_path / "white.png")
    path = tmp_path / "s.yaml"
    stroke = "{points: [[1, 2], [30, 20]], mask: white.png}"
    path.write_text(f"version: 1\nsize: [64, 48]\nrate: 8\nstrokes: [{stroke}]\n")
    with DrawingServer(b"", (48, 64), path, read_strokes(path), overwrite=True) as server:
        server.save({**server.start, "anchors": [{"point": [3, 4]}]})
    text = path.read_text()
    assert "mask: white.png" in text
    assert "rate: 8" in text
    assert read_strokes(path).anchors[0].point == (3, 4)


def test_what_another_page_wrote_meanwhile_stays(server: DrawingServer) -> None:
    server.output.write_text("of somebody else")
    status, said = ask(server, "strokes.json", "POST", json.dumps(DRAWN))
    assert status == 422
    assert b"exists already" in said
    assert server.output.read_text() == "of somebody else"
    server.output.unlink()
    assert [ask(server, "strokes.json", "POST", json.dumps(DRAWN))[0] for _ in range(2)] == [200, 200]


def test_a_browser_that_goes_away_is_not_told_of(server: DrawingServer, capsys: pytest.CaptureFixture[str]) -> None:
    for error, said in ((ConnectionResetError(), ""), (ValueError("odd"), "the page could not be served: odd\n")):
        try:
            raise error
        except (OSError, ValueError):
            server.handle_error(None, None)
        assert capsys.readouterr().err == said


def test_the_command_serves_until_done(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "p.png")
    command = [sys.executable, "-m", "vedit", "draw", "p.png", "--no-browser"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]+)/", running.stderr.readline())
        assert found is not None
        for path, body in (("strokes.json", json.dumps(DRAWN)), ("done", "")):
            line = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
            line.request("POST", f"/{found[2]}/{path}", body)
            assert line.getresponse().read()
            line.close()
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, out) == (0, "p-strokes.yaml\n")
    assert read_strokes(tmp_path / "p-strokes.yaml").strokes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.png"], "no.png does not exist"),
        (["p.png", "-o", "s.json"], "strokes are written as .yaml"),
        (["p.png", "-o", "there.yaml"], "there.yaml exists already"),
        (["p.png", "-o", "there.yaml", "--overwrite"], "drawn on 9x9 pixels, and the picture is 64x48"),
        (["there.yaml"], "there.yaml"),
    ],
)
def test_what_cannot_be_drawn_on_is_told(
    arguments: list[str], said: str, tmp_path: Path, vedit: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 48)).save("p.png")
    Path("there.yaml").write_text("version: 1\nsize: [9, 9]\n")
    assert said in vedit("draw", *arguments, "--no-browser").complaint
