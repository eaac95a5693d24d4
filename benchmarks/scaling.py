"""How well a study uses the cores: N processes against one, on the same seeds.

    python benchmarks/scaling.py

Each round runs the same jobs with one process and with N, one after the other and
in turn first, starting the processes included. Efficiency is T(1) / (N T(N)): 1 is
perfect. Work of others on the same cores spoils it, so two more numbers, which
stand that better: "busy", the share of the N processes' time in which they train,
and how many more CPU seconds N processes take than one.
"""

import argparse
import os
import resource
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.study.seed import train_one
from lab.study.workers import Cores, available_cores, run_jobs


def children_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def busy_seconds(*job):
    """Train one seed -> how long that took."""
    start = time.perf_counter()
    train_one(*job)
    return time.perf_counter() - start


def measure(count, jobs):
    """Run the jobs on `count` new processes -> (seconds, CPU seconds, busy share)."""
    cpu, start = children_cpu_seconds(), time.perf_counter()
    with Cores(count) as workers:
        results = [result for _, result in run_jobs(busy_seconds, jobs, workers)]
        seconds = time.perf_counter() - start
    for result in results:
        if isinstance(result, Exception):
            raise result
    return seconds, children_cpu_seconds() - cpu, sum(results) / (count * seconds)


def main():
    parser = argparse.ArgumentParser(description="efficiency of a study on several cores")
    parser.add_argument("--processes", type=int, default=available_cores(), help="N [all cores]")
    parser.add_argument("--seeds", type=int, default=12, help="seeds of each run [12]")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions [3]")
    parser.add_argument("--total-steps", type=int, default=100_000, help="of each seed [100000]")
    args = parser.parse_args()

    config = {"total_steps": args.total_steps}
    jobs = [("ppo", "CartPole-v1", config, seed, 100) for seed in range(args.seeds)]
    print(f"{args.seeds} seeds of PPO on CartPole-v1, {args.total_steps:,} steps each")
    print(
        f"{'round':>5} {'T(1)':>8} {f'T({args.processes})':>8} {'efficiency':>11} {'CPU more':>9}"
    )
    efficiencies, overheads = [], []
    for number in range(1, args.rounds + 1):
        counts = (1, args.processes) if number % 2 else (args.processes, 1)
        measured = {count: measure(count, jobs) for count in counts}
        (one, one_cpu, _), (many, many_cpu, busy) = measured[1], measured[args.processes]
        efficiencies.append(one / (args.processes * many))
        overheads.append(many_cpu / one_cpu - 1)
        print(
            f"{number:>5} {one:>6.1f} s {many:>6.1f} s {efficiencies[-1]:>11.1%} "
            f"{busy:>7.1%} {overheads[-1]:>9.1%}",
            flush=True,
        )
    load = os.getloadavg()[0]
    print(
        f"median efficiency on {args.processes} processes: {statistics.median(efficiencies):.1%}; "
        f"{statistics.median(overheads):.1%} more CPU\n"
        f"(load average at the end: {load:.1f}; it should be about {args.processes})"
    )


if __name__ == "__main__":
    main()
