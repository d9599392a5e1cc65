"""The domains of simulated traffic, by source. A new one is a file and a line here."""

from __future__ import annotations

from streams.simulate.audit import Audit
from streams.simulate.chain import Chain
from streams.simulate.metric import Metric
from streams.simulate.scene import Domain
from streams.simulate.trade import Trade

DOMAINS: dict[str, type[Domain]] = {
    "audit": Audit,
    "trade": Trade,
    "chain": Chain,
    "metric": Metric,
}
