"""``tocsin state``: what a rule remembered of a key at any moment, rebuilt from the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from streams.cli.archives import archives_of
from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.printing import line
from streams.cli.replay_inputs import opened, sources_of, wanted_of
from streams.cli.rules_given import effective
from streams.config import Config, event_sources
from streams.errors import ConfigError
from streams.model import Batch, Source
from streams.replay.lookback.archived import Archives
from streams.replay.lookback.onekey import OneKey, alone, given_key
from streams.replay.moments import parse_moment, rfc3339
from streams.replay.rules.remembered import needed, readable
from streams.replay.runner import PartitionLog
from streams.replay.topics import Point, Topic, TopicRange, consumer_of
from streams.rules.problems import did_you_mean
from streams.rules.rule import Rule, RuleSet

_SHOWN = 20


@click.group("state")
def command() -> None:
    """What rules remember."""


@command.command("at")
@click.option("--rule", "rule_id", required=True, metavar="RULE", help="Whose state.")
@click.option("--key", "keys", multiple=True, metavar="NAME=VALUE", help="A part of the key; one for each of group_by.")
@click.option("--tenant", default="default", show_default=True, help="Whose key, unless the rule is global.")
@click.option("--time", "moment", required=True, metavar="TIME", help="RFC 3339: records written up to then count.")
@click.option("--source", "given", multiple=True, metavar="NAME=PLACE", help="FILE, or topic:TOPIC[@FROM..TO].")
@click.option("--mapping", "mappings", multiple=True, metavar="[NAME=]MAPPING", help="How foreign records are read.")
@click.option("--rules", "paths", multiple=True, type=click.Path(path_type=Path), help="Rule files in place of those "
              "in force.")  # fmt: skip
def at(
    rule_id: str, keys: tuple[str, ...], tenant: str, moment: str, given: tuple[str, ...], mappings: tuple[str, ...],
    paths: tuple[Path, ...],
) -> None:  # fmt: skip
    """The state of one key of one rule at any moment, as JSON; and what the next event would need.

    Everything is rebuilt by replaying the rule's topics, or what --source names, up to TIME: the time at which records
    were written, not that of events. A file's lines count as written at their event time. Without --source the rule is
    that in force at TIME, with it that of --rules or of the configuration. What retention took from the topics is read
    in the archives of the configuration; `begins` says where reading began, `problems` what is nowhere.

    \b
    Examples:
      tocsin state at --rule audit.failed-login-burst --key actor=ada --tenant acme --time 2026-03-01T10:00:00Z
      tocsin state at --rule audit.failed-login-burst --key actor=ada --time 2026-03-01T10:00:00Z \\
          --source audit=trail.jsonl.gz --rules my-rules/
    """
    config, until = get_config(), parse_moment(moment)
    ruleset = effective(paths) if given or paths else _in_force(config, until)
    rule = next((one for one in ruleset.rules if one.id == rule_id), None)
    if rule is None:
        raise ConfigError(f"there is no rule {rule_id!r:.80}{did_you_mean(rule_id, [r.id for r in ruleset.rules])}")
    try:
        is_key = given_key(rule, _parts(keys))
    except ValueError as error:
        raise ConfigError(str(error), "write each as --key NAME=VALUE") from None
    only = alone(ruleset, rule)
    one, archives = OneKey(only, tenant, is_key), archives_of(config)
    if given:
        wanted = wanted_of(given)
        begins = _fed(one, wanted, sources_of(wanted, mappings, only, config), config, until)
    else:
        begins = _from_topics(one, rule, config, until, archives)
    one.settle()
    if not one.read:
        raise ConfigError(f"no record was written up to {rfc3339(until)}", "give a later --time, or another --source")
    line({**_document(one, rule, tenant, keys, until, begins), "problems": archives.problems})


def _parts(keys: Sequence[str]) -> dict[str, str]:
    parts = {}
    for text in keys:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--key {text!r}: write NAME=VALUE")
        parts[name] = value
    return parts


def _in_force(config: Config, until: int) -> RuleSet:
    """The rule set of the last control record that was written up to then; of the first one where none was."""
    from streams.replay.backtest.trial import control_history

    admin(config)
    consumer = consumer_of(kafka_options(config))
    try:
        history = list(control_history(consumer, names_of(config)))
    finally:
        consumer.close()
    ruled = [(control.ruleset, at) for control, at in history if control.ruleset.rules]
    if not ruled:
        raise ConfigError("no rules are in force", "apply some (`tocsin rules apply`), or name --rules")
    chosen: RuleSet = next((ruleset for ruleset, at in reversed(ruled) if at <= until), ruled[0][0])
    return chosen


def _from_topics(one: OneKey, rule: Rule, config: Config, until: int, archives: Archives) -> dict[str, int]:
    known = {source.name: source for source in event_sources(config)}
    begins: dict[str, int] = {}
    for name in rule.sources:
        if name not in known:
            raise ConfigError(f"no source is called {name!r:.80}", "give it a topic under sources in tocsin.yaml")
        source = known[name]
        admin(config)
        end = Point(time=until + 1)
        topic = Topic(kafka_options(config), TopicRange(names_of(config).topic(source.topic), end=end))
        try:
            for partition, (begin, _) in topic.ranges.items():
                low, kept = topic.lows[partition], archives.begin(source.topic, partition)
                begins[f"{source.topic}/{partition}"] = begin if kept is None else min(kept, begin)
                if kept is not None and kept < low:
                    earlier = PartitionLog(source, partition, archives.batches(source.topic, partition, kept, low))
                    one.feed(source, partition, _up_to(earlier, until))
                one.feed(source, partition, topic.batches(partition))
        finally:
            topic.close()
    return begins


def _fed(
    one: OneKey, wanted: dict[str, list[str]], sources: dict[str, Source], config: Config, until: int
) -> dict[str, int]:
    with opened(wanted, sources, config) as (logs, _):
        for log in logs:
            one.feed(log.source, log.partition, _up_to(log, until), log.locate)
    return {}


def _up_to(log: PartitionLog, until: int) -> Iterator[Batch]:
    """The log until the first record that was written later."""
    for chunk in log.chunks:
        batch = chunk if isinstance(chunk, Batch) else Batch(chunk)
        cut = next((n for n, (_, _, stamp) in enumerate(batch.records) if stamp > until), None)
        if cut is None:
            yield batch
            continue
        yield replace(batch, records=batch.records[:cut])
        return


def _document(
    one: OneKey, rule: Rule, tenant: str, keys: Iterable[str], until: int, begins: dict[str, int]
) -> dict[str, Any]:
    table, state = one.table, one.state
    last = [
        {"position": step.position, "event_time": rfc3339(step.at), "event_id": step.event_id,
         "findings": [found.observed for found in step.findings]}
        for step in list(one.steps)[-_SHOWN:]
    ]  # fmt: skip
    document = {
        "rule": rule.id, "version": rule.version, "tenant": tenant, "key": list(keys), "time": rfc3339(until),
        "detect": {rule.detect.name: rule.detect.document()},
        "watermark": rfc3339(one.mark), "begins": begins, "read": one.read, "of_this_key": one.own,
        "state": readable(table, state) if table is not None else None,
        "last_events": last,
    }  # fmt: skip
    document["next"] = needed(one)  # last: it steps events that never were
    return msgspec.to_builtins(document)  # type: ignore[no-any-return]
