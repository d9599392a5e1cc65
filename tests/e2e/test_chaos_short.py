"""The shorter fault tests: kills, stops, joins and aborts on real Kafka, judged by the replay. All: ``make chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.scenarios import SHORT, Scenes, play


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scene", SHORT)
def test_a_disturbed_run_commits_what_an_undisturbed_one_does(scene: str, kafka: str, tmp_path: Path) -> None:
    report = play(scene, Scenes(kafka, tmp_path, size=0.15))
    print(report)
    assert report.problems == []
