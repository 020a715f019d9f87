"""What a folder may lack, each said in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from rmr1_core import Backbone
from rmr1_core.errors import MissingPackage, UsageError
from rmr1_core.testing import check_component
from rmr1_transformers import TransformersEngine, rmr1_engines

pytest.importorskip("torch")

ENGINE = TransformersEngine(name="transformers")


def sentence(model: str, engine: TransformersEngine = ENGINE) -> str:
    with pytest.raises(UsageError) as caught, engine.open(Backbone(name="x", model=model)):
        pass
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_engine_keeps_the_contract_of_components() -> None:
    for engine in rmr1_engines():
        check_component(engine)


def test_a_folder_without_config_is_named(weights: Path) -> None:
    (weights / "config.json").unlink()
    assert sentence(str(weights)).startswith(f"{weights}: no config.json")


def test_a_folder_without_weights_is_named(weights: Path) -> None:
    (weights / "model.safetensors").unlink()
    assert sentence(str(weights)).startswith(f"{weights}: no weights")


def test_a_folder_without_tokenizer_is_named(weights: Path) -> None:
    (weights / "tokenizer.json").unlink()
    assert sentence(str(weights)).startswith(f"{weights}: no tokenizer")


def test_torn_weights_are_named(weights: Path) -> None:
    file = weights / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    assert sentence(str(weights)).startswith(f"{weights}: the weights cannot be loaded")


def test_weights_that_lack_a_part_are_refused_and_not_made_up(weights: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = weights / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.layers.1.mlp.up_proj.weight"], tensors["model.norm.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    assert sentence(str(weights)).startswith(
        f"{weights}: the weights cannot be loaded: 2 tensors are missing, "
        "such as model.layers.1.mlp.up_proj.weight"
    )


def test_a_tokenizer_without_chat_template_is_named(weights: Path) -> None:
    (weights / "chat_template.jinja").unlink()
    assert "has no chat template" in sentence(str(weights))


def test_a_hub_id_that_cannot_be_reached_says_how_to_go_on() -> None:
    text = sentence("nobody/no-such-judge")
    assert "cannot load the tokenizer of 'nobody/no-such-judge' from the hub" in text
    assert "--backbone PATH" in text


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("device", "gpu0", "device 'gpu0'"),
        ("device", "cuda:7", "device 'cuda:7'"),
        ("attn_implementation", "flash", "attn_implementation 'flash': not one of eager"),
    ],
)
def test_options_that_cannot_work_here_are_named(
    weights: Path, option: str, value: str, expected: str
) -> None:
    engine = msgspec.structs.replace(ENGINE, **{option: value})
    assert sentence(str(weights), engine).startswith(expected)


def test_flash_attention_without_its_package_is_named(weights: Path) -> None:
    engine = msgspec.structs.replace(ENGINE, attn_implementation="flash_attention_2", device="cpu")
    assert "needs the package 'flash-attn'" in sentence(str(weights), engine)


def test_without_torch_the_extra_to_install_is_named(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with (
        pytest.raises(MissingPackage, match=r"pip install 'rmr1\[local\]'"),
        ENGINE.open(Backbone(name="x", model=str(weights))),
    ):
        pass


def test_loading_writes_nothing_to_the_terminal(weights: Path) -> None:
    program = (
        "from rmr1_core import Backbone\n"
        "from rmr1_transformers import TransformersEngine\n"
        f"with TransformersEngine(name='t').open(Backbone(name='x', model={str(weights)!r})):\n"
        "    pass\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    program = (
        "import sys, rmr1_transformers\n"
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


def test_a_model_without_sdpa_is_loaded_with_eager_attention(weights: Path) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    (weights / "model.safetensors").unlink()
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    Gemma2ForCausalLM(Gemma2Config(vocab_size=512, **size, **heads)).save_pretrained(weights)
    with ENGINE.open(Backbone(name="x", model=str(weights))) as session:
        assert session.facts["attention"] == "eager"
