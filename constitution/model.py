"""The constitution as a value: principles, and the rule that turns their votes into a label.

Nothing here reads files; constitution/load.py does. A principle's `key` covers only what can change a judge's vote, so
that re-weighting, re-tagging, renaming or commenting costs no judge call.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from constitution.checks import Check
from constitution.identity import digest
from constitution.record import Record

ID_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
Rule = Literal["weighted_mean", "majority", "priority", "veto", "random_principle"]
MEANING = ("text", "polarity", "question", "check", "examples")
"""The fields of a principle that a vote depends on: a change of any other leaves its votes as they are."""


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

    @field_validator("text", "question")
    @classmethod
    def _says_something(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("must not be empty: it holds only spaces")
        return text

    @cached_property
    def key(self) -> str:
        """Digest of the meaning-bearing fields, MEANING."""
        return digest("principle", **self.model_dump(mode="json", include=set(MEANING)))

    def applies_to(self, tags: tuple[str, ...]) -> bool:
        """Whether a prompt with these tags is within the principle's scope."""
        return not self.scope or not set(self.scope).isdisjoint(tags)


class Aggregation(Record):
    """How the votes of one pair become its label."""

    rule: Rule = "weighted_mean"
    """`weighted_mean`: p = sum of w_k p_k over the principles with a valid vote, weights normalised to 1; the only rule
    whose gradient splits exactly into the principles' shares. `majority`: p is the weight of the principles that prefer
    the answer. `priority`: the first principle in `priority` that is sure decides. `veto`: the principles in `veto`
    decide alone where they are sure, else the weighted mean. `random_principle`: one principle decides, drawn for each
    pair with the weights as chances."""
    min_coverage: float = Field(default=0.5, ge=0, le=1)
    """The part of the applicable weight that must have valid votes; below it the pair gets no label."""
    abstain_band: float = Field(default=0.0, ge=0, lt=0.5)
    """No label when |p - 0.5| is at most this: the constitution does not decide the pair."""
    priority: tuple[str, ...] = ()
    """For rule `priority`: the ids of all principles with a weight, the most important first."""
    veto: tuple[str, ...] = ()
    """For rule `veto`: the ids of the principles that no other may overrule."""
    margin: float = Field(default=0.1, ge=0, lt=0.5)
    """For rules `priority` and `veto`: a principle is sure of a pair where |p_k - 0.5| is above this."""

    @property
    def meaning(self) -> dict[str, float | str | list[str]]:
        """What can change a label; settings of other rules are left out, so that they change no key."""
        fields: dict[str, float | str | list[str]] = {
            "rule": self.rule,
            "min_coverage": self.min_coverage,
            "abstain_band": self.abstain_band,
        }
        if self.rule in ("priority", "veto"):
            fields |= {"margin": self.margin, self.rule: list(self.priority or self.veto)}
        return fields

    @model_validator(mode="after")
    def _rule_has_its_list(self) -> Self:
        for name, listed in (("priority", self.priority), ("veto", self.veto)):
            if (self.rule == name) != bool(listed):
                raise ValueError(
                    f"`{name}` lists principle ids for the rule `{name}`, which needs it, and for no other"
                )
        return self


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
        self._check_listed()
        return self

    def _check_listed(self) -> None:
        """Every id in the rule's list is a principle with a weight; `priority` leaves none of them out."""
        rule, weighty = self.aggregation, {p.id for p in self.principles if p.weight > 0}
        listed = rule.priority or rule.veto
        wrong = sorted({i for i in listed if i not in weighty or listed.count(i) > 1})
        if wrong:
            raise ValueError(
                f"`{rule.rule}` must list principles with a weight above 0, each once; not so: {', '.join(wrong)}"
            )
        if rule.rule == "priority" and (left_out := sorted(weighty - set(listed))):
            raise ValueError(
                f"`priority` must list every principle with a weight above 0; left out: {', '.join(left_out)}"
            )

    @cached_property
    def key(self) -> str:
        """Digest of everything that can change a label: principle keys, ids, weights, scopes, sources, the rule."""
        rows = sorted((p.id, p.key, p.weight, sorted(p.scope), p.source) for p in self.principles)
        return digest("constitution", principles=[list(row) for row in rows], aggregation=self.aggregation.meaning)


class ConstitutionFile(Constitution):
    """A constitution as its file says it: whole, or as what it changes in the one that it extends."""

    extends: str | None = Field(default=None, min_length=1, max_length=4000)
    """Another constitution's file, relative to this one. Its principles hold unless `principles` here has one of the
    same id, whose fields replace those of the other one by one; other ids are added."""
    remove: tuple[str, ...] = ()
    """With `extends`: ids of that file's principles to leave out."""

    @model_validator(mode="after")
    def _remove_needs_extends(self) -> Self:
        if self.remove and self.extends is None:
            raise ValueError(
                "`remove` leaves out principles of the file that `extends` names, and there is no `extends`"
            )
        return self

    def resolved(self, order: Sequence[str]) -> Constitution:
        """The constitution itself, its principles in this order of ids."""
        given = {name: getattr(self, name) for name in self.model_fields_set & Constitution.model_fields.keys()}
        by_id = {principle.id: principle for principle in self.principles}
        return Constitution(**given | {"principles": tuple(by_id[i] for i in order)})
