"""Plays faults on the real runner, with real Kafka, PostgreSQL and Redis, and prints what came of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from streams.model import Notification
from tests.faults.disks import FullDisk, FullFiles
from tests.faults.ground import BYSTANDER, Ground, note
from tests.faults.killed import Killed
from tests.faults.receivers import Down, ErrorBody, Gone, HalfClosed, Loris, Storm, Well, hook
from tests.faults.scene import Make, Scene, Size, until
from tests.faults.stores import Flushed, Restarted, versions
from tests.faults.verdict import Beside, Log, Target, Verdict, beside, judge, settled

SCENES: dict[str, Make] = {
    "well": Well, "down": Down, "gone": Gone, "storm": Storm, "half-closed": HalfClosed, "loris": Loris,
    "error-body": ErrorBody, "pg-restart": Restarted, "pg-full": FullDisk, "files-full": FullFiles,
    "redis-flush": Flushed, "kill": Killed,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """``lasted``: the fault, s; ``settled``: from its end until nothing was left to do, s."""

    title: str
    verdicts: Sequence[Verdict]
    lasted: float
    settled: float
    before: Beside
    during: Beside

    @property
    def problems(self) -> list[str]:
        return [f"{one.sink}: {problem}" for one in self.verdicts for problem in one.problems]


def play(ground: Ground, makes: Sequence[Make], size: Size) -> list[Row]:
    """All of them at once, in one worker; a row for each. The good sink beside them must not notice any."""
    scenes = [make(ground, size, number * 10_000_000) for number, make in enumerate(makes, 1)]
    targets = [target for scene in scenes for target in scene.targets]
    good = hook(BYSTANDER, ground.bystander, size)
    environ = {name: value for scene in scenes for name, value in scene.environ.items()}
    ground.configure([target.block for target in targets], **environ)
    ground.start()
    ends: dict[str, tuple[float, float]] = {}
    with ground.calling():
        until(
            lambda: ground.bystander.accepted, 60, f"the worker to deliver; its log: {ground.data_dir / 'worker.log'}"
        )
        time.sleep(0.5)  # what was told while it started
        calm = time.time()
        time.sleep(size.calm)
        for scene in scenes:
            scene.begin()
        began = time.time()
        _tell(ground, scenes, size)
        with ThreadPoolExecutor(len(scenes)) as pool:
            for done in [pool.submit(_strike, ground, scene, size, ends) for scene in scenes]:
                done.result()
    over = time.time()
    for target in [*targets, good]:
        until(lambda: settled(ground, target), size.patience, f"{target.name} to be settled")  # noqa: B023 - used now
    for scene in scenes:
        if mend := getattr(scene, "mend", None):
            mend(ground)
    ground.stop()
    log = Log.read(ground)
    beside_all = judge(good, log, settled(ground, good))
    before = beside(ground, calm, began)
    rows = []
    for scene in scenes:
        verdicts = [judge(target, log, settled(ground, target)) for target in scene.targets]
        verdicts[0].problems += [f"beside it {BYSTANDER} {problem}" for problem in beside_all.problems]
        struck, done_at = ends[scene.title]
        rows.append(Row(scene.title, verdicts, struck - began, done_at - struck, before, beside(ground, began, over)))
    return rows


def _strike(ground: Ground, scene: Scene, size: Size, ends: dict[str, tuple[float, float]]) -> None:
    """To the end of the fault, and until the sinks have caught up."""
    scene.strike(ground)
    struck = time.time()
    for target in scene.targets:
        goal = {topic: ground.end_of(topic) for topic in target.topics[:1]}
        until(
            lambda: all(ground.committed(target.name, topic) >= end for topic, end in goal.items()),  # noqa: B023 - used now
            size.patience, f"{target.name} to catch up",
        )  # fmt: skip
    ends[scene.title] = struck, time.time()


def _tell(ground: Ground, scenes: Sequence[Scene], size: Size) -> None:
    """``size.count`` for each sink; the storages share one topic."""
    everyone = [(number, target) for number, scene in enumerate(scenes, 1) for target in scene.targets]
    ground.tell(
        one
        for number, target in everyone
        if target.newest is None
        for one in _notes(target, number * 10_000_000, size.count)
    )
    if any(target.newest is not None for _, target in everyone):
        ground.store(*versions(500_000_000, size.count))


def _notes(target: Target, first: int, count: int) -> Iterator[Notification]:
    """Where order can be seen, one alert in five has a second version."""
    alerts = count * 5 // 6 if target.ordered else count
    for number in range(alerts):
        yield note(first + number, target.name)
        if target.ordered and number % 5 == 0 and number // 5 < count - alerts:
            yield note(first + number, target.name, version=2)


HEAD = """\
| fault | sink | told | delivered | dead letter | attempts | sent again | lasted | caught up after | good sink p50/p99 \
before | during | verdict |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"""


def lines(row: Row) -> str:
    """Markdown, a line for each sink. The good sink's figures are from the notification to its delivery."""
    figures = f"{row.lasted:.1f} s | {row.settled:.1f} s | {_ms(row.before)} | {_ms(row.during)}"
    return "\n".join(
        f"| {'' if number else row.title} | {one.sink} | {one.told:,} | {one.delivered:,} | {one.lost:,} |"
        f" {one.attempts:,} | {one.again:,} | {' | | | ' if number else figures} |"
        f" {'; '.join(one.problems) or 'holds'} |"
        for number, one in enumerate(row.verdicts)
    )


def _ms(found: Beside) -> str:
    return f"{found.p50}/{found.p99} ms"
