"""What a model's folder may hold: all weights that its configuration asks for, a chat template that costs little."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from constitution.errors import DataError, ModelError
from generate.engine import ModelRef
from generate.engine_transformers import TransformersRunner
from generate.models import resolve_model
from generate.records import Message
from generate.settings import TransformersEngine
from generate.template_bounds import check_template
from generate.tokens import encode, load_tokenizer, read_tokenizer
from train.policy import load_reference
from train.settings import TrainSettings

REAL_CONSTRUCTS = [
    "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% endfor %}",
    "{%- set ns = namespace(index=0, multi=true, last=messages|length - 1) %}"
    "{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}"
    "{%- if ns.multi and message.role == 'user' %}{%- set ns.index = ns.index + 1 %}{%- endif %}{%- endfor %}",
    "{%- if strftime_now is defined %}{%- set date = strftime_now('%d %b %Y') %}{%- else %}"
    "{%- set date = '26 Jul 2024' %}{%- endif %}{{ 'Cutting Knowledge Date: December 2023, ' + date }}",
    "{%- for tool in tools %}{{ tool | tojson(indent=4) }}{{ tool.function.arguments | tojson }}{%- endfor %}",
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}",
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles') }}{%- endif %}",
    "{{ '    ' * depth }}{{ content.split('</think>')[-1].lstrip('\n') }}{{ message.content | trim }}",
    "{% for m in messages %}{% if m.x %}{% break %}{% endif %}{% generation %}{{ m }}{% endgeneration %}{% endfor %}",
    '{{ \'{"name": "postcode", "value": 94105, "unit": "100%"}\' }}',
    "{%- macro show(part, depth) %}{%- for key, value in part.items() %}{{ show(value, depth + 1) }}"
    "{%- endfor %}{%- endmacro %}{% for i in range(0, messages|length) %}{{ messages[i].content }}{% endfor %}",
]


def runner(model: ModelRef) -> TransformersRunner:
    return TransformersRunner("embedded", TransformersEngine(type="transformers"), model)


def changed_weights(model: ModelRef, folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> ModelRef:
    """A copy of the model whose weights went through `change`."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model.path, folder)
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    return resolve_model(str(folder))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda w: {k: v for k, v in w.items() if "layers.1." not in k},
            r"lacks the weights model\.layers\.1\..* more",
        ),
        (lambda w: w | {"model.extra.weight": torch.ones(2)}, r"has no place for: model\.extra\.weight"),
        (lambda w: w | {"model.norm.weight": torch.ones(7)}, "cannot be loaded"),
    ],
)
def test_weights_are_never_made_up(tiny_model: ModelRef, tmp_path: Path, change: Any, why: str) -> None:
    """For generating as for training: transformers would draw what is missing at random."""
    broken = changed_weights(tiny_model, tmp_path / "broken", change)
    for load in (runner, lambda model: load_reference(model, TrainSettings(loss="dpo"))):
        with pytest.raises(ModelError, match=why):
            load(broken)


def test_weights_of_another_architecture_are_refused(tiny_model: ModelRef, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_model.path, other)
    config = json.loads((other / "config.json").read_text())
    changes = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 2}
    (other / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ModelError, match="lacks the weights"):
        runner(resolve_model(str(other)))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", {"hidden_act": "evil"}),
        ("config.json", {"dtype": "evil"}),
        ("config.json", {"eos_token_id": "two"}),
        ("config.json", {"max_position_embeddings": None}),
        ("config.json", {"model_type": ["llama"]}),
        ("generation_config.json", "[]"),
        ("generation_config.json", '{"eos_token_id": "two"}'),
        ("tokenizer.json", "{}"),
        ("tokenizer.json", "[]"),
        ("tokenizer_config.json", "[]"),
        ("tokenizer_config.json", '{"tokenizer_class": 7}'),
        ("model.safetensors.index.json", '{"metadata": {}, "weight_map": {"x": "../../outside.safetensors"}}'),
    ],
)
def test_whatever_a_model_folder_holds_is_one_sentence(
    tiny_model: ModelRef, tmp_path: Path, file: str, text: str | dict[str, Any]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model.path, broken)
    if isinstance(text, dict):
        text = json.dumps(json.loads((broken / file).read_text()) | text)
    if file.endswith("index.json"):
        (broken / "model.safetensors").rename(broken / "other.safetensors")
    (broken / file).write_text(text)
    with pytest.raises(ModelError, match=r"cannot be (loaded|used)|has the eos_token_id"):
        runner(resolve_model(str(broken)))


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ 1 / 0 }}", "fails on .*ZeroDivisionError"),
        ("{{ 1 + 'a' }}", "fails on .*TypeError"),
        ("{% include 'x' %}", "fails on .*TypeError"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "fails on .*RecursionError"),
    ],
)
def test_a_chat_template_that_fails_is_one_sentence(tiny_model: ModelRef, template: str, why: str) -> None:
    tokenizer = read_tokenizer(tiny_model)
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=why):
        encode(tokenizer, [(Message(role="user", content="Hello"),)], 1, 512)


def test_a_costly_chat_template_is_refused_unrendered(tiny_model: ModelRef, tmp_path: Path) -> None:
    costly = tmp_path / "costly"
    shutil.copytree(tiny_model.path, costly)
    (costly / "chat_template.jinja").write_text('{{ "a" * 10**9 }}')
    with pytest.raises(ModelError, match="could use up memory or time: line 1 has a power"):
        load_tokenizer(resolve_model(str(costly)))


def test_what_real_chat_templates_do_is_allowed(bundled_model: ModelRef) -> None:
    """Constructs of Llama's, Qwen's, Mistral's and other models' templates, and the bundled model's own."""
    check_template("bundled", read_tokenizer(bundled_model).chat_template)
    for source in REAL_CONSTRUCTS:
        check_template("m", source)
    check_template("m", {"default": "".join(REAL_CONSTRUCTS), "tool_use": REAL_CONSTRUCTS[0]})


def test_every_prompt_of_a_call_that_is_too_long_is_named_at_once(tiny_model: ModelRef) -> None:
    tokenizer = load_tokenizer(tiny_model)
    texts = ["Hello", *(f"{number} " + "word " * 100 for number in range(12))]
    with pytest.raises(DataError) as error:
        encode(tokenizer, [(Message(role="user", content=text),) for text in texts], 8, 64)
    lines = str(error.value).split("\n")
    assert [line.split("`")[1].split()[0] for line in lines[:-1]] == [str(number) for number in range(10)]
    assert lines[-1] == "and 2 more"
