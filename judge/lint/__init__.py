"""What is doubtful about a constitution that is valid: warnings, each with a place and a reason, none of them an error.

similar.py     two principles that say nearly the same
demands.py     two demands in one sentence
qualities.py   the words that it knows, in groups of one meaning
weights.py     weights and orders that can never decide a label
reach.py       principles that no prompt falls under, or that decided none of a run's labels
patterns.py    checks that can tell no answer from another
decided.py     principles and rules that leave nearly all pairs of a run undecided
negation.py    negative phrasing before a judge that does not follow negation
"""
