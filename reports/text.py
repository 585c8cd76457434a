"""How numbers and other people's text appear: short, exact, and unable to pretend to be something else."""

from __future__ import annotations

import re

from judge.resampling import Score
from reports.statistics import Interval

MINUS = "−"

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_CONTROL_PICTURES = 0x2400


def visible(text: str) -> str:
    """`text` with every invisible or direction-changing character replaced by a sign for it.

    ESC becomes ␛ (control pictures), a right-to-left override ‹U+202E›. Line feeds and tabs stay; so do the joiners
    that scripts and emoji need (U+200C, U+200D). Bidi: Trojan Source, CVE-2021-42574.
    """
    return _UNSAFE.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "\u2421" if code == 0x7F else f"‹U+{code:04X}›"


def indented(text: str, by: int) -> str:
    """Every line moved in, so that no line of another's text can pass for one of ours."""
    return "\n".join(" " * by + line for line in text.splitlines())


def shorten(text: str, limit: int) -> str:
    """The first `limit` characters, and how many more there are."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} characters more)"


def number(value: float | None, digits: int = 1, signed: bool = False) -> str:
    """A fixed number of digits, a real minus sign, thousands separated; – for what was not measured."""
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    if not text.strip("-0.,"):
        text = text.removeprefix("-")
    elif signed and value > 0:
        text = f"+{text}"
    return text.replace("-", MINUS)


def percent(value: float | None, digits: int = 0, signed: bool = False) -> str:
    """A share from 0 to 1 in percent, without the sign."""
    return number(None if value is None else 100 * value, digits, signed)


def interval_text(interval: Interval, share: bool, digits: int = 1, signed: bool = False) -> str:
    """`61.2 % [55.0, 67.1], n = 48`; a signed share is a difference, in points; without an interval it says so."""
    show = percent if share else number
    unit = (" points" if signed else " %") if share else ""
    estimate = f"{show(interval.estimate, digits, signed)}{unit}"
    if interval.low is None or interval.high is None:
        return f"{estimate} (no interval), n = {interval.n}"
    ends = f"[{show(interval.low, digits, signed)}, {show(interval.high, digits, signed)}]"
    return f"{estimate} {ends}, n = {interval.n}"


def score_text(score: Score, share: bool = True, digits: int = 0) -> str:
    """`61 % [55, 67], n = 48` of a figure whose interval is over prompts; one that says nothing says so."""
    if score.value is None:
        return f"nothing to go by, n = {score.n}"
    show, unit = (percent, " %") if share else (number, "")
    ends = f"[{show(score.low, digits)}, {show(score.high, digits)}]"
    if score.low is None or score.high is None:
        ends = "(no interval: one prompt)"
    return f"{show(score.value, digits)}{unit} {ends}, n = {score.n}"


def plural(n: int, one: str, many: str = "") -> str:
    """`1 pair`, `2 pairs`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """`48 s`, `3 min 05 s`, `1 h 04 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
