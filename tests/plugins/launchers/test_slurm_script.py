from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from launched import job

from rmr1_core import Launcher, Located, Step
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component
from rmr1_core.values import Ref

RUN = Path("/shared/runs/one/stages/rl")
VERL = Located(
    name="verl",
    variant="cuda",
    python=Path("/shared/envs/verl/bin/python"),
    env={"VLLM_USE_V1": "1"},
    label="verl 0.9.1",
)
TRAIN = Step(argv=("python", "-m", "verl.trainer.main_ppo", "trainer.nnodes=4"))
ONE_NODE = """\
#!/bin/bash
# rl
#SBATCH --job-name=rmr1-rl
#SBATCH --output=/shared/runs/one/stages/rl/log
#SBATCH --open-mode=append
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --partition=h100
#SBATCH --account=lab
#SBATCH --qos=long
#SBATCH --time=1-00:00:00
#SBATCH --constraint="ib&h100"
#SBATCH --mem=900G
#SBATCH --cpus-per-task=64
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --reservation=training

module load cuda/12.8
ulimit -n 65536

set -e
# environment verl: verl 0.9.1
export PATH=/shared/envs/verl/bin:"$PATH"
export VLLM_USE_V1="${VLLM_USE_V1:-1}"
export WANDB_MODE='offline now'

python -m verl.trainer.main_ppo trainer.nnodes=4
python -m verl.model_merger merge
"""


def slurm(**options: Any) -> Launcher:
    found: Launcher = resolve("launcher", Ref(name="slurm", options=options))
    return found


def text(launcher: Launcher, located: Located | None = VERL, **changes: Any) -> str:
    facts = {"name": "rl", "environment": "verl", "steps": (TRAIN,), **changes}
    files = launcher.files(job(RUN, **facts), located)
    assert list(files) == [str(RUN / "sbatch.sh")]
    return files[str(RUN / "sbatch.sh")]


def options(script: str) -> list[str]:
    start = "#SBATCH "
    return [line[len(start) :] for line in script.splitlines() if line.startswith(start)]


def test_it_keeps_the_contract() -> None:
    check_component(slurm())


def test_a_job_of_one_node_is_its_options_its_environment_and_its_steps() -> None:
    launcher = slurm(
        partition="h100",
        account="lab",
        qos="long",
        time="1-00:00:00",
        constraint="ib&h100",
        mem="900G",
        cpus_per_task=64,
        exclusive=True,
        before=["module load cuda/12.8", "ulimit -n 65536"],
        sbatch=["--reservation=training"],
    )
    merge = Step(argv=("python", "-m", "verl.model_merger", "merge"), everywhere=True)
    steps, env = (TRAIN, merge), {"WANDB_MODE": "offline now"}
    assert text(launcher, gpus_per_node=8, steps=steps, env=env) == ONE_NODE


def test_nothing_is_asked_for_that_nobody_wants() -> None:
    assert options(text(slurm(requeue=False))) == [
        "--job-name=rmr1-rl",
        "--output=/shared/runs/one/stages/rl/log",
        "--open-mode=append",
        "--nodes=1",
        "--ntasks-per-node=1",
        "--no-requeue",
    ]


def test_gpus_can_be_spelt_as_the_cluster_wants() -> None:
    asked = options(text(slurm(gres="gpu:h100:{gpus}"), gpus_per_node=8))
    assert "--gres=gpu:h100:8" in asked
    assert not any(option.startswith("--gpus") for option in asked)


def test_paths_and_names_survive_slurms_own_rules() -> None:
    folder = '/shared/my "runs"; #1/50%j'
    files = slurm().files(job(RUN, name="SFT, then RL", log=f"{folder}/log"), None)
    asked = options(files[f"{folder}/sbatch.sh"])
    assert asked[:2] == [
        "--job-name=rmr1-SFT-then-RL",
        '--output="/shared/my \\"runs\\"; #1/50%%j/log"',
    ]


def test_torchruns_steps_for_all_nodes_go_through_srun() -> None:
    train, merge = Step(argv=("torchrun", "train.py"), everywhere=True), Step(argv=("merge",))
    script = text(slurm(), nodes=2, cluster="torchrun", steps=(train, merge))
    assert script.endswith("\n\nmeet\neverywhere torchrun train.py\nmerge\n")
    assert "    find_ports\n    export PET_NNODES=$nodes PET_MASTER_ADDR=$head_address" in script
    assert "--nodes=2" in options(script)
    assert "ray" not in script


def test_a_ray_cluster_is_started_before_the_steps_and_ends_with_them() -> None:
    script = text(slurm(join_seconds=30), nodes=4, gpus_per_node=8, cluster="ray")
    assert script.index("trap leave EXIT") < script.index("ray start --head")
    assert script.index("ray start --head") < script.index("ray start --address")
    assert script.count('rm -rf "$ray_folder"') == 2, "here, and on the other nodes"
    assert 'mktemp -d "/tmp/rmr1-$SLURM_JOB_ID-XXXXXX"' in script, "a requeued job has its number"
    assert script.endswith(
        'nodes_joined "$nodes" || { tail -n 40 "$ray_log"; exit 1; }\n\n'
        "python -m verl.trainer.main_ppo trainer.nnodes=4\n"
    )
    assert "\nnodes=4\npython=/shared/envs/verl/bin/python\n" in script
    assert "\ngpus=8\njoin_seconds=30\n" in script
    assert "ray stop" not in script.replace("`ray stop`", "")


def test_on_one_node_the_trainers_own_ray_keeps_away_from_others() -> None:
    script = text(slurm(), cluster="ray")
    assert "unset RAY_ADDRESS" in script
    assert "ray start" not in script


@pytest.mark.parametrize("cluster", ["", "ray", "torchrun"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_every_script_is_bash(cluster: str, nodes: int) -> None:
    script = text(slurm(), nodes=nodes, cluster=cluster)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_an_environment_that_is_not_built_says_so_when_it_runs() -> None:
    script = text(slurm(), located=None)
    assert "rmr1 env create verl" in script
