"""``python -m tests.contract [pytest's options]``: the table connector x property, in markdown, of a run just now.

Exit status: pytest's.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from connectors.registry import CONNECTORS
from tests.contract import test_connectors
from tests.contract.properties import EXEMPT


class Table:
    """A plugin of pytest: what became of each test that proves a property. Works in its workers' controller too."""

    def __init__(self) -> None:
        tests = {name: test for name, test in vars(test_connectors).items() if hasattr(test, "proves")}
        self._proves: dict[str, str] = {name: test.proves for name, test in tests.items()}
        self.properties = {test.proves: name.removeprefix("test_").replace("_", " ") for name, test in tests.items()}
        self._found: dict[tuple[str, str], list[bool]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name, _, type_ = report.nodeid.rpartition("::")[2].rstrip("]").partition("[")
        if name in self._proves and (report.when == "call" or not report.passed):
            self._found[type_, self._proves[name]].append(report.passed)

    def markdown(self) -> str:
        names = list(self.properties)
        lines = [f"| connector | {' | '.join(names)} |", f"|---{'|---' * len(names)}|"]
        lines += [f"| {type_} | {' | '.join(self._cell(type_, name) for name in names)} |" for type_ in CONNECTORS]
        lines += ["", *(f"- **{name}**: {said}" for name, said in self.properties.items()), ""]
        for name, why in EXEMPT.items():
            for reason in dict.fromkeys(why.values()):
                lines.append(f"- – {name}: {', '.join(t for t in why if why[t] == reason)}: {reason}")
        return "\n".join(lines)

    def _cell(self, type_: str, name: str) -> str:
        found = self._found[type_, name]
        if not found:
            return "–" if type_ in EXEMPT.get(name, {}) else "not run"
        return "ok" if all(found) else "FAILED"

    @property
    def count(self) -> int:
        return sum(map(len, self._found.values()))


def main(arguments: list[str]) -> int:
    table, began = Table(), time.monotonic()
    options = ["-q", "--no-header", "-p", "no:cacheprovider", *arguments]
    status = pytest.main([str(test_connectors.__file__), *options], plugins=[table])
    took = time.monotonic() - began
    print(f"\n{table.count} proofs in {took:.0f} s, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n{table.markdown()}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
