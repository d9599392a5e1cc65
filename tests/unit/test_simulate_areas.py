"""Every scenario of simulated traffic, by itself: attacks fire their rule once, near misses and look-alikes do not.

Windows of rules may begin with the hour or the day; attacks do not wait for that. So each is played from several hours.
"""

from __future__ import annotations

import pytest

from streams.simulate.areas import areas
from streams.simulate.scene import Nature, Scenario
from tests.scenes import START, play, shipped
from tests.showcase import IDS

#: Thursday noon, the same evening at no round time, and Saturday morning.
BEGINS = (START, START + 7 * 3_600_000 + 1_397_001, START + 45 * 3_600_000 + 2_411_007)
_QUARTER, _WEEK = 900_000, 7 * 86_400_000
SCENES = [(area.source, scenario) for area in areas() for scenario in area.scenarios]


@pytest.mark.parametrize(("source", "scenario"), SCENES, ids=lambda value: getattr(value, "name", value))
def test_a_scenario_has_the_effect_it_names(source: str, scenario: Scenario) -> None:
    for seed, begin in enumerate(BEGINS):
        possible = next(at for at in range(begin, begin + _WEEK, _QUARTER) if scenario.possible(at))
        label, alerts = play(scenario, source, seed, possible)
        if scenario.nature is not Nature.ATTACK:
            assert alerts == [], f"seed {seed}: {alerts[0].title}"
            continue
        assert [alert.tenant for alert in alerts] == [label.tenant], f"seed {seed}: {len(alerts)} alerts"
        assert alerts[0].key == label.key
        if not scenario.beside:  # a rule over alerts names alerts
            assert alerts[0].last[-1].event_id in label.event_ids


@pytest.mark.parametrize("nature", Nature)
def test_for_every_shipped_rule_all_natures_are_played(nature: Nature) -> None:
    """The rules of the domains' own showcase are attacked there."""
    played = {scenario.rule for _, scenario in SCENES if scenario.nature is nature}
    if nature is Nature.ATTACK:
        played |= set(IDS)
    assert sorted({rule.id for rule in shipped().rules} - played) == []
