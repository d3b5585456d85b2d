"""Time, memory and machine of a benchmark run; one JSON line per run."""

import argparse
import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "scikit-learn")


class Timing(NamedTuple):
    """Seconds of a step, over its repeats.

    Attributes:
        wall: Median seconds on the clock.
        cpu: Median processor seconds of the process, all threads together; other
            programs on the machine change it less than the clock.
        spread: Largest less smallest seconds on the clock.
        repeats: How often it ran.
    """

    wall: float
    cpu: float
    spread: float = 0.0
    repeats: int = 1

    def scaled(self, factor: float) -> "Timing":
        """The same for `factor` times the work."""
        return Timing(
            self.wall * factor, self.cpu * factor, self.spread * factor, self.repeats
        )


class Stopwatch:
    """Adds up the time spent inside `with` blocks.

    Attributes:
        wall: Seconds on the clock.
        cpu: Processor seconds of the process.
    """

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> "Stopwatch":
        self._begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._begun[0]
        self.cpu += time.process_time() - self._begun[1]

    @property
    def timing(self) -> Timing:
        """What was added up, as one run."""
        return Timing(self.wall, self.cpu)


def measure(function: Callable[[], Any], *, repeats: int = 1) -> tuple[Timing, Any]:
    """Time a function that waits for its result, and return the last result."""
    runs = []
    for _ in range(repeats):
        with Stopwatch() as watch:
            result = function()
        runs.append(watch.timing)
    return median_of(runs), result


def median_of(runs: Sequence[Timing]) -> Timing:
    """Several runs of the same step as one."""
    walls = [run.wall for run in runs]
    return Timing(
        wall=statistics.median(walls),
        cpu=statistics.median(run.cpu for run in runs),
        spread=max(walls) - min(walls),
        repeats=len(runs),
    )


def peak_memory() -> int:
    """Most bytes of memory that this process has held at a time.

    Linux counts a program from its own start; elsewhere the number may include what
    the process held before.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak << 10


def environment() -> dict[str, Any]:
    """Versions, devices and processor of this run, and how busy the machine was."""
    import jax

    import invert_jax

    others = {name: version(name) for name in PACKAGES}
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "versions": {"invert_jax": invert_jax.__version__} | others,
        "device": jax.devices()[0].device_kind,
        "platform": jax.default_backend(),
        "num_devices": jax.device_count(),
        "processor": _processor(),
        "num_cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def run_from_command_line(
    question: str,
    run: Callable[[argparse.Namespace], dict[str, Any]],
    show: Callable[[dict[str, Any]], None],
    **sizes: tuple[int, str],
) -> None:
    """Run a benchmark whose options are whole numbers, show its record and add it.

    Args:
        question: The docstring of the benchmark.
        run: Makes the record, given the options.
        show: Prints it.
        sizes: For each option its default, and what it is.
    """
    parser = argparse.ArgumentParser(
        description=question, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, (default, text) in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    parser.add_argument("--out", type=Path, help="file to add the JSON lines to")
    options = parser.parse_args()
    record = run(options)
    show(record)
    if options.out:
        append_line(options.out, record)


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Add one run to a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """NumPy numbers as Python's own."""
    return value.item()


def _processor() -> str:
    """The name of the processor, if the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
