"""`make bench`: how long each command takes on this machine, beside an empty program on the same engine."""

import statistics
import time

ROUNDS = 5


def measure(commands, rounds=ROUNDS):
    """Run the commands in turn, `rounds` times; return the seconds of each."""
    seconds = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            begin = time.perf_counter()
            command()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def test_bench(project, capsys):
    project = project.with_own_plugins()
    program = (project.path / "__main__.py").read_text()
    (project.path / "__main__.py").write_text("import pulumi\n")
    seconds = {f"empty program, {name}": taken for name, taken in measure({"preview": project.preview}).items()}
    (project.path / "__main__.py").write_text(program)
    seconds |= measure(
        {
            "preview of a new relationship": project.preview,
            "up, creating it": project.up,
            "up, nothing to change": project.up,
            "proof": lambda: project.python("-m", "tools", "verify", "--stack", "test"),
            "destroy": project.destroy,
        }
    )
    with capsys.disabled():
        print(f"\n{'':32}{'least':>8}{'median':>8}{'most':>8}   seconds, {ROUNDS} rounds")  # noqa: T201 - its purpose
        for name, taken in seconds.items():
            print(f"{name:32}{min(taken):8.2f}{statistics.median(taken):8.2f}{max(taken):8.2f}")  # noqa: T201 - as above
