"""Processes that train one network together, each on its own device.

Owns how they meet, which of them writes, and what Lightning is told of them. There is one process a device; the first
one writes every file and the others wait for it. Callbacks run in all of them, since metrics are brought together when
a callback first looks at them: only what they write is left to the first. How processes are started is
:mod:`tumorscope.training.launch`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous as meet

from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.training.launch import Place, find_place
from tumorscope.training.parts import WHOLE, Part

__all__ = [
    "Group",
    "in_turns",
    "is_first",
    "join",
    "own_part",
    "shared_threads",
    "trainer_options",
    "wait_for_all",
]

T = TypeVar("T")

# The others wait for the first one while it reads images or answers for a fold. One that is gone is noticed at once.
_PATIENCE = timedelta(days=1)
_MEETING = timedelta(minutes=10)


class Group:
    """The processes that have met; made by :func:`join`.

    Parameters
    ----------
    place
        Of this process.
    board
        A store that all of them read and write.
    """

    def __init__(self, place: Place, board: Store) -> None:
        self.place = place
        self._board = board

    def is_first_to_fail(self) -> bool:
        """Whether no other process has failed before; to be asked once, by a process that has."""
        try:
            first = self._board.compare_set("failed", "", str(self.place.rank))
        except RuntimeError:
            return False  # the first process keeps the board, and is gone
        return bool(first == str(self.place.rank).encode())

    def part(self) -> None:
        """Wait for the others and leave the group."""
        wait_for_all()
        distributed.destroy_process_group()


def join(place: Place) -> Group:
    """Meet the other processes, over NCCL where there are GPUs and over Gloo where there are none.

    Raises
    ------
    InvalidConfiguration
        If the machine has GPUs, but fewer than processes.
    MissingInput
        If the others do not come.
    """
    if place.launched:
        _end_with_standard_input()
    _meet_by_slurm()
    cuda = torch.cuda.is_available()
    if cuda:
        if torch.cuda.device_count() < place.local_world:
            raise InvalidConfiguration(
                f"{place.local_world} processes were asked for, and this machine has {torch.cuda.device_count()} GPUs; "
                "use --devices with as many, or CUDA_VISIBLE_DEVICES= to train on the processor"
            )
        torch.cuda.set_device(place.local_rank)
    try:
        meeting = meet("env://", place.rank, place.world, timeout=_MEETING)
        store, _, _ = next(meeting)
        distributed.init_process_group(
            "nccl" if cuda else "gloo",
            store=PrefixStore("processes", store),
            rank=place.rank,
            world_size=place.world,
            timeout=_PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise MissingInput(
            f"process {place.rank} of {place.world} did not find the others at {where}; "
            "check that all were started and that MASTER_ADDR and MASTER_PORT can be reached"
        ) from error
    return Group(place, PrefixStore("board", store))


def is_first() -> bool:
    """Whether this process writes: the only one, or the first of several."""
    return not _together() or distributed.get_rank() == 0


def own_part() -> Part:
    """What this process learns from of each step's images."""
    return Part(distributed.get_rank(), distributed.get_world_size()) if _together() else WHOLE


def wait_for_all() -> None:
    """Go on when all processes have come here."""
    if _together():
        devices = [torch.cuda.current_device()] if distributed.get_backend() == "nccl" else None
        distributed.barrier(device_ids=devices)


def in_turns(work: Callable[[], T], place: Place | None) -> T:
    """Do something in the first process, then in the first one of each machine, then in the others.

    What the first leaves on disk is found by the others, be the disk shared by all machines or not.
    """
    if place is None:
        return work()
    turn = 0 if place.rank == 0 else 1 if place.local_rank == 0 else 2
    for _ in range(turn):
        wait_for_all()
    result = work()
    for _ in range(turn, 3):
        wait_for_all()
    return result


def shared_threads() -> int:
    """CPU threads for this process where nothing else is said: the cores, divided among the processes here."""
    local = int(os.environ["LOCAL_WORLD_SIZE"]) if _together() else 1
    return max(1, (os.cpu_count() or 1) // local)


def trainer_options() -> dict[str, Any]:
    """What Lightning's trainer has to know of devices."""
    if not _together():
        return {"accelerator": "auto", "devices": 1}
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    # Lightning would set the number of threads anew, whatever the configuration says.
    os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    return {
        "accelerator": "cuda" if distributed.get_backend() == "nccl" else "cpu",
        "devices": local,
        "num_nodes": distributed.get_world_size() // local,
        # Each process has the variables of torchrun by now, whoever started it. Weights that do not learn at a step
        # (frozen ones, those of a part of a network that is left out) are looked for at every step.
        "strategy": DDPStrategy(
            cluster_environment=TorchElasticEnvironment(), find_unused_parameters=True, timeout=_PATIENCE
        ),
        "use_distributed_sampler": False,  # batches come divided
    }


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _meet_by_slurm() -> None:
    """Give a process that ``srun`` started the variables that torchrun gives."""
    place = find_place()
    if place is None or "RANK" in os.environ:
        return
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    machines = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_NODELIST", "127.0.0.1")
    # One port a job, which every process can tell without asking.
    job = os.environ.get("SLURM_JOB_ID", "0")[-4:]
    os.environ.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(machines))
    os.environ.setdefault("MASTER_PORT", str(15_000 + int(job)))
    os.environ |= {
        "RANK": str(place.rank),
        "WORLD_SIZE": str(place.world),
        "LOCAL_RANK": str(place.local_rank),
        "LOCAL_WORLD_SIZE": str(place.local_world),
        "GROUP_RANK": str(place.rank // place.local_world),
    }


def _end_with_standard_input() -> None:
    """End this process when the one that started it is gone, however that came."""

    def watch() -> None:
        # Not through sys.stdin, whose lock a waiting thread would hold at the end of the interpreter.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
