"""Results of tests as JUnit XML, for what shows them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from streams.errors import ConfigError

#: (class, name, file, line, problems); no problems: it passed.
Result = tuple[str, str, str, int, tuple[str, ...]]


def write_junit(path: Path, suite: str, results: Iterable[Result]) -> None:
    """Raises ConfigError where the file cannot be written."""
    results = list(results)
    failures = str(sum(bool(problems) for *_, problems in results))
    root = ElementTree.Element("testsuite", name=suite, tests=str(len(results)), failures=failures)
    for name, case, file, line, problems in results:
        element = ElementTree.SubElement(root, "testcase", classname=name, name=_xml(case), file=file, line=str(line))
        if problems:
            failure = ElementTree.SubElement(element, "failure", message=_xml(problems[0]))
            failure.text = _xml("\n".join(problems))
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None


def _xml(text: str) -> str:
    """What XML can hold: no control characters."""
    return "".join(letter if letter >= " " or letter in "\n\t" else "�" for letter in text)
