"""The page about routing: each of its blocks with cases does what it says, and presets say what they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from streams.alerts.policy import parse_policy
from streams.cli.context import Invocation
from streams.cli.routes import command
from streams.route.presets import NAMES

PAGE = (Path(__file__).parents[2] / "streams" / "docs" / "routing.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)


@pytest.mark.parametrize("block", [block for block in BLOCKS if "cases:" in block])
def test_a_block_with_cases_passes(tmp_path: Path, block: str) -> None:
    (tmp_path / "cases.yaml").write_text(block)
    result = CliRunner().invoke(
        command, ["check", str(tmp_path / "cases.yaml")], obj=Invocation(), standalone_mode=False
    )
    assert result.return_value == 0, result.output or result.exception


def test_a_block_without_cases_is_part_of_a_policy() -> None:
    others = [block for block in BLOCKS if "cases:" not in block]
    assert others
    for block in others:
        parse_policy(yaml.safe_load(block))


def test_every_preset_is_on_the_page_with_all_its_receivers() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.M))
    for name in NAMES:
        policy = parse_policy({"preset": name})
        assert policy.route is not None
        routed = {receiver for node in policy.route.nodes() for receiver in node.receivers}
        assert routed <= set(re.findall(r"`([\w-]+)`", rows[name]))
