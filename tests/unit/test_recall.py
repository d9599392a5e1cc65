"""What is remembered of labels is what is worked out from them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.route.matchers import Labelled
from streams.route.recall import LONGEST, MOST, Recall, routing
from streams.route.tree import parse_route, ways


class Labels(Labelled):
    def __init__(self, **labels: str | tuple[str, ...]) -> None:
        self.labels = labels

    def label(self, path: str) -> str | tuple[str, ...]:
        return self.labels.get(path, "")


TREE = parse_route(
    {
        "receivers": ["mail"],
        "routes": [
            {"match": ['team=~"a|b"'], "receivers": ["chat"], "continue": True},
            {"match": ["severity=critical"], "receivers": ["pager"], "routes": [
                {"match": ["tags!=quiet"], "receivers": ["phone"]},
            ]},
        ],
    }
)  # fmt: skip
TEXTS = st.sampled_from(["", "a", "b", "critical", "quiet"])


@given(st.lists(st.tuples(TEXTS, TEXTS, st.one_of(TEXTS, st.tuples(TEXTS), st.tuples(TEXTS, TEXTS))), max_size=30))
def test_ways_through_a_tree_are_those_of_the_tree(seen: list[tuple[str, str, str | tuple[str, ...]]]) -> None:
    routed = routing(TREE)
    for team, severity, tags in seen:
        labels = Labels(team=team, severity=severity, tags=tags, other="of no concern")
        assert routed(labels) == ways(TREE, labels)


def noting(asked: list[str]) -> Recall[int]:
    def of(one: Labelled) -> int:
        asked.append(str(one.label("a")))
        return len(asked)

    return Recall(["a"], of)


def test_it_is_worked_out_once_for_the_labels_that_matter() -> None:
    asked: list[str] = []
    recall = noting(asked)
    for other in ("x", "y"):
        recall(Labels(a="1", b=other))
    recall(Labels(a="2"))
    assert asked == ["1", "2"]


def test_no_more_is_kept_than_its_bound_and_nothing_long() -> None:
    asked: list[str] = []
    recall = noting(asked)
    for _ in range(2):
        recall(Labels(a="x" * (LONGEST + 1)))
    assert len(asked) == 2
    for n in range(MOST + 1):
        recall(Labels(a=str(n)))
    assert len(recall._known) == 1
