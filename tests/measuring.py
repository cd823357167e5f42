"""What a command costs: the CPU time of all processes that it starts, the time by the clock, and their memory."""

import contextlib
import os
import resource
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

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
    """Return the command line and memory, in MB, of all that descends from this process; shared pages count for each.

    It is read from /proc, by no process of its own: that would count as a child too.
    """
    parents, sizes, lines = {}, {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            pid = int(process.name)
            parents[pid], sizes[pid] = int(fields[1]), int(fields[21]) * resource.getpagesize() / 2**20
            lines[pid] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    found, new = {os.getpid()}, {os.getpid()}
    while new := {pid for pid, parent in parents.items() if parent in new} - found:
        found |= new
    return [(lines[pid], sizes[pid]) for pid in found - {os.getpid()} if pid in lines]
