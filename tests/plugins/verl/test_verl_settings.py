from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Ref
from rmr1_core.lookup import resolve
from rmr1_verl.inside import machine
from rmr1_verl.overrides import written
from rmr1_verl.releases import KEYS, RELEASES, RENAMED, key, release_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-6, "1e-06"),
        (3, "3"),
        (True, "true"),
        (None, "null"),
        ("vllm", "vllm"),
        ("/runs/a_b-1.2/x", "/runs/a_b-1.2/x"),
        ("a b", "'a b'"),
        ("it's", r"'it\'s'"),
        ("null", "'null'"),
        ("007", "'007'"),
        ("", "''"),
        ("${x}", "'${x}'"),
        ("end\\", r"'end\\'"),
        (["console", "file"], "[console,file]"),
        ({"limit": {"image": 0}}, "{limit:{image:0}}"),
    ],
)
def test_values_are_written_as_hydra_reads_them(value: Any, text: str) -> None:
    assert written(value) == text


def test_the_release_that_the_lock_has_is_known() -> None:
    import rmr1_verl

    lock = Path(rmr1_verl.__file__).with_name("locks") / "cuda.txt"
    (version,) = [
        line.split("==")[1].split()[0]
        for line in lock.read_text().splitlines()
        if line.startswith("verl==")
    ]
    assert release_of(version) is RELEASES[0]
    assert release_of("0.3.0") is None


@pytest.mark.parametrize("release", [release.name for release in RELEASES])
def test_every_one_of_our_words_has_a_name_in_every_release(release: str) -> None:
    names = [key(word, release) for word in KEYS]
    assert len(set(names)) == len(names)
    ignored = release_of(release).ignored  # type: ignore[union-attr]
    assert not [name for name in names for prefix in ignored if name.startswith(f"{prefix}.")]


def test_no_name_of_ours_is_an_old_one() -> None:
    assert not {name.lstrip("+") for name in KEYS.values()} & RENAMED.keys()


def test_on_a_cpu_the_command_gets_what_a_cpu_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    complete = machine.complete(["trainer.device=cpu0", "data.seed=1"], "/tmp/ray-of-ours")
    assert complete[:2] == ["trainer.device=cpu0", "data.seed=1"]
    assert "trainer.device=cpu" not in complete
    assert "actor_rollout_ref.actor.strategy=fsdp2" in complete
    assert "+ray_kwargs.ray_init.address=local" in complete
    assert "+ray_kwargs.ray_init._temp_dir=/tmp/ray-of-ours" in complete


def test_a_ray_cluster_of_the_launchers_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("VERL_FILE_LOGGER_PATH", "/runs/metrics.jsonl")
    ray = [o for o in machine.complete([]) if "ray_init" in o]
    assert "+ray_kwargs.ray_init.runtime_env.env_vars.VERL_PLATFORM=cpu" in ray
    env = "+ray_kwargs.ray_init.runtime_env.env_vars."
    assert f"{env}VERL_FILE_LOGGER_PATH=/runs/metrics.jsonl" in ray
    assert all(o.startswith(env) for o in ray)


def test_one_answer_per_prompt_is_refused_because_groups_need_several() -> None:
    with pytest.raises(Exception, match="samples_per_prompt"):
        resolve("trainer", Ref(name="verl-grpo", options={"samples_per_prompt": 1}))
