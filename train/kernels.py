"""The pieces of a decoder layer with gradients written out: no more matrix products than the mathematics needs, few
passes over memory between them, and only what the backward pass cannot cheaply make again is kept.

Autograd over the usual modules keeps about 14,000 numbers a token and layer of SmolLM2 with adapters on all its linear
layers, and adds each adapter in passes of its own; these keep 6,500 and add it inside the product. Plain torch
operations, the same on every device.

Shapes: T tokens, D hidden size, I and O inputs and outputs of a linear layer, R rank, H heads, E numbers a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from train.tap import open_taps

Grads = tuple[Tensor | None, ...]


class Linear(NamedTuple):
    """A frozen linear layer and its adapter: y = x W^T + bias + scale (x A^T) B^T."""

    weight_O_I: Tensor
    bias_O: Tensor | None
    a_R_I: Tensor | None
    b_O_R: Tensor | None
    scale: float


class AdapterGrads(NamedTuple):
    """Gradients of the factors; None without an adapter."""

    a_R_I: Tensor | None
    b_O_R: Tensor | None


def _apply(x_T_I: Tensor, layer: Linear, onto_T_O: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """y [T, O], plus `onto_T_O` where given, and x A^T [T, R], which the backward pass needs."""
    if onto_T_O is None:
        y_T_O = linear(x_T_I, layer.weight_O_I, layer.bias_O)
    else:
        y_T_O = torch.addmm(onto_T_O, x_T_I, layer.weight_O_I.t())
        y_T_O = y_T_O if layer.bias_O is None else y_T_O.add_(layer.bias_O)
    if layer.a_R_I is None or layer.b_O_R is None:
        return y_T_O, None
    inner_T_R = x_T_I @ layer.a_R_I.t().to(x_T_I.dtype)
    return y_T_O.addmm_(inner_T_R, layer.b_O_R.t().to(x_T_I.dtype), alpha=layer.scale), inner_T_R


def _adapter_grads(
    slope_T_O: Tensor, x_T_I: Tensor, inner_T_R: Tensor | None, layer: Linear, dx_T_I: Tensor | None
) -> AdapterGrads:
    """The factors' gradients; adds the adapter's part of dx to `dx_T_I` in place."""
    if inner_T_R is None or layer.a_R_I is None or layer.b_O_R is None:
        return AdapterGrads(None, None)
    kind = x_T_I.dtype
    back_T_R = (slope_T_O @ layer.b_O_R.to(kind)).mul_(layer.scale)
    if dx_T_I is not None:
        dx_T_I.addmm_(back_T_R, layer.a_R_I.to(kind))
    grad_b_O_R = (inner_T_R.t() @ slope_T_O).mul_(layer.scale).t()
    for tap in open_taps():
        tap.take(layer.a_R_I, back_T_R, x_T_I, 1.0, turned=False)
        tap.take(layer.b_O_R, inner_T_R, slope_T_O, layer.scale, turned=True)
    return AdapterGrads((back_T_R.t() @ x_T_I).to(layer.a_R_I), grad_b_O_R.to(layer.b_O_R))


class _NormLinears(torch.autograd.Function):  # type: ignore[misc]
    """RMS norm, then several linear layers over its result, which is made again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x_T_D: Tensor, norm_D: Tensor, eps: float, scales: tuple[float, ...], *flat: Any) -> Grads:
        layers = _layers(flat, scales)
        rate_T_1 = (x_T_D.float().square().mean(-1, keepdim=True) + eps).rsqrt_()
        normed_T_D = _normed(x_T_D, rate_T_1) * norm_D
        found = [_apply(normed_T_D, layer) for layer in layers]
        ctx.scales = scales
        ctx.save_for_backward(x_T_D, norm_D, rate_T_1, *flat, *(inner for _, inner in found))
        return tuple(y for y, _ in found)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Grads:
        x_T_D, norm_D, rate_T_1, *rest = ctx.saved_tensors
        count = len(ctx.scales)
        layers, inners = _layers(rest[: 4 * count], ctx.scales), rest[4 * count :]
        hat_T_D = _normed(x_T_D, rate_T_1)
        normed_T_D = hat_T_D * norm_D
        dx_T_D = None
        flat: list[Tensor | None] = []
        for slope, layer, inner in zip(slopes, layers, inners, strict=True):
            if ctx.needs_input_grad[0]:
                product = slope @ layer.weight_O_I if dx_T_D is None else dx_T_D.addmm_(slope, layer.weight_O_I)
                dx_T_D = product
            flat += [None, None, *_adapter_grads(slope, normed_T_D, inner, layer, dx_T_D)]
        if dx_T_D is not None:
            dx_T_D.mul_(norm_D)
            along_T_1 = (dx_T_D * hat_T_D).float().mean(-1, keepdim=True).to(dx_T_D.dtype)
            dx_T_D.addcmul_(hat_T_D, along_T_1, value=-1).mul_(rate_T_1)
        return dx_T_D, None, None, None, *flat


class _ResidualLinear(torch.autograd.Function):  # type: ignore[misc]
    """residual + linear(x)."""

    @staticmethod
    def forward(ctx: Any, residual_T_O: Tensor, x_T_I: Tensor, scale: float, *flat: Any) -> Tensor:
        y_T_O, inner_T_R = _apply(x_T_I, _linear(flat, scale), residual_T_O)
        ctx.scale = scale
        ctx.save_for_backward(x_T_I, inner_T_R, *flat)
        return y_T_O

    @staticmethod
    def backward(ctx: Any, slope_T_O: Tensor) -> Grads:
        x_T_I, inner_T_R, *flat = ctx.saved_tensors
        layer = _linear(flat, ctx.scale)
        dx_T_I = slope_T_O @ layer.weight_O_I if ctx.needs_input_grad[1] else None
        return slope_T_O, dx_T_I, None, None, None, *_adapter_grads(slope_T_O, x_T_I, inner_T_R, layer, dx_T_I)


class _GatedResidual(torch.autograd.Function):  # type: ignore[misc]
    """residual + linear(silu(gate) * up); the product of gate and up is made again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, residual_T_D: Tensor, gate_T_I: Tensor, up_T_I: Tensor, scale: float, *flat: Any) -> Tensor:
        y_T_D, inner_T_R = _apply(silu(gate_T_I).mul_(up_T_I), _linear(flat, scale), residual_T_D)
        ctx.scale = scale
        ctx.save_for_backward(gate_T_I, up_T_I, inner_T_R, *flat)
        return y_T_D

    @staticmethod
    def backward(ctx: Any, slope_T_D: Tensor) -> Grads:
        gate_T_I, up_T_I, inner_T_R, *flat = ctx.saved_tensors
        layer = _linear(flat, ctx.scale)
        dx_T_I = slope_T_D @ layer.weight_O_I
        open_T_I = silu(gate_T_I)
        adapter = _adapter_grads(slope_T_D, open_T_I * up_T_I, inner_T_R, layer, dx_T_I)
        dup_T_I = open_T_I.mul_(dx_T_I)
        dgate_T_I = torch.ops.aten.silu_backward(dx_T_I.mul_(up_T_I), gate_T_I)
        return slope_T_D, dgate_T_I, dup_T_I, None, None, None, *adapter


class _Rotate(torch.autograd.Function):  # type: ignore[misc]
    """Rotary positions on heads [T, H, E], with the angles' cosines and sines [T, 1, E / 2]."""

    @staticmethod
    def forward(ctx: Any, x_T_H_E: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x_T_H_E, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, slope_T_H_E: Tensor) -> Grads:
        cos, sin = ctx.saved_tensors
        return _turned(slope_T_H_E, cos, sin, -1), None, None


def norm_linears(x_T_D: Tensor, norm_D: Tensor, eps: float, layers: tuple[Linear, ...]) -> tuple[Tensor, ...]:
    """Each layer's output over the RMS norm of x."""
    flat = [part for layer in layers for part in layer[:4]]
    outputs: tuple[Tensor, ...] = _NormLinears.apply(x_T_D, norm_D, eps, tuple(layer.scale for layer in layers), *flat)
    return outputs


def residual_linear(residual_T_O: Tensor, x_T_I: Tensor, layer: Linear) -> Tensor:
    """residual + layer(x)."""
    return _ResidualLinear.apply(residual_T_O, x_T_I, layer.scale, *layer[:4])


def gated_residual(residual_T_D: Tensor, gate_T_I: Tensor, up_T_I: Tensor, layer: Linear) -> Tensor:
    """residual + layer(silu(gate) * up)."""
    return _GatedResidual.apply(residual_T_D, gate_T_I, up_T_I, layer.scale, *layer[:4])


def rotate(x_T_H_E: Tensor, cos_T_1_F: Tensor, sin_T_1_F: Tensor) -> Tensor:
    """Rotary positions; F = E / 2."""
    return _Rotate.apply(x_T_H_E, cos_T_1_F, sin_T_1_F)


def _linear(parts: Sequence[Any], scale: float) -> Linear:
    weight_O_I, bias_O, a_R_I, b_O_R = parts
    return Linear(weight_O_I, bias_O, a_R_I, b_O_R, scale)


def _layers(flat: Sequence[Any], scales: tuple[float, ...]) -> list[Linear]:
    return [_linear(flat[4 * index : 4 * index + 4], scale) for index, scale in enumerate(scales)]


def _normed(x_T_D: Tensor, rate_T_1: Tensor) -> Tensor:
    return (x_T_D * rate_T_1).to(x_T_D.dtype)


def _turned(x_T_H_E: Tensor, cos: Tensor, sin: Tensor, sign: int) -> Tensor:
    first, second = x_T_H_E.chunk(2, -1)
    turned = torch.empty_like(x_T_H_E, memory_format=torch.contiguous_format)
    one, two = turned.chunk(2, -1)
    torch.mul(first, cos, out=one).addcmul_(second, sin, value=-sign)
    torch.mul(second, cos, out=two).addcmul_(first, sin, value=sign)
    return turned
