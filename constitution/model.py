"""The constitution as a value: principles, and the rule that turns their votes into a label.

Nothing here reads files; constitution/load.py does. A principle's `key` covers only what can change a judge's vote, so
that re-weighting, re-tagging, renaming or commenting costs no judge call.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from constitution.checks import Check
from constitution.identity import digest
from constitution.record import Record

ID_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"


class Example(Record):
    """A worked comparison that a judge may be shown."""

    prompt: str = Field(min_length=1)
    """What the user asked."""
    better: str = Field(min_length=1)
    """The response that the principle prefers."""
    worse: str = Field(min_length=1)
    """The response that it does not."""


class Principle(Record):
    """One demand on the model's behaviour, judged on its own."""

    id: str = Field(pattern=ID_PATTERN, max_length=64)
    """A stable name: lower-case letters, digits and single hyphens. Reports and commands use it."""
    text: str = Field(min_length=1, max_length=4000)
    """What the principle asks for, in the words the judge will read."""
    weight: float = Field(default=1.0, ge=0)
    """Its share of the label before normalisation. 0 keeps it judged and reported but out of the label."""
    axis: str = Field(default="general", min_length=1, max_length=64)
    """The group it is reported under: helpfulness, safety, style, or any name of your own."""
    scope: tuple[str, ...] = ()
    """Prompt tags that it applies to; every prompt when omitted."""
    polarity: Literal["for", "against"] = "for"
    """`against` turns the principle round: the response that satisfies the text less is preferred."""
    question: str | None = Field(default=None, min_length=1, max_length=4000)
    """The question put to the judge instead of the template's own; `{{ principle }}` stands for the text."""
    source: str | None = Field(default=None, pattern=ID_PATTERN, max_length=64)
    """Who votes on it, as a role of your own naming (`crowd`, `experts`); the run file's `sources` says which judge
    that is. The run's judge when omitted."""
    check: Check | None = None
    """A rule that verifies the principle without a model; needed by the `rules` judge."""
    examples: tuple[Example, ...] = ()
    """Worked comparisons for judges that use them."""

    @property
    def key(self) -> str:
        """Digest of the meaning-bearing fields: text, polarity, question, check, examples."""
        meaning = self.model_dump(mode="json", include={"text", "polarity", "question", "check", "examples"})
        return digest("principle", **meaning)

    def applies_to(self, tags: tuple[str, ...]) -> bool:
        """Whether a prompt with these tags is within the principle's scope."""
        return not self.scope or not set(self.scope).isdisjoint(tags)


class Aggregation(Record):
    """How the votes of one pair become its label."""

    rule: Literal["weighted_mean"] = "weighted_mean"
    """p = sum of w_k p_k over the principles with a valid vote, weights normalised to 1. The only rule whose gradient
    splits exactly into the principles' shares."""
    min_coverage: float = Field(default=0.5, ge=0, le=1)
    """The part of the applicable weight that must have valid votes; below it the pair gets no label."""
    abstain_band: float = Field(default=0.0, ge=0, lt=0.5)
    """No label when |p - 0.5| is at most this: the constitution does not decide the pair."""


class Constitution(Record):
    """Principles and their aggregation rule, as one YAML file says them."""

    name: str = Field(pattern=ID_PATTERN, max_length=64)
    """A short name for reports."""
    description: str = Field(default="", max_length=4000)
    """What the constitution is for, in a sentence or two."""
    aggregation: Aggregation = Aggregation()
    """How votes become labels."""
    principles: tuple[Principle, ...] = Field(min_length=1)
    """The principles; their order has no effect on labels."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [principle.id for principle in self.principles]
        repeated = sorted({i for i in ids if ids.count(i) > 1})
        if repeated:
            raise ValueError(f"principle ids must be unique; repeated: {', '.join(repeated)}")
        if not any(principle.weight > 0 for principle in self.principles):
            raise ValueError("at least one principle needs a weight above 0")
        return self

    @property
    def key(self) -> str:
        """Digest of everything that can change a label: principle keys, ids, weights, scopes, sources, the rule."""
        rows = sorted((p.id, p.key, p.weight, sorted(p.scope), p.source) for p in self.principles)
        return digest("constitution", principles=[list(row) for row in rows], aggregation=self.aggregation.model_dump())
