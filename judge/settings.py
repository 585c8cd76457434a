"""The run file's `judges` entries: who may judge, and how its answer is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from constitution.record import Record


class _Calibratable(Record):
    """What every entry of `judges` may say."""

    calibration: str | None = None
    """A file that `preceptor calibrate` wrote for this judge: its temperatures act when votes become labels."""


class RulesJudge(_Calibratable):
    """The principles' own checks: deterministic, needs no model."""

    kind: Literal["rules"]
    confidence: float = Field(default=4.0, gt=0, le=20)
    """The logit of a vote at full confidence: 4 is p = 0.982."""


class LlmJudge(_Calibratable):
    """A language model, asked about one principle and one pair at a time."""

    kind: Literal["llm"]
    model: str = Field(min_length=1)
    """`bundled:smollm2-135m-instruct`, a Hugging Face id, a folder; on an `openai` engine, the server's name for it."""
    revision: str | None = None
    """The commit of a Hugging Face model; the newest when omitted. On an `openai` engine, a word of your own for a
    version: another word asks every vote again."""
    engine: str = Field(min_length=1)
    """The name of an entry of the run file's `engines`."""
    readout: Literal["direct", "reasoned"] = "direct"
    """`direct`: probabilities of the two label tokens. `reasoned`: a JSON object, rationale first, then the verdict."""
    reasoned_confidence: float = Field(default=0.8, gt=0.5, lt=1)
    """The probability that a reasoned verdict stands for: clamped, since reasoning makes models over-confident."""
    rationale_chars: int = Field(default=300, gt=0, le=300)
    """Longest rationale of a reasoned answer, in characters; a shorter one costs fewer tokens."""
    max_new_tokens: int = Field(default=160, gt=0)
    """Room for a reasoned answer."""
    template: str = Field(default="chat", pattern=r"^[a-z][a-z0-9_-]*$")
    """The name of a shipped template in judge/templates/."""
    max_chars: int = Field(default=4000, ge=100)
    """Longest response or conversation put before the judge, in characters; a longer one loses its middle."""
    orders: Literal["both", "ab"] = "both"
    """Whether each pair is shown in both orders; one order cannot cancel the judge's position bias."""
    batch_pairs: int = Field(default=8, gt=0)
    """Pairs whose votes are asked and committed together: the most that a crash can cost."""


class RecordedJudge(_Calibratable):
    """Opinions from a file: human annotators, user feedback, experts, or another judge. Asks nobody."""

    kind: Literal["recorded"]
    file: str = Field(min_length=1)
    """A folder that `preceptor import` wrote, or a JSONL file of opinions."""
    confidence: float = Field(default=0.8, gt=0.5, lt=1)
    """The probability that a bare verdict (`a` is better) stands for. Probabilities in the file are taken as they are;
    several opinions on one pair count as the mean of their probabilities."""
    orders: Literal["combined", "both"] = "combined"
    """`combined`: one vote a pair, of everything said. `both`: one vote for each order of showing, where the file says
    in which order each opinion was given, so that the voice's position bias can be seen."""


JudgeSettings = Annotated[RulesJudge | LlmJudge | RecordedJudge, Field(discriminator="kind")]
