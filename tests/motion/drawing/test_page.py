"""The drawing page in a browser: drawn, saved, loaded again, and refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.report.browser import PATIENCE, browser, serving
from vedit.motion.drawing import DrawingServer
from vedit.motion.drawing.picture import png_of
from vedit.motion.strokes import StrokesFile, read_strokes

HANDS = """<script nonce="__NONCE__">
const wait = (test) => new Promise((then) => { const look = () => test() ? then() : setTimeout(look, 20); look(); });
function hand(kind, [x, y]) {
  const box = canvas.getBoundingClientRect(), scale = box.width / picture.naturalWidth;
  canvas.dispatchEvent(new PointerEvent(kind, { clientX: box.left + x * scale, clientY: box.top + y * scale,
                                                bubbles: true, button: 0 }));
}
function drag(...points) {
  hand("pointerdown", points[0]);
  for (let index = 1; index < points.length; index++) {
    const [a, b] = [points[index - 1], points[index]];
    for (let step = 1; step <= 10; step++)
      hand("pointermove", [a[0] + (b[0] - a[0]) * step / 10, a[1] + (b[1] - a[1]) * step / 10]);
  }
  hand("pointerup", points.at(-1));
}
function write(id, text) { at(id).value = text; at(id).dispatchEvent(new Event("change")); }
function press(key, more = {}) { window.dispatchEvent(new KeyboardEvent("keydown", { key, ...more })); }
async function keep() { const ok = await save(); document.body.dataset.said = at("said").textContent; return ok; }
(async () => {
  try {
    await wait(() => document.body.dataset.ready);
    __DO__
  } catch (error) { document.body.dataset.fault = String(error); }
  document.body.dataset.end = "1";
})();
</script></body>"""
"""Draws and presses buttons as a person would."""


class Probed(DrawingServer):
    """A server whose page does something by itself."""

    do = ""

    def page(self) -> str:
        return super().page().replace("</body>", HANDS.replace("__DO__", self.do))


class Browsed:
    """What a browser left of the page: its notes, and the lines of its console."""

    def __init__(self, page: str, console: list[str]) -> None:
        self.said = (re.findall(r'data-said="([^"]*)"', page) or [""])[0]
        self.fault = (re.findall(r'data-fault="([^"]*)"', page) or [""])[0]
        self.ended = 'data-end="1"' in page
        self.rows = re.findall(r"<li[^>]*>.*?</span>([^<]*)</li>", page)
        self.console = console


def opened(folder: Path, do: str, strokes: StrokesFile | None = None) -> Browsed:
    Image.new("RGB", (400, 300), (90, 120, 150)).save(folder / "p.png")
    png, size = png_of(folder / "p.png")
    with Probed(png, size, folder / "s.yaml", strokes) as server, serving(server):
        server.do = do
        arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1200,900",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000", "--dump-dom", server.address,
        ]  # fmt: skip
        done = subprocess.run([browser(), *arguments], capture_output=True, text=True, check=True, timeout=3 * PATIENCE)
    browsed = Browsed(done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line])
    assert (browsed.fault, browsed.ended) == ("", True), browsed.console
    return browsed


@pytest.mark.browser
def test_strokes_anchors_and_outlines_are_drawn_and_saved(tmp_path: Path) -> None:
    do = """
    drag([100, 150], [200, 150], [200, 250]);
    write("name", "ball"); write("strength", "0:0, 1s:1"); write("turn", "30");
    take("outline"); drag([80, 130], [120, 130], [120, 170], [80, 170]);
    take("anchor"); drag([350, 40]); write("radius", "25");
    press("s"); drag([20, 20], [40, 280]); press("z", { ctrlKey: true });
    write("pan-x", "-12.5"); write("zoom", "1.1"); write("rate", "8"); write("frames", "16");
    await keep();
    """
    browsed = opened(tmp_path, do)
    assert browsed.said == "Saved to s.yaml: 1 stroke, 1 anchor."
    assert browsed.rows == ["ball", "anchor 1"]
    assert browsed.console == []
    file = read_strokes(tmp_path / "s.yaml")
    (stroke,) = file.strokes
    assert (stroke.name, stroke.strength, stroke.shape.turn) == ("ball", "0:0, 1s:1", 30)
    assert stroke.points[0] == pytest.approx((99.5, 149.5), abs=1)
    assert stroke.points[-1] == pytest.approx((199.5, 249.5), abs=1)
    assert all(abs(y - 149.5) < 1.5 or abs(x - 199.5) < 1.5 for x, y in stroke.points), "along the way"
    steps = [abs(b[0] - a[0]) + abs(b[1] - a[1]) for a, b in zip(stroke.points, stroke.points[1:], strict=False)]
    assert max(steps) - min(steps) < 2, "evenly in time"
    assert isinstance(stroke.mask, tuple)
    assert file.anchors[0].point == pytest.approx((349.5, 39.5), abs=1)
    assert file.anchors[0].radius == 25
    assert (file.camera.pan, file.camera.zoom, file.rate, file.frames) == ((-12.5, 0), 1.1, 8, 16)
    mask = file.at((300, 400), 4, file.rate).masks[0]
    assert mask is not None
    assert int(mask.sum()) == pytest.approx(1600, rel=0.1)


@pytest.mark.browser
def test_a_file_is_loaded_changed_and_keeps_what_the_page_does_not_show(tmp_path: Path) -> None:
    text = (
        "version: 1\nsize: [200, 150]\nstrokes:\n  - {points: [[50, 50], [90, 50]], times: [0, 1s], "
        "visible: [true, false]}\nanchors: [[10, 10]]\ncamera: {turn: 5, per: second}\n"
    )
    (tmp_path / "s.yaml").write_text(text)
    do = """
    take("choose"); drag([181, 101], [221, 141]);
    drag([21, 21]); press("Delete");
    await keep();
    """
    browsed = opened(tmp_path, do, read_strokes(tmp_path / "s.yaml"))
    assert browsed.rows == ["stroke 1"]
    file = read_strokes(tmp_path / "s.yaml")
    assert file.strokes[0].points[0] == (50, 50)
    assert file.strokes[0].points[1] == pytest.approx((110, 70), abs=1)
    assert (file.strokes[0].times, file.strokes[0].visible) == (("0", "1s"), (True, False))
    assert (file.anchors, file.camera.per, file.camera.turn) == ((), "second", 5)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("write('zoom', 'loud'); await keep();", "s.yaml: camera: zoom: 'loud'"),
        ("drag([9, 9], [90, 90]); write('times', '4, 2'); await keep();", "stroke 1: times has 2 entries"),
        ("drag([9, 9], [11, 9]); document.body.dataset.said = at('said').textContent;", "Drag further"),
        ("take('outline'); drag([9, 9]); document.body.dataset.said = at('said').textContent;", "Choose a stroke or"),
    ],
)
def test_what_is_wrong_is_told_on_the_page(tmp_path: Path, do: str, said: str) -> None:
    assert said in opened(tmp_path, do).said.replace("&#39;", "'")
    assert not (tmp_path / "s.yaml").exists()
