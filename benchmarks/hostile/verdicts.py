"""What a judge's model may answer instead of a verdict, and the reason that the failed vote must give."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.hostile.case import Case, shown
from judge.verdict import NoVerdict, read_verdict

GOOD = '{"rationale": "A is shorter.", "verdict": "A"}'
MALFORMED = [
    ("", "empty"),
    (" \n\t", "empty"),
    ("A", "prose"),
    ("Ａ", "prose"),  # full width
    ("🅰", "prose"),
    ("The better response is A.", "prose"),
    ("Die erste Antwort ist besser: A.", "prose"),
    ("回答Aの方が良いです。", "prose"),
    ("NaN", "not_a_number"),
    ("Sure! " + GOOD, "prose"),
    ("<think>It is A.</think>" + GOOD, "prose"),
    ("\ufeff" + GOOD, "prose"),
    ("\u200b" + GOOD, "prose"),
    ("I'm sorry, but I can't compare these.", "refused"),
    ("I cannot help with that. A", "refused"),
    ("As an AI, I have no preference.", "refused"),
    ("```json\n" + GOOD + "\n```", "code_fence"),
    ("```\nA\n```", "code_fence"),
    (GOOD + " I hope this helps.", "invalid_json"),
    (GOOD + GOOD, "two_verdicts"),
    (GOOD + "\n" + GOOD.replace('"A"', '"B"'), "two_verdicts"),
    ("{'rationale': 'x', 'verdict': 'A'}", "invalid_json"),
    ('{"rationale": "x", "verdict": "A",}', "invalid_json"),
    ('{"rationale": "x", "verdict": A}', "invalid_json"),
    ('{"rationale": "x", "verdict": NaN}', "not_a_number"),
    ('{"rationale": "x", "verdict": -Infinity}', "not_a_number"),
    ('{"rationale": "x", "verdict": 1e999999}', "off_menu"),
    ('{"rationale": "x", "verdict": "A", "verdict": "B"}', "duplicate_keys"),
    ('{"rationale": "x", "verdict": "A", "verdict": "A"}', "duplicate_keys"),
    ('{"rationale": "line\nbreak", "verdict": "A"}', "invalid_json"),
    ('{"rationale": "cut', "invalid_json"),
    ("[" * 10_000, "invalid_json"),
    ("[" * 100_000, "oversized"),
    (json.dumps({"rationale": "x" * 10**6, "verdict": "A"}), "oversized"),
    ('{"rationale": "x", "verdict": ' + "9" * 6_000 + "}", "invalid_json"),
    ("null", "wrong_schema"),
    ('"A"', "wrong_schema"),
    ("0.5", "wrong_schema"),
    ("[" + GOOD + "]", "wrong_schema"),
    ("{}", "no_verdict"),
    ('{"rationale": "The verdict is A."}', "no_verdict"),
    ('{"verdict": "A"}', "wrong_schema"),
    ('{"verdict": "A", "rationale": "decided first"}', "wrong_schema"),
    ('{"rationale": "x", "verdict": "A", "score": 9}', "wrong_schema"),
    ('{"rationale": "", "verdict": "A"}', "wrong_schema"),
    ('{"rationale": null, "verdict": "A"}', "wrong_schema"),
    ('{"rationale": ["x"], "verdict": "A"}', "wrong_schema"),
    ('{"rationale": "\\ud800", "verdict": "A"}', "wrong_schema"),  # half a character
    (json.dumps({"rationale": "x" * 301, "verdict": "A"}), "too_long_rationale"),
    (json.dumps({"rationale": "x" * 301, "verdict": "C"}), "wrong_schema"),
    ('{"Rationale": "x", "Verdict": "A"}', "no_verdict"),
    ('{"rationale": "x", "verdict": "C"}', "off_menu"),
    ('{"rationale": "x", "verdict": "a"}', "off_menu"),
    ('{"rationale": "x", "verdict": " A"}', "off_menu"),
    ('{"rationale": "x", "verdict": "(A)"}', "off_menu"),
    ('{"rationale": "x", "verdict": "A\u200b"}', "off_menu"),
    ('{"rationale": "x", "verdict": "Ａ"}', "off_menu"),
    ('{"rationale": "x", "verdict": "🅰️"}', "off_menu"),
    ('{"rationale": "x", "verdict": "A or B"}', "off_menu"),
    ('{"rationale": "x", "verdict": "tie"}', "off_menu"),
    ('{"rationale": "x", "verdict": "neither"}', "off_menu"),
    ('{"rationale": "x", "verdict": null}', "off_menu"),
    ('{"rationale": "x", "verdict": 0}', "off_menu"),
    ('{"rationale": "x", "verdict": ["A"]}', "off_menu"),
    ('{"rationale": "x", "verdict": "А"}', "off_menu"),  # a Cyrillic letter
]


def _read(text: str, reason: str, _: Path) -> str | None:
    found = read_verdict(text, "stop")
    return None if found == NoVerdict(reason) else f"read as {found}"


def cases() -> list[Case]:
    """None of them may become a verdict."""
    return [Case("verdict", shown(text), lambda f, t=text, r=reason: _read(t, r, f)) for text, reason in MALFORMED]
