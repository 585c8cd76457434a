"""The audit of a judge: what its votes say about it, what altered questions say about it, and whether it may label.

settings.py    the run file's `audit`
cells.py       votes -> one cell a (pair, principle)
facts.py       what the votes alone tell: order, slot, length, failures, cost
gold.py        against human opinions: accuracy, kappa, calibration
injections.py  texts that try to win a vote by something else than an answer
probes.py      the altered pairs and principles, and the votes on them
probed.py      what came of the probes
gate.py        thresholds: passed, failed, too little data
words.py       all of it in plain words
card.py        the whole card, as one record
"""
