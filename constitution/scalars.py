"""What an unquoted YAML scalar means: the YAML 1.2 core schema, and a refusal to guess where YAML 1.1 (PyYAML, many
editors and linters) would read the same characters as something else."""

from __future__ import annotations

import math
import re

from constitution.nodes import Ambiguous, ScalarValue

_NULL = re.compile(r"null|Null|NULL|~|")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TRUTHS = re.compile(r"(yes|on|true)|(no|off|false)", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_NUMBER_1_1 = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|0b[01_]+|0x[0-9a-fA-F_]+)")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
LONGEST_NUMBER = 100


def read_plain(text: str) -> ScalarValue:
    """The value of an unquoted scalar: None, a bool, a finite number, text, or Ambiguous."""
    if text in ("true", "false"):
        return text == "true"
    if _NULL.fullmatch(text):
        return None
    if _FLOAT.fullmatch(text) or _INTEGER.fullmatch(text):
        return _number(text)
    return _trap(text) or text


def _number(text: str) -> ScalarValue:
    if len(text) > LONGEST_NUMBER:
        return Ambiguous(text, f"a number of {len(text)} digits")
    if _INTEGER.fullmatch(text):
        return int(text, 0)
    if _LEADING_ZERO.fullmatch(text):
        octal = set(text) <= set("+-01234567")
        return Ambiguous(text, f"the number {int(text, 8)}" if octal else f"the number {int(text)}")
    number = float(text)
    return number if math.isfinite(number) else Ambiguous(text, "a number too large to hold")


def _trap(text: str) -> Ambiguous | None:
    """`text` is no YAML 1.2 number or boolean; is it something else in YAML 1.1?"""
    if _NOT_FINITE.fullmatch(text):
        return Ambiguous(text, "a number that is not finite")
    if truth := _TRUTHS.fullmatch(text):
        return Ambiguous(text, f"the boolean {'true' if truth[1] else 'false'}")
    if _SEXAGESIMAL.fullmatch(text):
        return Ambiguous(text, "a number in base 60")
    if _DATE.fullmatch(text):
        return Ambiguous(text, "a date")
    return Ambiguous(text, "a number") if _NUMBER_1_1.fullmatch(text) else None
