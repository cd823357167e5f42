"""What a command costs: the CPU time of all processes that it starts, the time by the clock, and their memory."""

import contextlib
import resource
import threading
import time
from dataclasses import dataclass, field

import psutil

SAMPLE_SECONDS = 0.1


@dataclass
class Cost:
    """Seconds of CPU and by the clock, and memory in MB. Other work on the machine changes the first only a little."""

    cpu: float
    wall: float
    memory: float  # the most at one time, of all processes
    largest: dict[str, float] = field(default_factory=dict)  # the most of each process, by its command line


def measured(command):
    """Run a command; return its Cost."""
    most, largest, ended = [0.0], {}, threading.Event()

    def sample():
        while not ended.wait(SAMPLE_SECONDS):
            now = descendants()
            most[0] = max(most[0], sum(memory for _, memory in now))
            for command_line, memory in now:
                largest[command_line] = max(largest.get(command_line, 0), memory)

    sampler = threading.Thread(target=sample)
    sampler.start()
    before, begin = cpu_seconds(), time.perf_counter()
    try:
        command()
    finally:
        wall = time.perf_counter() - begin
        ended.set()
        sampler.join()
    return Cost(cpu_seconds() - before, wall, most[0], largest)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def descendants():
    """Return the command line and memory in MB of all that descends from this process; shared pages count for each."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            found.append((" ".join(process.cmdline()), process.memory_info().rss / 2**20))
    return found
