"""Why the model changed: behaviour before and after with intervals, and the one-page report with its machine twins.

Nothing here loads a model or asks a judge. The pipeline hands over plain records (responses, votes, labels, metrics);
they become a `BehaviourTable` (behaviour.py, on the mathematics of statistics.py) and statistics of the labels
(labels.py), and then one HTML page that needs no network and no script (page.py, figures.py, templates/), CSV and JSON
beside it (twins.py), and a few lines for the terminal (summary.py).
"""
