"""How much GPU memory the stages of run.yaml take, from the models' shapes: `python examples/gpu/memory.py`.

Weights are 2 bytes a parameter (bfloat16). A token's KV cache is 2 (keys, values) x layers x KV heads x head size x 2
bytes. An adapter of rank r on a matrix of m x n has r (m + n) numbers, 16 bytes each while it is trained: weight,
gradient and AdamW's two moments in float32. For its backward pass an adapted layer keeps about 6 hidden states, keys
and values and 4 MLP states a token, 2 bytes a number: an estimate. So is what else the GPU holds, 3 GiB. Shapes are
those of the models' config.json.
"""

from __future__ import annotations

from typing import NamedTuple

GIB = 2**30
SHARE = 0.9
"""`gpu_memory_utilization` in run.yaml."""
OVERHEAD_GIB = 3.0
"""CUDA context, compiled graphs and the activations of a batch; vLLM measures it when it starts."""
RANK, ROW_TOKENS, MODEL_LEN = 16, 4096, 4096
GPUS = (24, 48, 80)
"""GB, as they are sold."""


class Shape(NamedTuple):
    """A decoder with grouped queries, a gated MLP, and a head of its own."""

    name: str
    layers: int
    hidden: int
    mlp: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Of one layer: queries, keys, values, output, gate, up, down."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        attention = [(self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden)]
        return attention + [(self.hidden, self.mlp)] * 2 + [(self.mlp, self.hidden)]

    @property
    def parameters(self) -> int:
        """Norms and biases left out: less than a thousandth."""
        return 2 * self.vocabulary * self.hidden + self.layers * sum(m * n for m, n in self.matrices)

    @property
    def weights_gib(self) -> float:
        """In bfloat16."""
        return 2 * self.parameters / GIB

    @property
    def kv_bytes(self) -> int:
        """A token's."""
        return 2 * self.layers * self.kv_heads * self.head_size * 2

    @property
    def adapter_gib(self) -> float:
        """While it is trained."""
        return 16 * self.layers * RANK * sum(m + n for m, n in self.matrices) / GIB

    @property
    def kept_gib(self) -> float:
        """What a row of ROW_TOKENS leaves for the backward pass."""
        numbers = 6 * self.hidden + 2 * self.kv_heads * self.head_size + 4 * self.mlp
        return 2 * numbers * self.layers * ROW_TOKENS / GIB


POLICY = Shape("mistralai/Mistral-7B-Instruct-v0.3", 32, 4096, 14336, 32, 8, 128, 32768)
JUDGE = Shape("Qwen/Qwen3-8B", 36, 4096, 12288, 32, 8, 128, 151936)


def cache_tokens(shape: Shape, gpu: int) -> int:
    """Tokens that the KV cache of a GPU of `gpu` GB holds."""
    free = SHARE * gpu * 1e9 / GIB - OVERHEAD_GIB - shape.weights_gib
    return max(0, int(free * GIB / shape.kv_bytes))


def lines() -> list[str]:
    """The README's tables."""
    found = ["| Model | Parameters | Weights | KV cache a token |", "|---|---:|---:|---:|"]
    found += [
        f"| {s.name} | {s.parameters / 1e9:.2f} billion | {s.weights_gib:.1f} GiB | {s.kv_bytes // 1024} KiB |"
        for s in (POLICY, JUDGE)
    ]
    found += [
        "",
        f"| GPU | Generating: tokens cached (sequences of {MODEL_LEN:,}) | Judging | Training |",
        "|---|---|---|---|",
    ]
    training = POLICY.weights_gib + POLICY.adapter_gib + POLICY.kept_gib + OVERHEAD_GIB
    for gpu in GPUS:
        cells = [f"{t:,} ({t // MODEL_LEN})" for t in (cache_tokens(POLICY, gpu), cache_tokens(JUDGE, gpu))]
        fits = "fits" if training < gpu * 1e9 / GIB else "does not fit"
        found.append(f"| {gpu} GB | {cells[0]} | {cells[1]} | {training:.1f} GiB: {fits} |")
    parts = (POLICY.weights_gib, POLICY.adapter_gib, POLICY.kept_gib, OVERHEAD_GIB)
    said = (
        "Training is {:.1f} GiB of weights, {:.1f} of adapter, {:.1f} kept for the backward pass of a row, {:.1f} else."
    )
    return [*found, "", said.format(*parts)]


if __name__ == "__main__":
    print("\n".join(lines()))
