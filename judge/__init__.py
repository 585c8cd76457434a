"""What each principle thinks of each pair, and what the constitution makes of it.

A judge (opened by judges.py) sees ONE principle and ONE pair at a time: by_rules.py applies the principle's own check,
llm.py asks a model, in a prompt that data cannot break out of (template.py). Every vote is stored (ask.py), so labels
(labels.py) for other weights, or without a principle, need no call, and an edited principle needs only its own.
agreement.py says how far two judges, or the two orders of one, can be trusted.
"""
