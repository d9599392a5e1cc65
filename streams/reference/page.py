"""The reference page of the rule language: every key, operator, kind, option and default, out of the code.

What a kind says of itself (its docstrings, ``OPTIONS`` and ``EXAMPLE``) is its section; what the parsers say of
themselves are the tables of ``streams.reference.language``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from streams.detect.registry import KINDS, MODULES
from streams.detect.tuning import TUNABLE
from streams.reference import language
from streams.reference.examples import example, words
from streams.reference.language import windowed
from streams.reference.prose import anchor, fenced, forms, headline, paragraphs, remarks, table
from streams.reference.tables import options_table


def page() -> str:
    """The whole page; the same at every call."""
    return "\n".join(_whole()) + "\n"


def _whole() -> Iterator[str]:
    yield "# Reference of the rule language"
    yield ""
    yield (
        "Made from the code by `tocsin rules reference --write`; not to be edited. The guide to rules is "
        "[rules.md](rules.md)."
    )
    yield from ("", "## Contents", "")
    for heading, (what, _) in _SECTIONS.items():
        yield f"- [{heading}](#{anchor(heading)}): {what}"
        if heading == "Kinds":
            yield from (f"  - [{kind}](#{anchor(kind)})" for kind in MODULES)
    for heading, (_, section) in _SECTIONS.items():
        yield from ("", f"## {heading}", "", *section())


def _kinds() -> Iterator[str]:
    yield "Exactly one stands in `detect`. ⚙ marks settings that configuration may [override](#overrides)."
    yield ""
    with_windows = windowed()
    rows = (
        (f"[{kind}](#{anchor(kind)})", headline(module.__doc__), "[any](#windows)" if kind in with_windows else "")
        for kind, module in MODULES.items()
    )
    yield from table(("kind", "", "windows"), rows)
    for kind in MODULES:
        yield from ("", f"### {kind}", "", *_kind(kind))


def _kind(kind: str) -> Iterator[str]:
    module, rule = MODULES[kind], example(kind)
    sentence = headline(module.__doc__)
    yield sentence[:1].upper() + sentence[1:]
    if shown := forms(module.__doc__, kind):
        yield from ("", *fenced("\n".join(shown)))
    for paragraph in remarks(module.__doc__, kind):
        yield from ("", paragraph)
    yield from ("", *options_table(module.OPTIONS, tunable=TUNABLE[kind]))
    for paragraph in paragraphs(inspect.getdoc(type(rule.detect))):
        yield from ("", paragraph)
    yield ""
    if said := words(kind):
        brought = ", ".join(f"`{word}`" for word in said)
        yield f"- Words for templates, as findings of the example bring them: {brought}."
    detect = KINDS[kind](rule.document["detect"][kind] or {})
    measures = hasattr(detect.detector(rule.severity), "measure")
    yield (
        f"- {'Time alone may bring about findings' if detect.timed else 'Only events bring about findings'} here; "
        f"{'there is a number to `export`' if measures else 'there is no number to `export`'}."
    )
    yield from ("", *fenced(module.EXAMPLE))


#: Every section in its order: what one finds there, and what makes it.
_SECTIONS: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "In an editor": ("completion and checking while one writes", language.editor),
    "A rule": ("every key of a rule file", language.rule),
    "where": ("conditions and operators", language.conditions),
    "group_by": ("fields and expressions of the key", language.group_by),
    "severity": ("words and ladders", language.severity),
    "Templates": ("what titles may say", language.templates),
    "Windows": ("sliding, hopping, tumbling, by the calendar, by session", language.window_shapes),
    "Thresholds": ("numbers, percentages, other fields", language.thresholds),
    "Durations and sizes": ("how they are written", language.written),
    "Kinds": ("when each fires, its settings, an example", _kinds),
    "tests": ("cases, events, expectations", language.cases),
    "Overrides": ("what configuration may change", language.overriding),
}
