"""Images a second that the explorer's page Simulate shows while a slider is dragged.

Run it with ``python bench/explorer_rate.py [--seconds 10] [--side 256]``; it needs what the tests
in tests/test_explore_browser.py need. The mouse drags a slider to and fro, sixty moves a second:
the beam current, which changes the image, and an edge, which changes the drawing of the particle
and all three images. In every frame of the browser one row of each image's canvas is read; an image
counts when that row has changed. Processor time is user and system of the server's process, and of
all of the browser's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Reader, chromium

_COUNT = """
() => {
  const shadows = root => [...root.querySelectorAll("*")].flatMap(
    el => el.shadowRoot ? [el, ...shadows(el.shadowRoot)] : [el]);
  const canvases = shadows(document).filter(el => el.tagName == "CANVAS" && el.width > 200);
  const figures = canvases.filter((_, k) => k % 2 == 0).slice(1);  // without the drawing
  const shown = window.shown = figures.map(() => 0);
  const last = figures.map(() => "");
  window.frames_seen = 0;
  const look = () => {
    window.frames_seen += 1;
    figures.forEach((canvas, k) => {
      const middle = canvas.getContext("2d").getImageData(0, canvas.height >> 1, canvas.width, 1);
      const row = String.fromCharCode(...middle.data.filter((_, i) => i % 4 == 0));
      if (row != last[k]) { shown[k] += 1; last[k] = row; }
    });
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""


# Moves come from the page's own clock: a driver outside would wait for the page at each of them.
_DRAG = """
(handle, ms) => new Promise(done => {
  const box = handle.getBoundingClientRect();
  const x = box.x + box.width / 2, y = box.y + box.height / 2, began = performance.now();
  const tell = (kind, to, at) => at.dispatchEvent(new MouseEvent(kind, {
    clientX: to, clientY: y, buttons: kind == "mouseup" ? 0 : 1, bubbles: true, composed: true}));
  let moves = 0;
  tell("mousedown", x, handle);
  const timer = setInterval(() => {
    const past = performance.now() - began;
    tell("mousemove", x + 100 * (1 - Math.abs(1 - past / 1000 % 2)), document.documentElement);
    moves += 1;
    if (past > ms) {
      clearInterval(timer);
      tell("mouseup", x, document.documentElement);
      done(moves);
    }
  }, 1000 / 60);
})
"""


def processor_s(server: int) -> list[float]:
    """User and system time of the server, and of the browser's processes [s]."""
    driver = psutil.Process().children(recursive=True)
    families = [[psutil.Process(server)], [one for one in driver if "chrom" in one.name()]]
    return [sum(sum(one.cpu_times()[:2]) for one in family) for family in families]


def drag(reader: Reader, words: str, seconds: float) -> int:
    """Drag the slider with these words to and fro; how many moves the page was told of."""
    handle = reader.page.locator(f'.bk-Slider:has-text("{words}") .noUi-touch-area')
    return handle.evaluate(_DRAG, 1e3 * seconds)


def shown_while_dragged(reader: Reader, server: int, words: str, seconds: float) -> str:
    """Drag a slider; images that were shown, and what each cost, in words."""
    page = reader.page
    drag(reader, words, 2.0)
    page.wait_for_timeout(1000)
    page.evaluate("() => { window.frames_seen = 0; window.shown.fill(0); }")
    before = processor_s(server)
    moves = drag(reader, words, seconds)
    spent = [b - a for a, b in zip(before, processor_s(server), strict=True)]
    frames, shown = page.evaluate("[window.frames_seen, window.shown]")
    ms = [1e3 * one / max(shown[-1], 1) for one in spent]
    each = ", ".join(f"{count / seconds:.1f}" for count in shown)
    return (
        f"{words}: {each} a second (thickness, expected, image); "
        f"{moves / seconds:.0f} moves, {frames / seconds:.0f} frames; "
        f"processor time an image: server {ms[0]:.1f} ms, browser {ms[1]:.1f} ms"
    )


def measure(seconds: float, side: int, sliders: list[str]) -> None:
    """Start an explorer and a browser, drag each slider, and print what was seen."""
    command = [sys.executable, "-m", "stemfast", "explore", "--no-browser", "--port", "15106"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = next(line.split()[-1] for line in server.stdout if "http" in line)
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 1300})
            reader = Reader(page, address)
            reader.says("stemfast simulate image.tif")
            page.get_by_label("Rows and columns").select_option(str(side))
            page.evaluate(_COUNT)
            for words in sliders:
                print(f"{side}² px,", shown_while_dragged(reader, server.pid, words, seconds))
            assert reader.errors == []
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=10.0)
    sides = [2**k for k in range(6, 12)]
    asked.add_argument(
        "--side", type=int, choices=sides, default=256, help="rows and columns of the image"
    )
    asked.add_argument("--slider", nargs="*", default=["Beam current", "Edge x"])
    given = asked.parse_args()
    measure(given.seconds, given.side, given.slider)
