"""Every numbered equation held against the shipped code.

    report()         all of them, as a table
    report(40)       one, with its numbers
    run_check(40)    one, as a Result
    CHECKS           number -> Check

The checks themselves are in lab/proof/equations/, a file for each chapter of the
README. A check calls the function that training uses and compares what it says
with an oracle that gets there another way: a complex step, an enumeration of
every trajectory, a quadrature, a sum written out, samples. No check repeats
the line of code that it is checking.

The oracles' bounds:
    complex step   f'(x) = imag(f(x + ih))/h with h = 1e-30 subtracts nothing, so
                   it is exact to rounding: 1e-12, relative to the largest entry
    Monte Carlo    |z| < 4 standard errors, from 100,000 samples, seeded
    otherwise      1e-12 too, except where a check states its own

Checks look functions up through their modules (`ppo.clipped_surrogate`), so
that a test can put a faulty one in their place and see that the check fails.
"""

import math
import sys
from textwrap import wrap
from typing import NamedTuple

import numpy as np

from lab.proof.equations import (
    a_process,
    b_advantages,
    c_distributions,
    d_network,
    e_value,
    f_ppo,
    h_tokens,
)
from lab.proof.evidence import EXACT, Z_BOUND, Check, Evidence

CHAPTERS = (a_process, b_advantages, c_distributions, d_network, e_value, f_ppo, h_tokens)


def by_number(chapters):
    """The Checks in these modules: number -> Check. Raises ValueError for a number with two."""
    found = {}
    for one in (one for chapter in chapters for one in vars(chapter).values()):
        if isinstance(one, Check) and found.setdefault(one.number, one) is not one:
            raise ValueError(f"Eq. {one.number} has two checks")
    return found


CHECKS = by_number(CHAPTERS)


class Result(NamedTuple):
    """What a check found. `error` and `bound` are those of its tightest comparison."""

    number: int
    claim: str
    code: str
    oracle: str
    error: float
    bound: float
    passed: bool
    comparisons: list  # of evidence.Comparison
    numbers: list  # of (label, value) that decide nothing: what `report` prints for one check


def run_check(number):
    """Run one check -> Result. Raises ValueError for a number that has none."""
    if number not in CHECKS:
        raise ValueError(f"no equation {number}; there are {min(CHECKS)} to {max(CHECKS)}")
    _, claim, code, oracle, function = CHECKS[number]
    evidence = Evidence()
    try:
        function(evidence, np.random.default_rng(number))
    except Exception as error:  # faulty code may raise anything; that is a verdict, too
        evidence.compare(f"raised {type(error).__name__}: {error}", math.inf, EXACT)
    found = evidence.comparisons
    tightest = max(found, key=lambda one: one.error / one.bound)
    passed = all(one.error <= one.bound for one in found)
    return Result(
        *(number, claim, code, oracle, tightest.error, tightest.bound, passed),
        *(found, evidence.numbers),
    )


def report(numbers=None, stream=None):
    """Run checks and print them, 80 columns wide -> True if all passed.

    numbers  None for all of them; an int, or a list of one, for the details of
             one; a list for a table of these
    stream   file to print to, by default sys.stdout

    Raises ValueError for a number that has no check, before any is run.
    """
    from tqdm import tqdm

    stream = stream or sys.stdout
    numbers = sorted(CHECKS) if numbers is None else np.atleast_1d(numbers).tolist()
    for number in numbers:
        if number not in CHECKS:
            run_check(number)  # raises, saying which numbers there are
    if len(numbers) == 1:
        result = run_check(numbers[0])
        print(details(result), file=stream)
        return result.passed

    # disable=None: no bar unless stderr is a terminal
    bar = tqdm(numbers, "checking", unit="eq", ncols=80, leave=False, disable=None)
    results = [run_check(number) for number in bar]
    print(table(results), file=stream)
    return all(result.passed for result in results)


def table(results):
    """A list of Result -> text: one line each, a rule for each chapter, and what it all means."""
    row = "{:>2} {:<23} {:<29} {:<12} {:>5} {}"  # the last column has room for FAIL
    lines, chapter, own = [row.format("Eq", "claim", "code", "oracle", "error", "")], "", []
    for result in results:
        letter = CHECKS[result.number].function.__module__.rpartition(".")[2][0].upper()
        if letter != chapter:
            chapter = letter
            lines.append(f"{chapter} ".ljust(80, "-"))
        sampled = result.bound == Z_BOUND
        error = f"z {result.error:.1f}" if sampled else scientific(result.error)
        code = result.code if len(result.code) <= 29 else result.code.split(".", 1)[1]
        start = result.number, result.claim, code, result.oracle
        verdict = "ok" if result.passed else "FAIL"
        if result.passed and not sampled and result.error > EXACT:
            verdict = "ok*"
            own.append(f"Eq. {result.number} {result.bound:g}")
        lines.append(row.format(*start, error, verdict))
    failed = [str(result.number) for result in results if not result.passed]
    lines.append("-" * 80)
    lines.append("error: the largest difference, relative to the largest entry; at most 1e-12")
    if own:
        lines.append(f"*: within a wider bound of its own: {', '.join(own)}")
    if any(result.bound == Z_BOUND for result in results):
        lines.append("z: standard errors between a sample mean and what is expected; at most 4")
    lines.append("One equation's numbers beside the oracle's: python run.py check N")
    if failed:
        lines.append(f"{len(failed)} of {len(results)} equations FAIL: {', '.join(failed)}")
    else:
        lines.append(f"all {len(results)} equations hold")
    return "\n".join(line.rstrip() for line in lines)


def scientific(error):
    return f"{error:.0e}" if error else "0"


def details(result):
    """One Result -> text: the claim in full, code and oracle side by side, numbers to look at."""
    statement = " ".join((CHECKS[result.number].function.__doc__ or "").split())  # none under -OO
    lines = [f"Eq. {result.number}  {result.claim}", *wrap(statement, 80), ""]
    lines += [f"code    {result.code}", f"oracle  {result.oracle}", ""]
    row = "{:<35} {:>12} {:>12} {:>8} {}"
    lines.append(
        row.format("compared (of an array: one entry)", "code", "oracle", "error", "at most")
    )
    for label, code, oracle, error, bound in result.comparisons:
        *above, label = wrap(label, 35) or [""]
        lines += above
        size = f"z {error:.1f}" if bound == Z_BOUND else scientific(error)
        size = "" if code in ("yes", "no") else size
        most = f"{bound:g}" if size else ""
        lines.append(
            row.format(label, code, oracle, size, most if error <= bound else f"{most} FAIL")
        )
    lines.append("")
    for label, value in result.numbers:
        if isinstance(value, np.ndarray) or not isinstance(value, str):
            value = np.array2string(
                np.asarray(value) + 0.0, precision=5, suppress_small=True, max_line_width=74
            )
        if "\n" not in value and len(label) + len(value) <= 77:
            lines.append(f"{label}{value:>{80 - len(label)}}")
        else:
            lines += [*wrap(label, 80), *(f"      {line}" for line in value.splitlines())]
    lines += ["", "ok" if result.passed else "FAIL"]
    return "\n".join(line.rstrip() for line in lines)
