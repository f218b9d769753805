"""Which processes train together, and how those of one machine are started.

Owns a process's place among the others, as torchrun, SLURM or this module tell it, and the processes that
``--devices`` starts. Knows nothing of what they do, and nothing of torch: how they meet is
:mod:`tumorscope.training.devices`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tumorscope.core.errors import InvalidConfiguration, ProcessLost

__all__ = ["Place", "find_place", "launch"]

LAUNCHED = "TUMORSCOPE_LAUNCHED"
"""Set in the processes that :func:`launch` starts: they end with their standard input."""

_ELASTIC = "TORCHELASTIC_RUN_ID"  # set by torchrun
_ALONE = ("bash", "interactive")  # names of SLURM jobs that are shells, as Lightning has it
_GRACE = 10.0  # seconds in which the others notice that one is gone
_LAST_BATCH = 60.0  # seconds to finish a batch after Ctrl-C
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """A process among those that train together.

    Parameters
    ----------
    rank, world
        Its number among all of them, from 0, and how many there are: at least 2.
    local_rank, local_world
        The same on its machine. A process uses the GPU of its local number.
    launched
        Whether :func:`launch` started it and tells the user how it ended.
    """

    rank: int
    world: int
    local_rank: int
    local_world: int
    launched: bool = False

    @property
    def nodes(self) -> int:
        """How many machines there are."""
        return self.world // self.local_world


def find_place(
    devices: int | None = None, nodes: int | None = None, environment: Mapping[str, str] = os.environ
) -> Place | None:
    """Find out whether this process was started as one of several.

    Parameters
    ----------
    devices, nodes
        Processes a machine and machines as the user asked for them; ``None`` accepts any number.
    environment
        Where torchrun, ``srun`` or :func:`launch` left a process's number.

    Returns
    -------
    Place or None
        ``None`` for a process on its own.

    Raises
    ------
    InvalidConfiguration
        If the environment says other numbers than the user, or machines have different numbers of processes.
    """
    if LAUNCHED in environment or _ELASTIC in environment:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        rank, world, local_rank, local_world = (_number(environment, name) for name in names)
    elif "SLURM_STEP_ID" in environment and environment.get("SLURM_JOB_NAME") not in _ALONE:
        rank, local_rank = _number(environment, "SLURM_PROCID"), _number(environment, "SLURM_LOCALID")
        world = _number(environment, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
        machines = _number(environment, "SLURM_STEP_NUM_NODES", "SLURM_NNODES")
        if world % max(1, machines):
            raise InvalidConfiguration(
                f"{world} processes on {machines} machines; start the same number on each (--ntasks-per-node)"
            )
        local_world = world // max(1, machines)
    else:
        return None
    if world == 1:
        return None
    place = Place(rank, world, local_rank, local_world, LAUNCHED in environment)
    if world % local_world or (devices or local_world, nodes or place.nodes) != (local_world, place.nodes):
        raise InvalidConfiguration(
            f"--devices {devices or local_world} --nodes {nodes or place.nodes} was asked for, and {world} processes "
            f"were started, {local_world} on this machine; leave the options out, or start as many"
        )
    return place


def launch(
    arguments: Sequence[str], devices: int, nodes: int = 1, environment: Mapping[str, str] = os.environ
) -> int:
    """Run the command line in several processes of this machine and wait until all have ended.

    Parameters
    ----------
    arguments
        What follows ``tumorscope``.
    devices
        How many processes.
    nodes
        How many machines run the same command; with more than one, ``MASTER_ADDR``, ``MASTER_PORT`` and
        ``NODE_RANK`` of the environment say where the first is and which this is.

    Returns
    -------
    int
        0, or the status of the processes after one has failed and said why.

    Raises
    ------
    InvalidConfiguration
        If there are several machines and the environment does not say where they meet.
    ProcessLost
        If a process was ended from outside.
    KeyboardInterrupt
        After Ctrl-C, once all have ended.
    """
    address, port, node = _meeting_point(nodes, environment)
    common = dict(environment) | {
        LAUNCHED: "1",
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "GROUP_RANK": str(node),
        "WORLD_SIZE": str(devices * nodes),
        "LOCAL_WORLD_SIZE": str(devices),
    }
    # Else torch's C++ side warns that no weight was found that does not learn, where all do.
    common.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if nodes == 1 and sys.platform == "linux":
        common.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nobody outside needs to reach them
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for local in range(devices):
            own = {"RANK": str(node * devices + local), "LOCAL_RANK": str(local)}
            command = [sys.executable, "-m", "tumorscope", *arguments]
            # In a session of their own, so that Ctrl-C reaches them once, from here. When this process ends in any
            # way, their standard input does, and they with it.
            started = subprocess.Popen(
                command, env=common | own, stdin=subprocess.PIPE, start_new_session=True
            )
            processes.append(started)
        return _outcome(processes, first=node * devices, world=devices * nodes)
    except KeyboardInterrupt:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        _wait(processes, _LAST_BATCH)
        raise
    finally:
        _end(processes)


def _number(environment: Mapping[str, str], *names: str) -> int:
    """The first of some variables that is there."""
    name = next((name for name in names if name in environment), names[-1])
    try:
        number = int(environment[name])
    except (KeyError, ValueError):
        said = repr(environment[name]) if name in environment else "not set"
        raise InvalidConfiguration(
            f"{name} is {said}, where this looks like one of several processes; start them all by torchrun or srun"
        ) from None
    return number


def _meeting_point(nodes: int, environment: Mapping[str, str]) -> tuple[str, int, int]:
    """Address and port of the first process, and the number of this machine."""
    if nodes == 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return "127.0.0.1", int(free.getsockname()[1]), 0
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in environment]
    if missing:
        raise InvalidConfiguration(
            f"--nodes {nodes} needs {' and '.join(missing)} in the environment, to find the other machines; "
            "set them, or start the command by torchrun or srun, see docs/training.md"
        )
    node = _number(environment, "NODE_RANK")
    if not 0 <= node < nodes:
        raise InvalidConfiguration(f"NODE_RANK is {node}; with --nodes {nodes} it is 0 to {nodes - 1}")
    return environment["MASTER_ADDR"], _number(environment, "MASTER_PORT"), node


def _outcome(processes: Sequence[subprocess.Popen[bytes]], *, first: int, world: int) -> int:
    """Wait for all, or for the first that fails and then a little for the others."""
    while True:
        states = [process.poll() for process in processes]
        if any(states):
            break
        if all(state == 0 for state in states):
            return 0
        time.sleep(_LOOK)
    _wait(processes, _GRACE)
    states = [process.poll() for process in processes]
    killed = next((index for index, state in enumerate(states) if state is not None and state < 0), None)
    if killed is not None:
        raise ProcessLost(
            f"process {first + killed} of {world} was ended by {_signal_name(-(states[killed] or 0))}; "
            "the training goes on from its last checkpoint with the same command and --resume"
        )
    return max(state or 0 for state in states)


def _wait(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(process.poll() is None for process in processes):
        time.sleep(_LOOK)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End those that still run. Without grace: a checkpoint is never older than a minute, nor half-written."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
