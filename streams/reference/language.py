"""The sections of the reference page that hold for every kind. A paragraph is one line."""

from __future__ import annotations

from collections.abc import Iterator

from streams.detect import windows
from streams.detect.edge import FIELD_OPTIONS
from streams.detect.findings import WORDS
from streams.detect.registry import MODULES
from streams.detect.tuning import TUNABLE
from streams.model.severity import SEVERITIES, SEVERITY_WORDS
from streams.reference.operands import takes
from streams.reference.prose import anchor, fenced, table
from streams.reference.tables import options_table
from streams.replay.rules import cases as ruletests
from streams.rules import comparing, durations, expressions, keyed, operators, overrides, parse, template, where
from streams.rules.document import MAX_BYTES

Lines = Iterator[str]


def editor() -> Lines:
    yield (
        "`tocsin rules reference --schema > rule.schema.json` writes a JSON Schema of rule files; the one of this "
        "version is [rule.schema.json](rule.schema.json). Editors with the YAML language server (VS Code, Neovim, "
        "Helix, …) complete and check a file by it that begins with"
    )
    yield ""
    yield from fenced("# yaml-language-server: $schema=./rule.schema.json")
    yield ""
    yield (
        'or all files that a pattern fits, by their settings: `"yaml.schemas": {"./rule.schema.json": "rules/**"}`. '
        "The schema accepts whatever the loader accepts; what several values have to do with each other only "
        "`tocsin rules check` knows."
    )


def rule() -> Lines:
    yield (
        f"One YAML file of at most {MAX_BYTES // 1024} KiB holds one rule. YAML is 1.2's core: `no`, `on` and dates "
        "are text."
    )
    yield ""
    yield from options_table(
        option._replace(of=()) if option.name == "tests" else option
        for option in parse.KEYS  # they have a section
    )


def conditions() -> Lines:
    yield (
        "`field: value` is `eq`, `field: [a, b]` is `in`, `field: {operator: operand, …}` is any operators, all of "
        f"which must hold. A field is a name or a dot path. A `where` has at most {where.MAX_LEAVES:,} of them. Beside "
        f"fields may stand, at most {where.MAX_DEPTH} deep:"
    )
    yield ""
    yield from options_table(where.GROUP_OPTIONS)
    yield ""
    rows = (
        (f"`{op}`", takes(op), meaning, "yes" if op in operators.WITH_CASE else "")
        for op, meaning in operators.MEANINGS.items()
    )
    yield from table(("operator", "takes", "holds for a value that", "`case_sensitive`"), rows)
    yield ""
    yield (
        f"A list holds at most {operators.MAX_OPERANDS:,} values, a text {operators.MAX_TEXT:,} characters. Beside "
        "operators may stand:"
    )
    yield ""
    yield from options_table(where.MODIFIER_OPTIONS)
    yield ""
    comparable = " ".join(f"`{op}`" for op in operators.MEANINGS if op in operators.COMPARING)
    yield f"Another field, for {comparable}, is written `amount: {{gt: {{field: limit, times: 0.9}}}}`:"
    yield ""
    yield from options_table(comparing.OPTIONS)


def group_by() -> Lines:
    yield (
        f"A list of at most {keyed.MAX_PARTS} fields (dot paths) and functions of fields, which may stand inside each "
        f'other at most {expressions.MAX_DEPTH} deep. `{{subnet: "cidr(source_ip, 24)"}}` gives a part a name of its '
        "own. A function that finds nothing to work on gives a missing part (`missing`)."
    )
    yield ""
    rows = (
        (f"`{name}`", f"`{function.example}`".replace(" or ", "` or `"), function.meaning)
        for name, function in expressions.FUNCTIONS.items()
    )
    yield from table(("function", "is written", "gives"), rows)


def severity() -> Lines:
    yield (
        "One word, or words with the observed value from which each holds: `{medium: 5, high: 20}`. A ladder must get "
        "worse in the direction of its kind. Words may be in any case; the word as written stays on the alert."
    )
    yield ""
    others = {word: of for word, of in SEVERITY_WORDS.items() if word != of.value}
    rows = (
        (f"`{known}`", " ".join(f"`{word.upper()}`" for word, of in others.items() if of is known))
        for known in SEVERITIES
    )
    yield from table(("severity", "is also written"), rows)


def templates() -> Lines:
    yield (
        "`{dot.path}` is a field of the event that completed the condition; `{{` and `}}` are braces; what is missing "
        f"reads `?`. A value is cut at {template.MAX_VALUE:,} characters, the whole at {template.MAX_RENDERED:,}. "
        "Before fields come the words below, what the kind brings (see there), and the fields of the key."
    )
    yield ""
    yield from table(("word", "is"), ((f"`{word}`", meaning) for word, meaning in WORDS.items()))


def windowed() -> list[str]:
    """The kinds that take a window of any shape."""
    return [kind for kind, module in MODULES.items() if set(windows.WINDOW_OPTIONS) <= set(module.OPTIONS)]


def window_shapes() -> Lines:
    of = ", ".join(f"[{kind}](#{anchor(kind)})" for kind in windowed())
    yield f"These are for {of}. Windows are exact and in event time."
    yield ""
    _, _, shapes = (windows.__doc__ or "").partition("\n\n")
    yield from fenced(shapes, "text")
    yield ""
    yield from options_table(windows.WINDOW_OPTIONS)


def thresholds() -> Lines:
    yield (
        'A number; where the kind measures a share, or a value `of` a limit, a percentage such as `"85%"`; of kinds '
        "that look at single values also another field of the event, `{field: f, times: 3, plus: 1}`:"
    )
    yield ""
    yield from options_table(FIELD_OPTIONS)


def written() -> Lines:
    units = " ".join(f"`{unit}`" for unit in durations.UNITS)
    yield (
        f"A duration is a whole number with a unit ({units}), or several: `90s`, `1h30m`; at most "
        f"{durations.MAX_DURATION // 86_400_000:,} days. A size is a whole number with a unit: "
        f"{', '.join(f'`64{unit}`' for unit in parse.SIZE_UNITS)}."
    )


def cases() -> Lines:
    words = " ".join(f"`{word}`" for word in (*ruletests.WORDS, *ruletests.OF_ALERT))
    yield (
        "At least one case of a rule must expect something. What is expected is given by fields of the key, names of "
        f"the alert's metadata, and {words}. `count`, `value` and `observed` are one."
    )
    yield ""
    (tests,) = (option.of for option in parse.KEYS if option.name == "tests")
    yield from options_table(tests)


def overriding() -> Lines:
    names = ", ".join(f"`{name}`" for name in overrides.SETTINGS)
    yield f"Under `overrides` of `tocsin.yaml` may stand {names}; in `detect` these settings:"
    yield ""
    rows = (
        (f"[{kind}](#{anchor(kind)})", " ".join(f"`{o.name}`" for o in module.OPTIONS if o.name in TUNABLE[kind]))
        for kind, module in MODULES.items()
    )
    yield from table(("kind", "settings"), rows)
