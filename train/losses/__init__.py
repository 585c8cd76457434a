"""The preference losses, one algorithm a file, each a pure function; `choose.pair_loss` gives the configured one.

Soft labels are used the same way in all of them: the loss of a pair (a, b) with label p is the expectation of the
published loss over the label, p times that of (a preferred) plus 1 - p times that of (b preferred). So every loss is
affine in p, and so is its gradient.

    file      loss            reads                                 slope in h, exact shares
    dpo.py    dpo, cdpo       log-ratios, summed                    yes
    robust.py robust          log-ratios, summed                    yes
    ipo.py    ipo             log-ratios, summed or averaged        yes
    hinge.py  hinge           log-ratios, summed                    yes
    simpo.py  simpo           log-probabilities, averaged           yes
    orpo.py   orpo            log-probabilities, averaged           none: not a function of one margin
    kto.py    kto             log-ratios, summed; single answers    none: not a function of one margin
"""

from train.losses.choose import PairLoss, pair_loss, share_coefficients
from train.losses.scores import Scores, margins

__all__ = ["PairLoss", "Scores", "margins", "pair_loss", "share_coefficients"]
