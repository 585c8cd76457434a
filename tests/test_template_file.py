"""A judge template of one's own: what may stand in it, where its faults are, and that it is really used."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest

from constitution.errors import ConfigError, DataError, JudgeError
from generate.records import Message
from judge.llm import check_blocks
from judge.settings import LlmJudge
from judge.template import Block, load_template, render
from judge.template_file import MAX_BYTES, parse_template
from tests.judging import PRINCIPLES, a_pair, a_prompt

GOOD = """\
{# A template of one's own. #}
{% block system %}Du bist ein Richter.{% endblock %}
{% block case %}
Gespräch: {{ conversation }}
Eins: {{ response_a }}
Zwei: {{ response_b }}
{% endblock %}
{% block question %}
Welche Antwort erfüllt das besser: {{ principle | trim }}
{% endblock %}
{% block principle %}
{{ question }}
{% for example in examples %}
{{ example.better }} > {{ example.worse }}
{% endfor %}
{% endblock %}
{% block direct %}
A oder B?
{% endblock %}
"""


def faults(source: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_template(source, "mine.j2")
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def with_line(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_file_is_used_and_its_text_is_in_the_judges_identity(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mine.j2").write_text(GOOD, encoding="utf-8")
    template = load_template("templates/mine.j2", tmp_path)
    found = render(template, a_pair("ja", "nein", a_prompt("Weit?")), PRINCIPLES[0], "ab", "direct", 4000)
    assert [message.role for message in found.messages] == ["system", "user"]
    assert found.messages[1].content.endswith(f"das besser: {PRINCIPLES[0].text}\n\nA oder B?")
    (tmp_path / "mine.j2").write_text(GOOD.replace("A oder B", "A oder doch B"), encoding="utf-8")
    assert load_template("mine.j2", tmp_path).digest != template.digest


@pytest.mark.parametrize("name", ["../outside.j2", "/etc/passwd.j2", "link.j2", "a/../../outside.j2"])
def test_a_file_must_lie_in_the_run_files_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "outside.j2").write_text(GOOD, encoding="utf-8")
    (folder / "link.j2").symlink_to(tmp_path / "outside.j2")
    with pytest.raises(JudgeError, match="must lie in the run file's folder"):
        load_template(name, folder)


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        load_template("none.j2", tmp_path)
    (tmp_path / "huge.j2").write_text(GOOD + "{#" + "x" * MAX_BYTES + "#}", encoding="utf-8")
    with pytest.raises(DataError, match="longer than 64 KiB"):
        load_template("huge.j2", tmp_path)
    with pytest.raises(JudgeError, match=r"no judge template is called `mine`; .* ends in \.j2"):
        load_template("mine", tmp_path)


@pytest.mark.parametrize(
    ("bad", "column", "why"),
    [
        ('{{ "a" * 10**9 }}', 8, "uses the operator `*`"),
        ('{{ "a" * 1000000000 }}', 8, "uses the operator `*`"),
        ("{{ 2 ** 99999999 }}", 6, "uses the operator `**`"),
        ("{{ [1] * 9 }}", 8, "uses the operator `*`"),
        ('{{ "a" ~ "b" }}', 1, "uses `Concat`"),
        ("{{ range(10**9) | list }}", 9, "uses a call"),
        ("{{ cycler.__init__.__globals__ }}", 4, "`cycler` is not defined in the block `direct`; defined: nothing"),
        ("{{ cycler.__init__.__globals__ }}", 10, "`.__init__` is not allowed"),
        ('{{ "".__class__ }}', 6, "`.__class__` is not allowed"),
        ('{{ "a" | center(999999999) }}', 10, "uses the filter `center`"),
        ('{{ "a" | upper }}', 1, "uses `Const`"),
        ("{% for c in [1, 2] %}{{ c }}{% endfor %}", 4, "a loop may only be `for example in examples`"),
        ("{% include 'chat.j2' %}", 1, "uses `Include`"),
        ("{% import 'chat.j2' as x %}", 1, "uses `Import`"),
        ("{% macro f() %}{% endmacro %}", 1, "uses `Macro`"),
        ("{% set x = 1 %}", 1, "uses `Assign`"),
        ("{{ conversaton }}", 4, "`conversaton` is not defined"),
        ("{{ 1 + }}", 1, "not a template: "),
        ("{% if 1 == 1 %}x{% endif %}", 4, "a condition may only ask for one name"),
    ],
)
def test_nothing_can_be_computed_and_every_fault_has_its_place(bad: str, column: int, why: str) -> None:
    started = time.process_time()
    found = faults(with_line("A oder B?", bad))
    assert time.process_time() - started < 0.5
    assert any(line == 18 and message.startswith(why) for line, _, message in found), found
    assert any(col == column and message.startswith(why) for _, col, message in found), found


def test_all_faults_are_listed_at_once_with_the_file_and_the_line() -> None:
    source = with_line("{{ question }}", "{{ questoin }}").replace("{% block direct %}", "{% block dirct %}")
    with pytest.raises(ConfigError) as caught:
        parse_template(source, "mine.j2")
    assert str(caught.value).startswith("mine.j2:11:10: the block `principle` must hold `{{ question }}`")
    assert "mine.j2:12:4: `questoin` is not defined in the block `principle`" in str(caught.value)
    assert "mine.j2:17:10: unknown block `dirct`; there are: system, case" in str(caught.value)
    assert "\n    {{ questoin }}\n       ^" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Zwei: {{ response_b }}", "Zwei:"),
        ("Zwei: {{ response_b }}", "Zwei: {{ response_b }} {{ response_b }}"),
        ("Zwei: {{ response_b }}", "Zwei: {{ response_b | upper }}"),
        ("Zwei: {{ response_b }}", "{% if response_b %}{{ response_b }}{% endif %}"),
    ],
)
def test_each_untrusted_text_stands_exactly_once_as_it_is(old: str, new: str) -> None:
    assert "`{{ response_b }}` must stand exactly once" in " ".join(said for _, _, said in faults(with_line(old, new)))


def test_loops_do_not_multiply_and_names_stand_three_times_at_most() -> None:
    loop = "{% for example in examples %}"
    nested = with_line(loop, loop * 2).replace("{% endfor %}", "{% endfor %}{% endfor %}")
    assert "no other loop in it" in faults(nested)[0][2]
    often = with_line("{{ question }}", "{{ question }}" * 4)
    assert faults(often) == [(11, 10, "`question` stands 4 times in the block `principle`, more than 3")]
    assert "only blocks may stand at the top" in faults("Hello\n" + GOOD)[0][2]
    assert "nested too deeply" in faults(with_line("A oder B?", "{{ " + "(" * 5000 + " }}"))[0][2]


def test_a_template_must_have_what_its_judge_asks_for() -> None:
    template = parse_template(GOOD, "mine.j2")

    def check(**settings: object) -> None:
        fields = {"kind": "llm", "model": "m", "engine": "e"} | settings
        check_blocks("j", LlmJudge.model_validate(fields), template)

    check()
    with pytest.raises(JudgeError, match=r"lacks the block `reasoned`, which `readout: reasoned` needs"):
        check(readout="reasoned")
    with pytest.raises(JudgeError, match=r"lacks the block `think`"):
        check(readout="two_step")
    silent = parse_template(GOOD + "{% block reasoned %}JSON!{% endblock %}", "mine.j2")
    with pytest.raises(JudgeError, match=r"may abstain, but its template .* never says so"):
        check_blocks("j", LlmJudge(kind="llm", model="m", engine="e", readout="reasoned", abstain=True), silent)


def test_the_cai_template_is_the_papers_multiple_choice_form() -> None:
    """Bai et al. 2022, arXiv 2212.08073, section 4.1: conversation, principle, (A), (B), "The answer is:"."""
    question = "Which of these assistant responses is less harmful?"
    principle = PRINCIPLES[0].model_copy(update={"text": question, "question": "{{ principle }}"})
    roles: tuple[Literal["user", "assistant"], ...] = ("user", "assistant", "user")
    turns = [Message(role=role, content=text) for role, text in zip(roles, ("Hi", "Hello", "Q"), strict=True)]
    pair = a_pair("first", "second", a_prompt(turns=turns))
    messages = render(load_template("cai"), pair, principle, "ab", "direct", 4000).messages
    lines = [line for line in messages[-1].content.split("\n") if line and not line.startswith("<<<")]
    assert [message.role for message in messages] == ["user"]
    assert lines == [
        "Consider the following conversation between a human and an assistant:",
        *("Hi", "Hello", "Q"),
        question,
        "Options:",
        *("(A)", "first", "(B)", "second"),
        "Say the letter of one option only, A or B.",
        "The answer is:",
    ]


@pytest.mark.parametrize("template", ["cai", "chat", "small"])
@pytest.mark.parametrize("block", ["direct", "reasoned", "think"])
def test_neither_is_offered_only_where_it_may_be_answered(template: str, block: Block) -> None:
    def text(abstain: bool) -> str:
        rendered = render(load_template(template), a_pair("x", "y"), PRINCIPLES[0], "ab", block, 4000, abstain)
        return rendered.messages[-1].content

    assert "neither" not in text(False)
    assert ("neither" in text(True)) == (block == "reasoned")
