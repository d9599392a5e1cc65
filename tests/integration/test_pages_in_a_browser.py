"""The report as people see it: drawn by a real Chromium without a network, light and dark, and printed."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.test_backtest_cli import here, tocsin

__all__ = ["here"]  # the fixture

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: Debian's package is `chromium`")

Colour = tuple[int, int, int]
LIGHT, DARK = (0xFF, 0xFF, 0xFF), (0x14, 0x17, 0x1B)
#: Of the bars by severity: medium and high, in light and in dark.
BARS: dict[Colour, tuple[Colour, Colour]] = {
    LIGHT: ((0xB5, 0x81, 0x05), (0xD9, 0x48, 0x0F)),
    DARK: ((0xE3, 0xB3, 0x41), (0xFF, 0x94, 0x57)),
}


def browse(page: Path, *options: str) -> bytes:
    """Chromium over one page; what it says on stdout."""
    profile = page.parent / "profile"
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "--window-size=1000,1400", *options,
         page.as_uri()],
        capture_output=True, timeout=90, check=True,
    )  # fmt: skip
    return done.stdout


def pixels(png: bytes) -> Counter[Colour]:
    """How often each colour stands in an 8-bit RGB or RGBA image as Chromium writes it."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    step = {2: 3, 6: 4}[kind]
    data, at = b"", 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += size + 12
    data, length, found = zlib.decompress(data), width * step, Counter[Colour]()
    above = bytearray(length)
    for row in range(height):
        how, line = data[row * (length + 1)], bytearray(data[row * (length + 1) + 1 : (row + 1) * (length + 1)])
        for n in range(length) if how else ():
            left, up, corner = (line[n - step], above[n], above[n - step]) if n >= step else (0, above[n], 0)
            line[n] = line[n] + (0, left, up, (left + up) // 2, _nearest(left, up, corner))[how] & 0xFF
        found.update(zip(line[0::step], line[1::step], line[2::step], strict=True))
        above = line
    return found


def _nearest(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


@pytest.fixture
def report(here: Path) -> Path:
    tocsin("--source", "audit=audit.jsonl", "--rules", "2.yaml", "--out", "report")
    return here / "report" / "report.html"


@pytest.mark.parametrize(("page", "scheme"), [(LIGHT, 1), (DARK, 0)], ids=["light", "dark"])
def test_the_report_is_drawn_with_its_chart(report: Path, page: Colour, scheme: int) -> None:
    image = report.parent / "page.png"
    browse(report, f"--screenshot={image}", f"--blink-settings=preferredColorScheme={scheme}")
    found = pixels(image.read_bytes())
    assert found.most_common(1)[0][0] == page
    assert all(found[bar] > 400 for bar in BARS[page]), {bar: found[bar] for bar in BARS[page]}
    assert not any(found[bar] > 400 for other in BARS if other != page for bar in BARS[other])


def test_the_report_says_all_and_runs_nothing_of_what_titles_hold(report: Path) -> None:
    text = browse(report, "--dump-dom").decode()
    for words in ("Alerts over time", "test.burst", "7 failures of ada", "2 failures of cyd", "{{ 7*7 }}"):
        assert words in text, words
    assert "<script" not in text
    assert "onerror=alert" not in text.replace("&lt;img src=x onerror=alert", "")


def test_the_report_prints(report: Path) -> None:
    paper = report.parent / "page.pdf"
    browse(report, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    data = paper.read_bytes()
    assert data.startswith(b"%PDF-")
    assert 1 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 4
