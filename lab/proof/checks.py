"""Every numbered equation held against the shipped code.

    report()             all of them, as a table
    report("clip")       one, with its numbers; report(40) is the same
    run_check("clip")    one, as a Result
    CHECKS               key -> Check, in the order of the text

The checks themselves are in lab/proof/equations/, a file for each chapter. A check
calls the function that training uses and compares what it says with an oracle that
gets there another way: a complex step, an enumeration of every trajectory, a
quadrature, a sum written out, samples. No check repeats the line of code that it is
checking.

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
    i_transformer,
)
from lab.proof.evidence import EXACT, Z_BOUND, Check, Evidence
from lab.proof.numbering import key_of, number_of

CHAPTERS = (
    a_process,
    b_advantages,
    c_distributions,
    d_network,
    e_value,
    f_ppo,
    h_tokens,
    i_transformer,
)


def by_key(chapters):
    """The Checks in these modules in the text's order: key -> Check.

    Raises ValueError for a key with two, or one that the text has not.
    """
    checks = {}
    for value in (value for chapter in chapters for value in vars(chapter).values()):
        if isinstance(value, Check) and checks.setdefault(value.key, value) is not value:
            raise ValueError(f"{value.key} has two checks")
    return {key: checks[key] for key in sorted(checks, key=number_of)}


CHECKS = by_key(CHAPTERS)


class Result(NamedTuple):
    """What a check found. `error` and `bound` are those of its tightest comparison."""

    number: int
    claim: str
    statement: str  # the claim in full
    code: str
    oracle: str
    error: float
    bound: float
    passed: bool
    comparisons: list  # of evidence.Comparison
    numbers: list  # of (label, value) that decide nothing: what `report` prints for one check


def run_check(equation):
    """Run one check, by its key or its number -> Result. Raises ValueError if there is none."""
    key, number = key_of(equation), number_of(equation)
    check, evidence = CHECKS[key], Evidence()
    try:
        check.function(evidence, np.random.default_rng([*key.encode()]))
    except Exception as error:  # faulty code may raise anything; that is a verdict, too
        evidence.compare(f"raised {type(error).__name__}: {error}", math.inf, EXACT)
    comparisons = evidence.comparisons
    tightest = max(comparisons, key=lambda comparison: comparison.error / comparison.bound)
    return Result(
        number,
        check.claim,
        " ".join((check.function.__doc__ or "").split()),  # none under -OO
        check.code,
        check.oracle,
        tightest.error,
        tightest.bound,
        all(comparison.error <= comparison.bound for comparison in comparisons),
        comparisons,
        evidence.numbers,
    )


def report(equations=None, stream=None):
    """Run checks and print them, 80 columns wide -> True if all passed.

    equations  None for all of them; a key or number, or a list of one, for the details of
               one; a list for a table of these
    stream     file to print to, by default sys.stdout

    Raises ValueError for an equation that there is not, before any check is run.
    """
    from tqdm import tqdm

    stream = stream or sys.stdout
    keys = CHECKS if equations is None else dict.fromkeys(map(key_of, np.atleast_1d(equations)))
    keys = [*keys]
    if len(keys) == 1:
        result = run_check(keys[0])
        print(details(result), file=stream)
        return result.passed

    # disable=None: no bar unless stderr is a terminal
    bar = tqdm(keys, "checking", unit="eq", ncols=80, leave=False, disable=None)
    results = [run_check(key) for key in bar]
    print(table(results), file=stream)
    return all(result.passed for result in results)


def table(results):
    """A list of Result -> text: one line each, a rule for each chapter, and what it all means."""
    row = "{:>2} {:<23} {:<29} {:<12} {:>5} {}"  # the last column has room for FAIL
    lines, chapter, own = [row.format("Eq", "claim", "code", "oracle", "error", "")], "", []
    for result in results:
        module = CHECKS[key_of(result.number)].function.__module__
        letter = module.rpartition(".")[2][0].upper()
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
    heading, key = f"Eq. {result.number}  {result.claim}", key_of(result.number)
    lines = [f"{heading}{key:>{80 - len(heading)}}", *wrap(result.statement, 80), ""]
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
