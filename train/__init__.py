"""Labels become a policy: preference training with soft labels on one model, in one process or several.

`train.loop.train` is the way in. A label is a probability made of the principles' shares, and a loss's derivative is
affine in it, so each update splits exactly into what each principle contributed (losses/, metrics.py). What makes
it fast without changing the result: the reference is run once for each pair and kept (reference.py); a pair's prompt is
run once for both answers, and pairs are packed without padding (rows.py, attention.py); layers run with their gradients
written out where the architecture is known (fused.py, kernels.py); the head runs on the answers' tokens only, in
tiles, and its gradient needs no second pass (head.py); layers below the first trained one run once a pair (lower.py).
"""
