"""What leaving a principle out did: from retrainings that are done to effects with intervals, and their page.

plan.py says what is to be trained again, records.py what came of it; behaviours.py, effects.py, shapley.py,
redundancy.py and controls.py are the mathematics, analyse.py puts them together, page.py shows it.
"""
