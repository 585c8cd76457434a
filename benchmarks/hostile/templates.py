"""Judge templates and principles' questions: ways out of the sandbox, and ways to build a gigabyte of text in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.hostile.case import Case, must_refuse
from constitution.model import Principle
from judge.question import render_question
from judge.template_file import MAX_BYTES, load_template

WHOLE = """\
{% block case %}{{ conversation }} {{ response_a }} {{ response_b }}{% endblock %}
{% block question %}{{ principle }}{% endblock %}
{% block principle %}{{ question }}{% endblock %}
{% block direct %}HERE{% endblock %}
"""

EXPRESSIONS: Sequence[str] = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].system('id') }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ request.application.__globals__ }}",
    "{{ config.items() }}",
    "{{ principle.__class__ }}",
    "{{ principle['__class__'] }}",
    "{{ principle | attr('__class__') }}",
    "{{ principle | attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ (principle | map('upper') | list)[0] }}",
    "{{ [].append(1) }}",
    "{{ {}.update(a=1) }}",
    "{{ 'a' * 10**9 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ 2 ** 999999999 }}",
    "{{ [1] * 1000000000 }}",
    "{{ ('a' * 1000) * 1000000 }}",
    "{{ principle | center(1000000000) }}",
    "{{ principle | indent(1000000000) }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ principle.format(principle) }}",
    "{{ range(1000000000) | list }}",
    "{{ range(1000000000) | join }}",
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% for c in principle %}{% for d in principle %}{{ c }}{% endfor %}{% endfor %}",
    "{% for c in principle recursive %}{{ loop(c) }}{% endfor %}",
    "{% set x = principle %}{{ x }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% include '/etc/passwd' %}",
    "{% include '../../secrets.j2' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'base' %}",
    "{% filter upper %}x{% endfilter %}",
    "{% call f() %}x{% endcall %}",
    "{% do principle.append(1) %}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{% autoescape false %}{{ principle }}{% endautoescape %}",
    "{% block b %}{{ super() }}{% endblock %}",
    "{{ principle ~ principle }}",
    "{{ principle + principle }}",
    "{{ principle if principle else 1 }}",
    "{{ 1 / 0 }}",
    "{{ undefined_name }}",
    "{{ principle.upper() }}",
    "{{ principle | tojson }}",
    "{{ principle | safe | urlize }}",
    "{{ principle | pprint }}",
    "{{ dict(a=1) }}",
    "{{ joiner() }}",
    "{{ 0 }}",
    "{{",
    "{% if %}",
    "{% endfor %}",
    "{{ principle }",
    "{#",
)
WHOLES: Sequence[tuple[str, str]] = (
    ("nested 3,000 deep", WHOLE.replace("HERE", "{% if abstain %}" * 3000)),
    ("longer than 64 KiB", WHOLE + "{#" + "x" * MAX_BYTES + "#}"),
    ("a response twice", WHOLE.replace("{{ response_b }}", "{{ response_b }}{{ response_b }}")),
    ("a response in a condition", WHOLE.replace("{{ response_b }}", "{% if response_b %}{{ response_b }}{% endif %}")),
    ("a response through a filter", WHOLE.replace("{{ response_b }}", "{{ response_b | lower }}")),
    ("no response", WHOLE.replace("{{ response_b }}", "")),
    ("the response in another block", WHOLE.replace("HERE", "{{ response_a }}")),
    ("text outside of blocks", "{{ response_a }}" + WHOLE),
    ("an unknown block", WHOLE + "{% block other %}{% endblock %}"),
    ("the same block twice", WHOLE + "{% block direct %}{% endblock %}"),
    ("empty", ""),
)


def _template(source: str, folder: Path) -> object:
    (folder / "mine.j2").write_text(source, encoding="utf-8")
    return load_template("mine.j2", folder)


def _question(source: str) -> object:
    return render_question(Principle(id="p", text="Be brief.", question=source))


def cases() -> list[Case]:
    """All of them must be refused before anything is rendered."""
    found = [
        must_refuse("template", text, lambda f, t=text: _template(WHOLE.replace("HERE", t), f)) for text in EXPRESSIONS
    ]
    found += [must_refuse("template", name, lambda f, t=text: _template(t, f)) for name, text in WHOLES]
    return found + [must_refuse("question", text, lambda f, t=text: _question(t)) for text in EXPRESSIONS]
