"""What the training tests share: a tiny random Llama with a tokenizer of its own, and pairs for it."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from generate.engine import ModelRef
from generate.quiet import quiet_transformers
from generate.records import Message
from judge.records import Share
from train.policy import Policy, load_reference
from train.records import TrainPair
from train.settings import LoraSettings, TrainSettings
from train.tokens import TokenPair, pair_tokens

SENTENCES = (
    "The river is calm in the morning and loud in the evening.",
    "I would bake the bread with a little more salt.",
    "A clock needs care, oil and a steady hand.",
    "Keep the garden simple: two herbs, one tree, no hedge.",
    "Maps are small promises about large places.",
)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LORA = LoraSettings(r=4, alpha=8)
PRINCIPLES = {"short": 0.5, "plain": 0.3, "kind": 0.2}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of 400 tokens, trained on a few sentences, with a ChatML template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|pad|>"
    )
    wrapped.chat_template = CHATML
    return wrapped


def save_tiny_model(folder: Path, **changes: object) -> ModelRef:
    """Three layers, hidden 48, four heads over two key-value heads, untied head; random but always the same."""
    tokenizer = tiny_tokenizer()
    settings: dict[str, object] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = LlamaForCausalLM(LlamaConfig(**(settings | changes)))
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return ModelRef(name="tiny", path=str(folder), revision="tiny-7")


def tiny_reference(folder: Path, **changes: object) -> Policy:
    """The tiny model, loaded as the trainer loads it."""
    return load_reference(save_tiny_model(folder, **changes), TrainSettings(dtype="float32"))


def make_pairs(count: int, seed: int = 0, hard: bool = False) -> list[TrainPair]:
    """Pairs of random words over count / 2 prompts; `a` has fewer words. Labels are the weighted mean of three
    shares."""
    draw = random.Random(seed)
    words = " ".join(SENTENCES).split()
    return [_pair(index, draw, words, hard) for index in range(count)]


def _pair(index: int, draw: random.Random, words: list[str], hard: bool) -> TrainPair:
    few, many = draw.sample(words, draw.randint(3, 8)), draw.sample(words, draw.randint(9, 20))
    question = " ".join(random.Random(index // 2).sample(words, 6)) + "?"
    shares = tuple(
        Share(principle=name, weight=weight, p=1.0 if hard else draw.choice([0.02, 0.3, 0.5, 0.8, 0.95, 0.99]))
        for name, weight in PRINCIPLES.items()
    )
    return TrainPair(
        key=f"pair-{index:03d}",
        prompt_id=f"prompt-{index // 2}",
        conversation=(Message(role="user", content=question),),
        a=" ".join(few),
        b=" ".join(many),
        p=min(1.0, sum(share.weight * share.p for share in shares)),
        shares=shares,
    )


def token_pairs(policy: Policy, pairs: list[TrainPair]) -> list[TokenPair]:
    """The pairs' ids."""
    return [pair_tokens(pair, policy.tokenizer) for pair in pairs]
