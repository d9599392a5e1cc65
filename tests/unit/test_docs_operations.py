"""The page for whoever is on call names every metric and every exit status there is."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import Counter

from streams import errors, telemetry

PAGE = (Path(__file__).parents[2] / "streams" / "docs" / "operations.md").read_text()


def declared() -> dict[str, tuple[str, ...]]:
    """Labels of every metric, by the name under which it is scraped."""
    found = {}
    for metric in vars(telemetry).values():
        if hasattr(metric, "_labelnames"):
            found[metric._name + ("_total" if isinstance(metric, Counter) else "")] = tuple(metric._labelnames)
    return found


def test_every_metric_is_on_the_page_with_its_labels() -> None:
    rows = re.findall(r"^\| `(tocsin_\w+)` \| ([\w, ]*) \|", PAGE, re.M)
    assert {name: tuple(filter(None, labels.split(", "))) for name, labels in rows} == declared()


def test_every_exit_status_is_on_the_page() -> None:
    statuses = {errors.USAGE, errors.FAILED, errors.FENCED, errors.LOST, errors.MISMATCH, errors.STALLED, 0, 1}
    assert {int(status) for status in re.findall(r"^\| (\d+) \|", PAGE, re.M)} == statuses
