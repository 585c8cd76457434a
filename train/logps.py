"""Log-probabilities of answers: the model's body over the rows, its head (head.py) on the answers' tokens only.

Shapes: R rows of T tokens, N answer tokens, D hidden size, B pairs, 2 the answers a and b.
"""

from __future__ import annotations

from torch import Tensor

from train.fused import can_fuse, fused_states
from train.head import head_logps
from train.policy import Policy
from train.rows import Rows


def answer_logps(policy: Policy, rows: Rows) -> Tensor:
    """log pi of every answer [B, 2], summed over its tokens, in float32; part of the graph if gradients are on."""
    if policy.net is not None:
        gathered_B_2: Tensor = policy.net(rows)
        return gathered_B_2
    with policy.precision():
        logps_N = head_logps(answer_states(policy, rows), policy.head.weight, policy.head.bias, rows.targets_N)
    sums_2B = logps_N.new_zeros(2 * len(rows.pairs)).index_add(0, rows.owners_N, logps_N)
    return sums_2B.view(-1, 2)


def answer_states(policy: Policy, rows: Rows) -> Tensor:
    """The body's last hidden states [N, D] where answer tokens are predicted."""
    if rows.spans and can_fuse(policy):
        return fused_states(policy, rows)
    extra = {"spans": rows.spans} if rows.spans else {}
    states_R_T_D = policy.body(
        input_ids=rows.tokens_R_T,
        position_ids=rows.positions_R_T,
        attention_mask=rows.mask_R_T,
        use_cache=False,
        **extra,
    ).last_hidden_state
    return states_R_T_D.flatten(0, 1).index_select(0, rows.picks_N)
