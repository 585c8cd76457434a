"""Words that principles ask for or forbid, in groups of one meaning: two words of one group are one demand."""

from __future__ import annotations

import re

GROUPS = tuple(
    frozenset(line.split())
    for line in (
        "plain simple clear easy understandable readable",
        "brief short concise succinct terse compact",
        "long",
        "detailed thorough full complete comprehensive exhaustive",
        "true correct accurate truthful factual right",
        "honest truthful sincere candid open frank transparent",
        "kind warm friendly caring compassionate empathetic gentle considerate supportive",
        "polite respectful courteous civil tactful",
        "helpful useful practical actionable",
        "safe harmless",
        "harmful dangerous unsafe risky",
        "rude offensive insulting hateful toxic hurtful",
        "racist sexist discriminatory biased prejudiced",
        "illegal unlawful criminal unethical immoral",
        "fair balanced impartial neutral unbiased even-handed objective",
        "calm patient",
        "direct straightforward",
        "humble modest",
        "formal professional",
        "relevant on-topic focused",
        "precise exact specific concrete",
        "creative original imaginative",
        "funny witty humorous",
        "engaging interesting lively",
        "ethical moral responsible",
        "consistent coherent logical well-structured organised organized",
        "wrong false misleading incorrect inaccurate",
        "preachy condescending sanctimonious patronising patronizing moralising moralizing",
        "vague evasive",
        "cautious careful",
    )
)
FIXED = tuple(
    frozenset(pair.split())
    for pair in (
        "black white",
        "yes no",
        "long short",
        "safe unsafe",
        "true false",
        "right wrong",
        "correct incorrect",
        "accurate inaccurate",
        "ethical unethical",
        "biased unbiased",
        "legal illegal",
    )
)
"""Two words that are one expression, or opposites: no answer is asked to be both."""
QUALITY = rf"(?:{'|'.join(map(re.escape, sorted(frozenset.union(*GROUPS), key=len, reverse=True)))})(?:ly)?"


def is_one(one: str, other: str) -> bool:
    """Whether the two words ask for one thing: `plain and simple`, `briefly and concisely`."""
    words = {one.lower(), other.lower()}
    return any(words <= group | {f"{word}ly" for word in group} for group in (*GROUPS, *FIXED))
