"""Every scenario of simulated traffic, by itself: attacks fire their rule once, near misses and look-alikes do not."""

from __future__ import annotations

import pytest

from streams.simulate.areas import areas
from streams.simulate.scene import Nature, Scenario
from tests.scenes import play

SCENES = [(area.source, scenario) for area in areas() for scenario in area.scenarios]


@pytest.mark.parametrize(("source", "scenario"), SCENES, ids=lambda value: getattr(value, "name", value))
def test_a_scenario_has_the_effect_it_names(source: str, scenario: Scenario) -> None:
    for seed in range(3):
        label, alerts = play(scenario, source, seed)
        if scenario.nature is not Nature.ATTACK:
            assert alerts == [], f"seed {seed}: {alerts[0].title}"
            continue
        assert [alert.tenant for alert in alerts] == [label.tenant], f"seed {seed}: {len(alerts)} alerts"
        assert alerts[0].key == label.key
        if not scenario.beside:  # a rule over alerts names alerts
            assert alerts[0].last[-1].event_id in label.event_ids
