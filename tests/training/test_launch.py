"""A process learns its place from torchrun, SLURM or the command that started it."""

from __future__ import annotations

import pytest

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.training.launch import Place, find_place, launch

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
}
SRUN = {
    "SLURM_STEP_ID": "0",
    "SLURM_JOB_NAME": "train",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "8",
    "SLURM_NNODES": "2",
}


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN], ids=["torchrun", "srun"])
@pytest.mark.parametrize("asked", [(None, None), (4, None), (4, 2)])
def test_both_ways_say_the_same(environment: dict[str, str], asked: tuple[int | None, int | None]) -> None:
    place = find_place(*asked, environment)
    assert place == Place(rank=5, world=8, local_rank=1, local_world=4)
    assert place.nodes == 2


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN], ids=["torchrun", "srun"])
def test_another_number_than_was_started_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidConfiguration, match=r"--devices 2 --nodes 2 was asked for, and 8 processes"):
        find_place(2, None, environment)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"},
        {name: value for name, value in SRUN.items() if name != "SLURM_STEP_ID"},  # in a batch script
        SRUN | {"SLURM_JOB_NAME": "interactive"},
        SRUN | {"SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"},
    ],
    ids=["plain", "torchrun of one", "sbatch", "shell", "srun of one"],
)
def test_a_process_on_its_own(environment: dict[str, str]) -> None:
    assert find_place(2, None, environment) is None


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidConfiguration, match="LOCAL_WORLD_SIZE is not set"):
        find_place(environment={k: v for k, v in TORCHRUN.items() if k != "LOCAL_WORLD_SIZE"})
    with pytest.raises(InvalidConfiguration, match="8 processes on 3 machines"):
        find_place(environment=SRUN | {"SLURM_NNODES": "3"})
    with pytest.raises(InvalidConfiguration, match="--nodes 2 needs MASTER_PORT and NODE_RANK"):
        launch(["train"], 2, 2, {"MASTER_ADDR": "first"})
    with pytest.raises(InvalidConfiguration, match="NODE_RANK is 2; with --nodes 2 it is 0 to 1"):
        launch(["train"], 2, 2, {"MASTER_ADDR": "first", "MASTER_PORT": "1", "NODE_RANK": "2"})
