"""The run file's `judges` entries: who may judge, and how its answer is read."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from constitution.record import Record

EVEN_WITHIN = 1e-9
"""Rounding of decimal fractions: 0.4 + 0.6."""


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
    readout: Literal["direct", "reasoned", "two_step"] = "direct"
    """`direct`: probabilities of the two label tokens. `reasoned`: a JSON object, rationale first, then the verdict.
    `two_step`: a rationale, and then the probabilities of the two label tokens after it, clamped."""
    reasoned_confidence: float = Field(default=0.8, gt=0.5, lt=1)
    """The probability that a `reasoned` verdict stands for: clamped, since reasoning makes models over-confident."""
    clamp: tuple[float, ...] = Field(default=(0.4, 0.6), min_length=2, max_length=2)
    """The range that a `two_step` probability is clamped to, even about 0.5; the default is the CAI paper's."""
    rationales: int = Field(default=1, ge=1, le=32)
    """Rationales drawn for each question, each with its own vote; their probabilities are averaged."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """How rationales are drawn: 0 writes the likeliest one, and several need more."""
    abstain: bool = False
    """Whether a `reasoned` judge may answer that neither is better: an abstention, never a tie."""
    rationale_chars: int = Field(default=300, gt=0, le=300)
    """Longest rationale, in characters; a shorter one costs fewer tokens."""
    max_new_tokens: int = Field(default=160, gt=0)
    """Room for a rationale, with its verdict where it has one."""
    template: str = Field(default="chat", pattern=r"^[a-z][a-z0-9_-]*$|\.j2$", max_length=200)
    """A shipped template (`chat`, `small`, `cai`), or a file of your own, `*.j2`, in the run file's folder or below."""
    max_chars: int = Field(default=4000, ge=100)
    """Longest response or conversation put before the judge, in characters; a longer one loses its middle."""
    orders: Literal["both", "ab"] = "both"
    """Whether each pair is shown in both orders; one order cannot cancel the judge's position bias."""
    batch_pairs: int = Field(default=8, gt=0)
    """Pairs whose votes are asked and committed together: the most that a crash can cost."""

    @model_validator(mode="after")
    def _options_belong_together(self) -> Self:
        low, high = self.clamp
        if not 0 < low < 0.5 < high < 1 or abs(low + high - 1) > EVEN_WITHIN:
            raise ValueError("`clamp` must lie evenly about 0.5, as 0.4 and 0.6 do, or the order shown would matter")
        if self.readout == "direct" and (self.rationales > 1 or self.temperature > 0):
            raise ValueError("`rationales` and `temperature` are for `readout: reasoned` and `two_step`")
        if self.rationales > 1 and self.temperature == 0:
            raise ValueError("several `rationales` need a `temperature` above 0, or all of them would be the same")
        if self.abstain and self.readout != "reasoned":
            raise ValueError("`abstain` is for `readout: reasoned`: label tokens have no third one")
        return self


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


class RewardModelJudge(_Calibratable):
    """A sequence classifier that scores one answer at a time, in the Hugging Face convention (one label)."""

    kind: Literal["reward-model"]
    model: str = Field(min_length=1)
    """A Hugging Face id or a folder of safetensors."""
    revision: str | None = None
    """The commit of a Hugging Face model; the newest when omitted."""
    scale: float = Field(default=1.0, gt=0)
    """logit = scale x (score of the first answer - score of the second): 1 is the Bradley-Terry model it was trained
    as."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 on a GPU that has it, else float32."""
    batch_size: int = Field(default=16, gt=0)
    """Answers scored together."""
    batch_pairs: int = Field(default=64, gt=0)
    """Pairs whose votes are asked and committed together."""


JudgeSettings = Annotated[RulesJudge | LlmJudge | RecordedJudge | RewardModelJudge, Field(discriminator="kind")]
