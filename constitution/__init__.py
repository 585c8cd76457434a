"""What we want: principles in a YAML file, with weights, scopes and the rule that turns votes into labels.

Start at model.py (the constitution as a value) and load.py (from a file, every mistake with its line and column). The
rest is what every later stage shares: records and their identity, errors, files that are never half written, the store.
"""
