"""What a piece of film work costs: CPU seconds of this process and its children, memory of the largest child."""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run: of processors (user and system, children too) and by the clock."""

    cpu: float
    wall: float


def cost(act: Callable[[Path], object]) -> Cost:
    """What it takes while it acts in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        before, began = _spent(), time.perf_counter()
        act(Path(folder))
        return Cost(_spent() - before, time.perf_counter() - began)


def memory(act: Callable[[Path], object]) -> float:
    """Resident MiB of the largest program that it starts; measured from a fresh process, whose children are its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def watched() -> None:
        with tempfile.TemporaryDirectory() as folder:
            act(Path(folder))
        sender.send(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)

    process = context.Process(target=watched)
    process.start()
    process.join()
    return float(receiver.recv())


def _spent() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
