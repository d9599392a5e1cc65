"""Settings that configuration changes in a rule, for everybody or for one tenant, without touching the rule's file.

``{rule id or pattern: {detect, severity, cooldown, enabled, active}, tenants: {tenant: {the same}}}``. A pattern such
as ``audit.*`` comes before the rule's own entry, a shorter one before a longer one, and what is for everybody before
what is for a tenant; the later one wins, setting by setting. ``detect`` changes single settings of the kind; a
``severity`` and an ``active`` are given whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from streams.rules.document import check_plain
from streams.rules.durations import shown
from streams.rules.parse import Kinds, parse_rule
from streams.rules.problems import BlockErrors, Problem, RuleErrors, did_you_mean
from streams.rules.rule import Rule, RuleSet

#: What may be overridden; the rest is what a rule is about, and makes another rule of it.
SETTINGS = ("detect", "severity", "cooldown", "enabled", "active")
#: Settings of ``detect`` that may be, by kind: thresholds and windows, not fields and conditions.
Tunable = Mapping[str, frozenset[str]]
#: Tells where in the configuration a path such as ``tenants.acme`` stands: ``tocsin.yaml:12``.
Placed = Callable[[str], str]

TENANTS = "tenants"
_MAX_TENANT = 200


class _Entry(NamedTuple):
    """What is said under one name. ``path``: where, for problems."""

    path: str
    name: str
    settings: dict[str, Any]

    @property
    def is_pattern(self) -> bool:
        return "*" in self.name

    def covers(self, rule: Rule) -> bool:
        return fnmatchcase(rule.id, self.name) if self.is_pattern else self.name == rule.id


def overridden(
    ruleset: RuleSet, document: Any, kinds: Kinds, tunable: Tunable, placed: Placed = lambda _: "overrides"
) -> RuleSet:
    """The rule set with these settings in place of its rules' own. Raises ``RuleErrors`` with all that is wrong.

    A rule's version follows from what holds for it. A tenant's rule stands among the ``variants`` and has a state of
    its own; the rules' documents stay as they were, so that the same overrides can be applied to them again.
    """
    if not document:
        return replace(ruleset, variants={}, overrides={}) if ruleset.overrides else ruleset
    work = _Overriding(ruleset, kinds, tunable)
    made = work.run(document)
    if work.problems:
        raise RuleErrors(Problem(placed(path), f"overrides.{path}".rstrip("."), why) for path, why in work.problems)
    return made


def concerning(document: Any, ruleset: RuleSet) -> Any:
    """The overrides that are about one of these rules: for those who look at a few rules and not at the whole set."""
    if not isinstance(document, dict):
        return document

    def kept(entries: dict[Any, Any]) -> dict[Any, Any]:
        return {
            name: settings
            for name, settings in entries.items()
            if name != TENANTS and any(_Entry("", str(name), {}).covers(rule) for rule in ruleset.rules)
        }

    chosen = kept(document)
    if isinstance(tenants := document.get(TENANTS), dict):
        of = {name: kept(entries) if isinstance(entries, dict) else entries for name, entries in tenants.items()}
        if any(of.values()):
            chosen[TENANTS] = {name: entries for name, entries in of.items() if entries}
    elif TENANTS in document:
        chosen[TENANTS] = tenants
    return chosen


class _Overriding:
    """One rule set meets one document; what is wrong gathers in ``problems`` as (path, message)."""

    def __init__(self, ruleset: RuleSet, kinds: Kinds, tunable: Tunable) -> None:
        self.problems: list[tuple[str, str]] = []
        self._ruleset, self._kinds, self._tunable = ruleset, kinds, tunable

    def run(self, document: Any) -> RuleSet:
        unfit = check_plain(document) if isinstance(document, dict) else f"takes a mapping, not {shown(document)}"
        if unfit:
            self.problems.append(("", unfit))
            return self._ruleset
        general = self._entries({name: value for name, value in document.items() if name != TENANTS}, "")
        tenants = dict(self._tenants(document.get(TENANTS, {})))
        rules, variants = [], {}
        for rule in self._ruleset.rules:
            ours = [entry for entry in general if self._concerns(entry, rule)]
            chosen = self._changed(rule, ours, "") if ours else rule
            rules.append(chosen)
            of: dict[str, Rule | None] = {}
            for tenant, entries in tenants.items():
                if theirs := [entry for entry in entries if self._concerns(entry, rule)]:
                    self._for_tenant(rule, chosen, ours, theirs, tenant, of)
            if of:
                variants[rule.id] = of
        return replace(self._ruleset, rules=tuple(rules), variants=variants, overrides=document, lists={})

    def _for_tenant(
        self, rule: Rule, general: Rule, ours: list[_Entry], theirs: list[_Entry], tenant: str,
        of: dict[str, Rule | None],
    ) -> None:  # fmt: skip
        if rule.scope == "global":
            self.problems += (
                (entry.path, f"{rule.id} counts over all tenants (scope: global), so none has settings of its own")
                for entry in theirs
                if not entry.is_pattern
            )
            return
        variant = self._changed(rule, [*ours, *theirs], tenant)
        if general.enabled:
            of[tenant] = variant if variant.enabled else None
            return
        self.problems += (
            (f"{entry.path}.enabled", f"{rule.id} is off for everybody, and cannot be switched on for one tenant")
            for entry in theirs
            if entry.settings.get("enabled") is True and not entry.is_pattern
        )

    # -- reading -------------------------------------------------------------------------------------------------

    def _tenants(self, raw: Any) -> Iterator[tuple[str, list[_Entry]]]:
        if not isinstance(raw, dict):
            self.problems.append((TENANTS, f"takes tenants with their overrides, not {shown(raw)}"))
            return
        for tenant, entries in raw.items():
            path = f"{TENANTS}.{tenant}"
            if not isinstance(tenant, str) or not tenant.strip() or tenant == "*" or len(tenant) > _MAX_TENANT:
                self.problems.append((TENANTS, f"{shown(tenant)} is not the name of a tenant"))
            elif not isinstance(entries, dict):
                self.problems.append((path, f"takes rules with their settings, not {shown(entries)}"))
            else:
                yield tenant, self._entries(entries, path)

    def _entries(self, raw: Mapping[Any, Any], below: str) -> list[_Entry]:
        """The entries that can be used, in the order in which they are applied."""
        entries = []
        for name, settings in raw.items():
            entry = _Entry(f"{below}.{name}".lstrip("."), str(name), settings)
            if not isinstance(settings, dict) or not settings:
                self._say(entry, "", f"takes settings, such as {{cooldown: 30m}}, not {shown(settings)}")
                continue
            before = len(self.problems)
            self._check(entry)
            if len(self.problems) == before:
                entries.append(entry)
        return sorted(entries, key=lambda entry: (not entry.is_pattern, len(entry.name.replace("*", "")), entry.name))

    def _check(self, entry: _Entry) -> None:
        covered = [rule for rule in self._ruleset.rules if entry.covers(rule)]
        if not covered:
            near = "" if entry.is_pattern else did_you_mean(entry.name, [rule.id for rule in self._ruleset.rules][:200])
            self._say(entry, "", f"fits no rule{near}")
        for name in sorted(entry.settings.keys() - set(SETTINGS)):
            self._say(entry, str(name)[:60], f"cannot be overridden{did_you_mean(name, SETTINGS)}")
        detect = entry.settings.get("detect")
        if "detect" not in entry.settings:
            return
        if not isinstance(detect, dict) or len(detect) != 1 or not all(isinstance(s, dict) for s in detect.values()):
            self._say(
                entry,
                "detect",
                f"takes the rule's kind with what changes, {{count: {{at_least: 8}}}}, not {shown(detect)}",
            )
            return
        ((kind, settings),) = detect.items()
        if covered and not any(kind == rule.detect.name for rule in covered):
            of = sorted({rule.detect.name for rule in covered})
            self._say(entry, "detect", f"is about {str(kind)[:60]}, where the kind is {' or '.join(of)} and stays so")
            return
        for name in sorted(settings.keys() - self._tunable.get(kind, frozenset())):
            known = did_you_mean(name, self._tunable.get(kind, ()))
            self._say(entry, f"detect.{kind}.{str(name)[:60]}", f"cannot be overridden{known}")

    def _say(self, entry: _Entry, path: str, message: str) -> None:
        self.problems.append((".".join(part for part in (entry.path, path) if part), message))

    # -- applying ------------------------------------------------------------------------------------------------

    def _concerns(self, entry: _Entry, rule: Rule) -> bool:
        """Whether it changes the rule. A pattern's ``detect`` is for those rules that it covers and that are so."""
        if not entry.covers(rule):
            return False
        return not (
            entry.is_pattern
            and entry.settings.keys() == {"detect"}
            and rule.detect.name not in entry.settings["detect"]
        )

    def _changed(self, rule: Rule, entries: list[_Entry], tenant: str) -> Rule:
        merged = dict(rule.document)
        said: dict[str, str] = {}
        for entry in entries:
            for name, value in entry.settings.items():
                if name == "detect":
                    _detect(merged, rule, value, said)
                else:
                    merged[name] = value
                    said[name] = f"{name}: {_short(value)}{_was(rule.document.get(name))}"
        try:
            made = parse_rule(merged, self._kinds, rule.file, rule.line)
        except BlockErrors as errors:
            for path, message in errors.problems:
                entry = next((e for e in reversed(entries) if path.split(".")[0] in e.settings), entries[-1])
                problem = (f"{entry.path}.{path}", message)
                if problem not in self.problems:
                    self.problems.append(problem)
            return rule
        what = "; ".join(said.values())
        return replace(
            made, document=rule.document, variant=tenant, overridden=f"for {tenant or 'all'}: {what}" if what else ""
        )


def _detect(merged: dict[str, Any], rule: Rule, value: dict[str, Any], said: dict[str, str]) -> None:
    """Put single settings of the kind over the rule's, where it is the rule's kind."""
    ((kind, settings),) = value.items()
    if kind != rule.detect.name:
        return
    before = (rule.document.get("detect") or {}).get(kind) or {}
    now = (merged.get("detect") or {}).get(kind) or {}
    merged["detect"] = {kind: {**now, **settings}}
    for name, changed in settings.items():
        said[f"detect.{name}"] = f"{kind}.{name}: {_short(changed)}{_was(before.get(name))}"


def _was(value: Any) -> str:
    return "" if value is None else f" (was {_short(value)})"


def _short(value: Any) -> str:
    """As it would be written, on one line."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{name}: {_short(item)}" for name, item in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(map(_short, value)) + "]"
    else:
        text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
