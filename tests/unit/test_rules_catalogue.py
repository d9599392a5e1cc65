"""The catalogue: every shipped rule is in it, with what it needs, and the committed pages are those of today's rules."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from streams.cli.context import Invocation
from streams.cli.rules_catalogue import command, generated
from streams.config.settings import PACKS
from streams.detect.registry import KINDS
from streams.reference.catalogue import DOMAINS, files_below, pages
from streams.replay.scoring import quality
from streams.rules.load import load_rules
from tests.showcase import showcase

RULES = load_rules([PACKS], KINDS)


def test_the_committed_pages_are_current() -> None:
    assert files_below(quality.DOCS) == generated(RULES), "run `tocsin rules catalogue --write`"


def test_the_committed_figures_make_the_committed_page() -> None:
    figures = quality.read()
    assert figures["rules"], "run `make score`"
    assert (quality.DOCS / quality.PAGE).read_text() == quality.page(figures, figures["real"])


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_rule_stands_on_the_page_of_its_domain(domain: str) -> None:
    text = generated(RULES)[f"catalogue/{domain}.md"]
    ids = [rule.id for rule in RULES.rules if rule.id.startswith(f"{domain}.")]
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == sorted(ids)


def said(rule: str, figures: dict[str, Any] | None = None) -> list[str]:
    partition_by = {"audit": ("tenant", "actor"), "trade": ("tenant", "account"), "metric": ("tenant", "host")}
    text = pages(showcase(), partition_by, figures or {})[f"catalogue/{rule.partition('.')[0]}.md"]
    return text.partition(f"## {rule}\n")[2].partition("\n## ")[0].splitlines()


def test_a_rule_says_what_it_needs_where_it_runs_and_when_it_is_how_bad() -> None:
    lines = said("audit.failed-logins-by-ip")
    (needs,) = [line for line in lines if line.startswith("- Needs:")]
    assert {"`action`", "`outcome`", "`source_ip`"} <= set(needs.rstrip(".").replace(",", "").split())
    assert "- Key: `tenant`, `source_ip`." in lines
    (route,) = [line for line in lines if line.startswith("- Route:")]
    assert "over `rekeyed`" in route
    assert "partitioned by actor" in route
    assert "- Route: local, at once." in said("trade.exposure-threshold")
    assert "- Severity: medium from 75, high from 85, critical from 95. Folds for" in " ".join(
        said("trade.exposure-threshold")
    )
    assert any("at most 7" in line for line in said("ops.certificate-expiry"))  # lower is worse


def test_what_was_measured_stands_beside_it() -> None:
    figures = {
        "rule": "ops.cpu", "attacks": 9, "found": 8, "near_misses": 4, "look_alikes": 5, "alerts": 10, "recall": 0.89,
        "false": {"near_miss": 0, "look_alike": 2}, "per_million": 0.5,
    }  # fmt: skip
    assert (
        "- Measured: 8 of 9 attacks found; none of 4 near misses taken for one; 2 of 5 look-alikes taken for one; "
        "0.5 false alerts a million background events."
    ) in said("ops.cpu", {"rules": [figures]})
    assert "- Measured: not yet." in said("ops.cpu")


def test_of_given_rules_it_is_printed() -> None:
    done = CliRunner().invoke(command, [str(PACKS / "trade")], obj=Invocation(), standalone_mode=False)
    assert done.output.startswith("# Trade")
    refused = CliRunner().invoke(command, ["--write", str(PACKS / "trade")], obj=Invocation(), standalone_mode=False)
    assert refused.exception is not None
