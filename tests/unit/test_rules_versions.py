"""A rule's version names its state and its findings: every process must give the same one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKS = Path(__file__).parents[2] / "streams" / "packs"
_TELL = """
import sys
from pathlib import Path
from streams.detect.registry import KINDS
from streams.rules.load import load_rules
print(*(rule.ref for rule in load_rules([Path(sys.argv[1])], KINDS).rules), sep="\\n")
"""


def test_the_versions_of_shipped_rules_do_not_depend_on_how_a_process_hashes_text() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", _TELL, PACKS], env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout.splitlines()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert len(told[0]) > 100
    assert told[0] == told[1]
