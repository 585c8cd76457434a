"""The policy on several processes: whole in each (DDP), or a part of every weight in each (FSDP2).

Nothing of the mathematics is here: gradients are added up by torch's DistributedDataParallel or `fully_shard`, and the
loss of a share is scaled so that their mean is the gradient of the mean over the whole step's pairs (step.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from train import team
from train.logps import answer_logps
from train.policy import Policy
from train.rows import Rows
from train.settings import TrainSettings


class Answers(torch.nn.Module):  # type: ignore[misc]
    """What DDP and FSDP2 wrap: rows in, log-probabilities of the answers [B, 2] out."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy
        self.model = policy.model

    def forward(self, rows: Rows) -> Tensor:
        """As train.logps.answer_logps; no view, which FSDP2's hooks could lose."""
        return answer_logps(self.policy, rows).clone()


def shards(settings: TrainSettings) -> bool:
    """Whether each process is to hold a part of every weight."""
    return team.size() > 1 and settings.parallel == "fsdp"


def replicated(policy: Policy) -> Policy:
    """The same policy, its gradients averaged over the processes after each backward pass."""
    return policy._replace(net=DistributedDataParallel(Answers(policy), forward_sync_buffers=False))


def sharded(policy: Policy) -> Policy:
    """The same policy, of which this process keeps its part of every weight, on its own device.

    A decoder layer's weights are whole only while it runs. With mixed arithmetic they are gathered in bfloat16, which
    autocast would keep of all layers at once; gradients are added up in float32.
    """
    device = team.device()
    how = {
        "mesh": init_device_mesh(device.type, (team.size(),)),
        "mp_policy": MixedPrecisionPolicy(torch.bfloat16, torch.float32) if policy.mixed else MixedPrecisionPolicy(),
    }
    inner = policy._replace(device=device, sharded=True, mixed=False)
    net = Answers(inner)
    together = set(policy.body._no_split_modules or ())
    for layer in [module for module in policy.body.modules() if type(module).__name__ in together]:
        fully_shard(layer, **how)
    fully_shard(net, **how)
    return policy._replace(device=device, sharded=True, net=net)


def until_last(policy: Policy, last: bool) -> AbstractContextManager[None]:
    """Around each pass of a step: DDP averages the gradients once, at the last one. FSDP2 does at each, so that no
    process ever holds the whole gradient."""
    return policy.net.no_sync() if isinstance(policy.net, DistributedDataParallel) and not last else nullcontext()


@contextmanager
def only_looking(policy: Policy) -> Iterator[None]:
    """Around passes without a backward pass, after which FSDP2 would keep what lies outside the layers gathered."""
    with torch.no_grad():
        yield
    if isinstance(policy.net, FSDPModule):
        policy.net.reshard()


def whole(tensor: Tensor) -> Tensor:
    """A tensor in one piece; where it is sharded, all processes must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def on_first(tensor: Tensor) -> Tensor:
    """In one piece on the CPU of the first process; elsewhere an empty tensor. All processes must ask for it."""
    full = whole(tensor.detach())
    return full.cpu() if team.is_first() else torch.empty(0)


def put(target: Tensor, value: Tensor | None) -> None:
    """Set `target`, or this process's part of it, to the first process's `value`; the others have None."""
    with torch.no_grad():
        if isinstance(target, DTensor):
            full = torch.empty(target.shape, dtype=target.dtype) if value is None else value
            target.copy_(distribute_tensor(full.to(team.device()), target.device_mesh, target.placements))
            return
        if value is not None:
            target.copy_(value)
        if team.size() > 1:
            dist.broadcast(target, src=0)
