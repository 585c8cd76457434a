"""Text that others wrote, made safe to stand in a judge's prompt: it can neither close its fence nor speak as a role.

Every change is visible to a reader of the prompt; nothing is removed silently.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FENCE_OPEN, FENCE_CLOSE = "<<<", ">>>"

_ANGLES = re.compile(r"<{2,}|>{2,}")
_BARRED = re.compile(r"<(?=[|｜])|(?<=[|｜])>")
_TAGS = re.compile(
    r"<(?=/?(?:s|bos|eos|pad|unk|cls|sep|mask|sop|eop|think|tool_call|tool_response|startoftext|endoftext"
    r"|(?:start|end)_of_(?:turn|image|text)|(?:unused|extra_id_|reserved_)\w{1,20})>)",
    re.IGNORECASE,
)
_INST = re.compile(
    r"\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|BOS|EOS|PAD|UNK|CLS|SEP|g?MASK)\])",
    re.IGNORECASE,
)
# Control, direction-changing and invisible characters, and the tag characters that can spell a hidden text.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class Bounded(NamedTuple):
    """A text, and how many of its characters were left out."""

    text: str
    cut_chars: int


def neutralise(text: str) -> str:
    """Break up everything that could be taken for structure, by a space that a reader can see.

    <<< and >>> (our fences), <|im_end|> and its like, <s>, <think>, <start_of_turn>, [INST] ... Control, invisible and
    direction-changing characters become U+FFFD; line ends become \\n. Idempotent.
    """
    text = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _ANGLES.sub(lambda run: " ".join(run[0]), text)
    text = _BARRED.sub(lambda bracket: "< " if bracket[0] == "<" else " >", text)
    return _INST.sub("[ ", _TAGS.sub("< ", text))


def bound(text: str, limit: int) -> Bounded:
    """At most `limit` characters and a marker: the middle is cut, because openings and endings tell most."""
    cut = len(text) - limit
    if cut <= 0:
        return Bounded(text, 0)
    head = (limit + 1) // 2
    return Bounded(f"{text[:head]}\n[... {cut} characters left out ...]\n{text[head + cut :]}", cut)


def fenced(label: str, text: str, nonce: str) -> str:
    """A block that only our own code can open and close. `text` must be neutralised."""
    return f"{FENCE_OPEN}{label} {nonce}{FENCE_CLOSE}\n{text}\n{FENCE_OPEN}END {label} {nonce}{FENCE_CLOSE}"
