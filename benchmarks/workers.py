"""Work in other processes: spread over several, with a progress bar, or as a program of its own."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

from studiomic.errors import RuntimeFailureError

Argument = TypeVar("Argument")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def spread(
    function: Callable[[Argument], Result], arguments: Sequence[Argument], jobs: int, label: str
) -> Iterator[tuple[Argument, Result]]:
    """Each argument with its result, as they finish, from `jobs` processes; in this one where a single job is wanted.

    The first exception ends the work and is raised; what was not begun is dropped.
    """
    with tqdm(total=len(arguments), desc=label, unit="", leave=False) as bar:
        if jobs == 1:
            for argument in arguments:
                yield argument, function(argument)
                bar.update()
            return
        with single_threaded_pool(jobs) as pool:
            futures = {pool.submit(function, argument): argument for argument in arguments}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
                    bar.update()
            finally:
                pool.shutdown(cancel_futures=True)


def single_threaded_pool(jobs: int) -> ProcessPoolExecutor:
    """Fresh processes whose numerical libraries use one thread each, so that processes do not fight over the cores."""
    for variable in THREAD_VARIABLES:  # read by the libraries as they load, so it must be there before a process starts
        os.environ.setdefault(variable, "1")
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def run_python(arguments: Sequence[str]) -> None:
    """Run this Python with `arguments` and wait; it finds the modules that this process finds.

    Raises RuntimeFailureError, with what the program said, where its exit code is not 0.
    """
    found = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, *arguments], env=os.environ | {"PYTHONPATH": found}, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeFailureError(f"{' '.join(arguments)} ended with {done.returncode}, not 0: {done.stderr.strip()}")
