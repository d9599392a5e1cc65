"""Users' templates: what they may say, what is refused with its line, and that none grows, runs long or reaches out."""

from __future__ import annotations

import time

import pytest

from connectors.clip import CUT, as_html, as_markdown, as_slack, clean, fit, length, size
from connectors.message import message_of
from connectors.templates import TemplateProblem, compile_template
from connectors.testing import notifier_item
from connectors.wording import Texts, Wording


def said(body: str, escape: object = str, **changes: object) -> str:
    item = notifier_item(1, **changes)
    words = Wording(Texts(body=body), escape).words(item, message_of(item))  # type: ignore[arg-type]
    return words.failed or words.body or ""


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ alert.title }}", "20 failed logins for ada"),
        ("{{ alert.deal_id | default('none', true) }}", "none"),  # empty fields are there, and empty
        ("{{ alert.severity | upper }} {{ reason }}", "HIGH new"),
        ("{% for name, value in alert.key | items %}{{ loop.index }}:{{ name }}={{ value }}{% endfor %}", "1:actor=ada"),
        ("{% for tag in alert.tags %}x{% else %}no tags{% endfor %}", "no tags"),
        ("{% if alert.count > 1 %}many{% else %}one{% endif %}", "one"),
        ("{{ alert.event_time }}", "2024-01-01T00:00:00.000Z"),
        ("{{ alert['rule'] }} {{ alert.title[:9] }}", "audit.failed-login-burst 20 failed"),
        ("{% if group %}group{% else %}alone{% endif %}", "alone"),
        ("{{ alert.key | tojson }}", '{"actor":"ada"}'),
    ],
)  # fmt: skip
def test_a_template_says(template: str, text: str) -> None:
    assert said(template) == text


@pytest.mark.parametrize(
    ("template", "line", "why"),
    [
        ("a\n{{ alert.titel }}", 2, "alert has no titel"),
        ("{{ alrt }}", 1, "there is no alrt"),
        ("a\nb\n{% if %}", 3, "xpected"),
        ("{{ alert.title | nope }}", 1, "no filter nope"),
        ("{{ alert.title.upper() }}", 1, "call is not allowed"),
        ("{% set x = 1 %}", 1, "assign is not allowed"),
        ("{% include 'x' %}", 1, "include is not allowed"),
        ("{% import 'x' as y %}", 1, "import is not allowed"),
        ("{% macro m() %}{% endmacro %}", 1, "macro is not allowed"),
        ("{{ 'x' * 1000000000 }}", 1, "mul is not allowed"),
        ("{{ 9 ** 9 ** 9 }}", 1, "pow is not allowed"),
        ("{{ '%999999999d' % 1 }}", 1, "mod is not allowed"),
        ("{{ range(9) }}", 1, "not allowed"),
        ("{% for a in alert.tags %}{% for b in alert.tags %}{% for c in alert.tags %}{% endfor %}{% endfor %}{% endfor %}",
         1, "2 deep"),
        ("{{ alert | attr('__class__') }}", 1, "no filter attr"),
        ("{" * 20_000, 1, "longer than"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", 1, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_work_is_refused_with_its_line(template: str, line: int, why: str) -> None:
    with pytest.raises(TemplateProblem, match=why) as caught:
        compile_template(template)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "template",
    [
        "{{ alert.__class__ }}", "{{ title.__class__ }}", "{{ alert.key.__init__ }}", "{{ alert['__class__'] }}",
        "{{ ''['__class__'] }}", "{{ alert.key.keys }}", "{{ title.format }}", "{{ loop }}",
        "{% for a in alert.tags %}{{ loop._iterator }}{% endfor %}",
    ],
)  # fmt: skip
def test_no_attribute_of_an_object_is_reached(template: str) -> None:
    try:
        text = said(template, tags=("x",))
    except TemplateProblem:
        return
    assert "template failed" in text


@pytest.mark.parametrize(
    "template",
    [
        "{{ alert.metadata.absent }}",
        "{{ alert.title + 1 }}",
        "{% for letter in alert.title %}x{% endfor %}",
        "{{ alert.title" + " | replace('a', 'aaaaaaaaaaaaaaaaaaaa')" * 20 + " }}",
        "{{ alert.title" + " | tojson" * 60 + " }}",
        "{% for a in alert.tags %}{% for b in alert.tags %}{{ alert.description }}{% endfor %}{% endfor %}",
        "{% for a in alert.tags %}{% for b in alert.tags %}"
        + "{{ alert.key | tojson | length }}" * 400
        + "{% endfor %}{% endfor %}",
    ],
)
def test_at_run_time_it_falls_back_with_a_marker_and_soon(template: str) -> None:
    began = time.monotonic()
    text = said(template, tags=("x",) * 5000, description="d" * 4000, key={"a": "\\" * 3000})
    assert text.startswith("[the sink's template failed: ")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("escape", "shown"),
    [
        (as_slack, "*x* &lt;!channel&gt; &amp; [a](b)"),
        (as_html, "*x* &lt;!channel&gt; &amp; [a](b)"),
        (as_markdown, "\\*x\\* \\<!channel\\> & \\[a\\]\\(b\\)"),
    ],
)
def test_data_is_escaped_and_the_users_own_markup_is_not(escape: object, shown: str) -> None:
    assert said("<b>*{{ alert.title }}*</b>", escape, title="*x* <!channel> & [a](b)") == f"<b>*{shown}*</b>"


@pytest.mark.parametrize("text", ["plain " * 500, "&" * 3000, "🔥" * 3000, "<🔥&" * 900])
@pytest.mark.parametrize("limit", [0, 5, 50, 256, 1024])
def test_text_is_cut_visibly_and_never_within_an_escape(text: str, limit: int) -> None:
    found = fit(text, limit, as_slack)
    assert length(found) <= limit
    assert found == "" or found.endswith(CUT)
    assert found.count("&") == found.count(";")
    assert size(fit(text, limit, as_slack, size)) <= limit


def test_text_that_fits_is_left_alone() -> None:
    assert fit("a & b", 9, as_slack) == "a &amp; b"


def test_cleaning_takes_out_what_cannot_be_seen_and_leaves_joined_emoji() -> None:
    assert clean("a\x1b[2J\u202eb\0\ud800") == "a\ufffd[2J\ufffdb\ufffd\ufffd"
    assert clean("👩‍🚒\n\tk") == "👩‍🚒\n\tk"
    assert clean(10**30) == str(10**30)
    assert clean("x" * 3000).endswith(CUT)
    assert len(clean("x" * 3000)) == 2000
