"""``tocsin topics``: the topics a configuration needs, made on a cluster and compared with it."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from streams.cli.cluster_topics import Difference, compare, create, found_topics, needed_topics
from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.sampled_keys import misplaced_keys
from streams.cli.topic_schemas import schemas_
from streams.config import event_sources


@click.group("topics")
def command() -> None:
    """The topics, as schemas/topics.yaml describes them, under the configured prefix.

    \b
    Examples:
      tocsin topics create
      tocsin topics check --sample
    """


command.add_command(schemas_)


@command.command("create")
@click.option(
    "--partitions", type=click.IntRange(1, 10_000), default=4, show_default=True, help="Where free to choose."
)
@click.option("--replication", type=click.IntRange(1, 100), help="Replicas of each; the cluster's default without it.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def create_(ctx: click.Context, partitions: int, replication: int | None, as_json: bool) -> None:
    """Create what is missing. What exists is left as it is, and compared.

    \b
    Example:  tocsin topics create --partitions 12 --replication 3
    """
    config = get_config(ctx)
    client = admin(config)
    needed = needed_topics(config)
    made = create(client, needed, found_topics(client, needed), partitions, replication)
    differences = compare(needed, found_topics(client, needed))
    if as_json:
        click.echo(json.dumps({"created": made, "problems": [asdict(one) for one in differences]}, indent=1))
    else:
        click.echo(f"created {len(made)} topics, {len(needed) - len(made)} were there")
        _show(differences)
    ctx.exit(1 if differences else 0)


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--sample", type=click.IntRange(1, 1_000_000), is_flag=False, flag_value=2_000, default=None,
    help="Read so many records at the end of each source partition (2000): do equal keys stand in one partition?",
)  # fmt: skip
@click.pass_context
def check(ctx: click.Context, as_json: bool, sample: int | None) -> None:
    """Compare the cluster with what is needed; exit status 1 if anything differs.

    \b
    Examples:
      tocsin topics check
      tocsin topics check --sample 10000
    """
    config = get_config(ctx)
    needed = needed_topics(config)
    differences = compare(needed, found_topics(admin(config), needed))
    if sample is not None:
        differences += misplaced_keys(kafka_options(config), names_of(config), event_sources(config), sample)
    if as_json:
        click.echo(json.dumps({"problems": [asdict(one) for one in differences]}, indent=1))
    else:
        _show(differences)
        if not differences:
            click.echo(f"{len(needed)} topics are as they must be")
    ctx.exit(1 if differences else 0)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """What is needed, what for, and what is there.

    \b
    Example:  tocsin topics list --json
    """
    config = get_config(ctx)
    needed = needed_topics(config)
    found = found_topics(admin(config), needed)
    if as_json:
        rows = [
            {
                "topic": topic.name, "holds": topic.spec.holds, "key": topic.spec.key, "of": topic.spec.of,
                "partitions": found[topic.name].partitions if topic.name in found else None,
                "config": dict(topic.config),
            }
            for topic in needed
        ]  # fmt: skip
        click.echo(json.dumps(rows, indent=1))
        return
    width = max(len(topic.name) for topic in needed)
    for topic in needed:
        there = str(found[topic.name].partitions) if topic.name in found else "missing"
        cleanup = topic.config.get("cleanup.policy", "")
        click.echo(f"{topic.name:<{width}}  {there:>10}  {cleanup:<8}  {topic.spec.holds}")


def _show(differences: list[Difference]) -> None:
    for one in differences:
        click.echo(f"{one.topic}: {one.problem}")
        click.echo(f"  fix: {one.fix}")
