"""What the model says: prompts become n samples each, and samples become pairs.

`models.py` finds a model by its name and pins which weights it is; `open.py` loads it into an engine, `transformers`
(embedded) or `vllm`, behind the one interface of `engine.py`: sample, read out the probabilities of choices, write JSON
of a given type. What begins alike is computed once (`prefixes.py`, `prefill.py`). `sampling.py` turns prompts into
stored answers, `pairs.py` answers into pairs.
"""
