"""The environments that ship: their locks, and each of them built for real."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rmr1_core import Environment, EnvironmentVariant, env_store
from rmr1_core.discovery import plugins
from rmr1_core.uv import settings, uv_program

if TYPE_CHECKING:
    from rmr1_core.environments import Located

    Managed = Callable[[str], Located]

ENTRY = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
SHIPPED: dict[str, Environment] = {
    offer.component.name: offer.component
    for offer in plugins().offers("environment")
    if offer.plugin in {"vllm", "verl", "openrlhf"}
}
VARIANTS = [(e, v) for e in SHIPPED.values() for v in e.variants]


def name(value: Any) -> str:
    return value.name if isinstance(value, Environment) else str(value)


def locked(variant: EnvironmentVariant) -> dict[str, str]:
    lines = variant.lock.read_text().splitlines()
    return {m[1]: m[2] for m in map(ENTRY.match, lines) if m}


def wanted(variant: EnvironmentVariant) -> dict[str, str]:
    """The exact versions that the requirements name."""
    pairs = [line.split("==") for line in variant.requirements.read_text().split()]
    return {re.sub(r"\[.*\]", "", package).lower(): version for package, version in pairs}


def test_three_environments_ship_for_gpus_and_for_cpus() -> None:
    assert sorted(SHIPPED) == ["openrlhf", "verl", "vllm"]
    assert all(set(e.variants) == {"cuda", "cpu"} for e in SHIPPED.values())


@pytest.mark.parametrize(("environment", "variant"), VARIANTS, ids=name)
def test_a_lock_has_exact_versions_and_hashes_and_nothing_else(
    environment: Environment, variant: str
) -> None:
    lines = environment.variants[variant].lock.read_text().splitlines()
    assert len(lines) > 100
    for line, following in zip(lines, [*lines[1:], "end"], strict=True):
        assert ENTRY.match(line) or HASH.match(line), line
        if ENTRY.match(line):
            assert HASH.match(following), line


@pytest.mark.parametrize(("environment", "variant"), VARIANTS, ids=name)
def test_a_lock_fits_its_requirements(environment: Environment, variant: str) -> None:
    chosen = environment.variants[variant]
    found = locked(chosen)
    for package, version in wanted(chosen).items():
        assert found[package].removesuffix("+cpu") == version
    assert not set(chosen.excluded) & set(found)
    assert set(chosen.unisolated) <= set(found)


@pytest.mark.parametrize("environment", SHIPPED.values(), ids=name)
def test_the_cpu_variant_brings_nothing_for_gpus(environment: Environment) -> None:
    found = locked(environment.variants["cpu"])
    assert found["torch"].endswith("+cpu")
    gpu = [package for package in found if re.match(r"nvidia-(?!ml-py)|flash", package)]
    assert gpu == []


@pytest.mark.parametrize("environment", SHIPPED.values(), ids=name)
def test_the_gpu_variant_does_not_bring_pytorchs_cpu_build(environment: Environment) -> None:
    found = locked(environment.variants["cuda"])
    assert not [package for package, version in found.items() if "+" in version]
    assert "nvidia-cublas" in found


@pytest.mark.parametrize(("environment", "variant"), VARIANTS, ids=name)
def test_everything_that_a_build_needs_is_there(environment: Environment, variant: str) -> None:
    for package in environment.variants[variant].packages:
        assert (package / "pyproject.toml").is_file()


@pytest.mark.slow
def test_what_a_build_needs_is_in_the_wheel(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    argv = [uv_program(), "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(root)]
    subprocess.run(argv, check=True, env={**os.environ, **settings()})
    (wheel,) = tmp_path.glob("*.whl")
    there = set(zipfile.ZipFile(wheel).namelist())
    for environment in SHIPPED.values():
        for variant in environment.variants.values():
            files = [variant.lock, variant.requirements]
            files += [path for _, path in env_store.local_files(variant.packages)]
            for file in files:
                kind_folder = next(p for p in file.parents if p.parent.name == "plugins")
                assert str(file.relative_to(kind_folder)) in there, file


# built for real


def runs_in(located: Located, *argv: str, **variables: str) -> str:
    done = subprocess.run(
        [str(located.python), *argv],
        env={**os.environ, **located.env, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


TINY = """
import sys
from transformers import Qwen2Config, Qwen2ForCausalLM
config = Qwen2Config(hidden_size=64, intermediate_size=64, num_hidden_layers=2,
                     num_attention_heads=2, num_key_value_heads=1, vocab_size=256)
Qwen2ForCausalLM(config).save_pretrained(sys.argv[1])
"""
GENERATE = """
import sys
from vllm import LLM, SamplingParams
if __name__ == "__main__":
    llm = LLM(model=sys.argv[1], skip_tokenizer_init=True, dtype="float32", max_model_len=64,
              enforce_eager=True)
    wanted = SamplingParams(max_tokens=5, temperature=0, ignore_eos=True, detokenize=False)
    (answer,) = llm.generate([{"prompt_token_ids": [1, 2, 3]}], wanted)
    print("generated", len(answer.outputs[0].token_ids))
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_vllm_generates_on_a_cpu(managed_environment: Managed, tmp_path: Path) -> None:
    located = managed_environment("vllm")
    runs_in(located, "-c", TINY, str(tmp_path / "model"))
    script = tmp_path / "generate.py"
    script.write_text(GENERATE)
    assert "generated 5" in runs_in(located, str(script), str(tmp_path / "model"))


VERL = """
from verl.plugin.platform import get_platform
print("platform", type(get_platform()).__module__, get_platform().device_name)
import importlib.metadata
print("vllm", importlib.metadata.version("vllm"))
from hydra import compose, initialize_config_module
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
settings = '''
    algorithm.adv_estimator=grpo data.train_files=t.parquet data.val_files=v.parquet
    data.train_batch_size=8 actor_rollout_ref.model.path=m trainer.device=cpu
    actor_rollout_ref.actor.ppo_mini_batch_size=8
    actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8
    actor_rollout_ref.rollout.name=vllm actor_rollout_ref.rollout.n=4
    actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8
    actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=8
    trainer.n_gpus_per_node=1 trainer.nnodes=1
'''.split()
with initialize_config_module("verl.trainer.config", version_base=None):
    config = compose("ppo_trainer", overrides=settings)
def check():
    validate_config(config=config, use_reference_policy=need_reference_policy(config),
                    use_critic=need_critic(config))
check()
print("valid")
config.data.train_batch_size = 4
try:
    check()
except Exception as error:
    print("refused:", error)
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_verl_composes_and_validates_a_configuration_on_a_cpu(managed_environment: Managed) -> None:
    told = runs_in(managed_environment("verl"), "-c", VERL)
    assert "platform verl_on_cpu.platform cpu" in told
    assert "vllm 0.31.0+cpu" in told
    assert "\nvalid" in told
    assert "refused: train_batch_size (4)" in told


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_cpu_platform_of_verl_sleeps_where_it_is_not_asked_for(
    managed_environment: Managed,
) -> None:
    code = """
import torch
pin = torch.Tensor.pin_memory
import verl, importlib.metadata
print(pin is torch.Tensor.pin_memory, importlib.metadata.version.__module__)
"""
    told = runs_in(managed_environment("verl"), "-c", code, VERL_PLATFORM="")
    assert told.split()[-2:] == ["True", "importlib.metadata"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_openrlhf_says_its_options_on_a_cpu(managed_environment: Managed) -> None:
    told = runs_in(managed_environment("openrlhf"), "-m", "openrlhf.cli.train_sft", "--help")
    assert "--ds.attn_implementation" in told


PACKED = """
import openrlhf, torch
from flash_attn.bert_padding import pad_input, unpad_input
from transformers.utils import is_flash_attn_2_available
rows, mask = torch.arange(24.0).view(2, 3, 4), torch.tensor([[0, 1, 1], [1, 0, 0]])
tokens, indices, starts, longest, used = unpad_input(rows, mask)
print(indices.tolist(), starts.tolist(), longest, used.tolist(), is_flash_attn_2_available())
print(torch.equal(pad_input(tokens, indices, 2, 3), rows * mask[..., None]))
print(torch.cuda.current_device())
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_stand_in_for_flash_attention_packs_and_unpacks(managed_environment: Managed) -> None:
    told = runs_in(managed_environment("openrlhf"), "-c", PACKED)
    assert told.splitlines() == ["[1, 2, 3] [0, 2, 3] 2 [2, 1] False", "True", "cpu"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_shims_of_openrlhf_sleep_where_they_are_not_asked_for(
    managed_environment: Managed,
) -> None:
    code = "import openrlhf, sys; print('torch' in sys.modules, 'flash_attn' in sys.modules)"
    told = runs_in(managed_environment("openrlhf"), "-c", code, DS_ACCELERATOR="")
    assert told.split() == ["False", "False"]
