"""What a format's reader finds in its files: comparisons, single responses, and what it had to leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from pydantic import Field

from constitution.record import Record
from generate.address import Address
from generate.records import Message, Prompt
from judge.opinions import Voice

ImportFormat = Literal["trl", "hh-rlhf", "annotated-pairs", "datasets", "thumbs", "llmbar", "llmbar-verdicts", "xstest"]
Better = Literal["first", "second", "tie", "abstain"]


class Request(Record):
    """What is to be imported, and what is known of it."""

    format: ImportFormat
    """How the sources are to be read."""
    sources: tuple[Address, ...] = Field(min_length=1)
    """Files, URLs, folders or Hugging Face ids of data sets, as many as the format needs."""
    split: str = "train"
    """The split of a data set that has several."""
    limit: int | None = Field(default=None, gt=0)
    """Rows to read of each source; all when omitted."""
    voice: Voice = "human"
    """Whose preferences these are, where the data does not say."""
    annotator: str = ""
    """A name for whoever judged, where the data has none."""
    principle: str | None = None
    """The principle that the preferences are about; the pair as a whole when omitted."""
    tags: tuple[str, ...] = ()
    """Tags for every prompt, for the scopes of principles."""
    license: str | None = None
    """The data's licence, to be kept with it."""
    url: Address | None = None
    """Where the data is from."""
    note: str | None = None
    """Anything else that a reader should know."""


class Said(NamedTuple):
    """One opinion about a comparison. `p`: the probability that the first is better, where it is known."""

    better: Better
    principle: str | None = None
    annotator: str = ""
    voice: Voice | None = None
    shown_first: Literal["first", "second"] | None = None
    p: float | None = None
    comment: str | None = None


class Compared(NamedTuple):
    """Two responses to one conversation, in the order of the file, and what was said of them."""

    name: str
    conversation: tuple[Message, ...]
    first: str
    second: str
    said: tuple[Said, ...]
    tags: tuple[str, ...] = ()


class Rated(NamedTuple):
    """One response to one conversation, liked or not."""

    name: str
    conversation: tuple[Message, ...]
    response: str
    up: bool
    annotator: str = ""


class Skipped(NamedTuple):
    """Something that was read and cannot be used; `reason` is counted."""

    reason: str


class Principled(NamedTuple):
    """A principle that the data brings along: its id in the opinions, and its text."""

    id: str
    text: str


Item: TypeAlias = Compared | Rated | Skipped | Principled
Reader: TypeAlias = Callable[[Request], Iterator[Item]]


class Single(Record):
    """A response that was judged on its own: for losses that need no pairs."""

    prompt: Prompt
    """What it answers."""
    response: str
    """Its text."""
    up: bool
    """Whether it was liked."""
    annotator: str = ""
    """By whom."""
    source: Voice
    """What kind of voice that was."""
