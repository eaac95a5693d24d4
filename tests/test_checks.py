"""All checks hold, and each fails when a line that it is about is broken: lab/proof/faults.py."""

import functools
import io
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import advantages
import training
from lab.proof import checks
from lab.proof.evidence import Evidence, check
from lab.proof.faults import FAULTS, Fault, changed_lines, edited, injected, owner_of
from lab.proof.numbering import key_of, number_of, numbers

RESULT = functools.cache(checks.run_check)


@pytest.fixture
def run_once(monkeypatch):
    """Each check is run by the first test that asks for it."""
    monkeypatch.setattr(checks, "run_check", RESULT)


@pytest.mark.parametrize("key", checks.CHECKS)
def test_check_passes(run_once, key):
    stream = io.StringIO()
    passed = checks.report(key, stream)
    printed = stream.getvalue()
    assert passed, printed
    first = printed.splitlines()[0]
    assert first.startswith(f"Eq. {number_of(key)}  ") and first.endswith(f" {key}")
    assert printed.endswith("\nok\n")
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.isascii()


def test_there_is_a_check_for_each_equation():
    assert list(checks.CHECKS) == list(numbers())


def test_the_code_they_name_exists():
    for named in checks.CHECKS.values():
        owner, name = owner_of(named.code)
        assert callable(getattr(owner, name)), named.code


CHECKED = [
    fault for fault in FAULTS if fault.equations and not re.match(r"\d_|one_page", fault.function)
]


@pytest.mark.parametrize("key", checks.CHECKS)
@pytest.mark.filterwarnings("ignore")
def test_the_check_finds_every_fault(monkeypatch, key):
    """Whatever the table says of its equation, even with fewer samples and smaller groups."""
    monkeypatch.setattr(checks.a_process, "SAMPLES", 4_000)
    monkeypatch.setattr(checks.h_tokens, "SIZES", (2, 3))
    faults = [fault for fault in CHECKED if key in fault.equations.split()]
    assert faults
    for fault in faults:
        with injected(fault):
            result = checks.run_check(key)
        assert not result.passed, fault
        assert checks.details(result).endswith("\nFAIL")
        # A fault may well make shapes clash; any other exception would be the edit's own.
        labels = [comparison.label for comparison in result.comparisons]
        raised = [label for label in labels if label.startswith("raised")]
        assert all(label.startswith("raised ValueError: shapes") for label in raised), fault
    assert checks.run_check(key).passed  # each line is put back


def test_faults_are_of_equations_that_there_are():
    named = {key for fault in FAULTS for key in fault.equations.split()}
    assert named == set(checks.CHECKS)
    rows = [(fault.function, fault.old, fault.new) for fault in FAULTS]
    assert len(rows) == len(set(rows))


def test_a_fault_is_put_where_it_is_known_by_name_and_taken_out_again():
    fault = Fault("advantages.gae", "td-error", " * ~terminated", "")
    right = advantages.gae
    with pytest.raises(KeyError), injected(fault):
        assert training.gae is advantages.gae is not right
        raise KeyError  # whatever happens meanwhile
    assert training.gae is advantages.gae is right
    before, after = changed_lines(fault)
    assert before == "- advantages = rewards + gamma * next_values * ~terminated - values"
    assert after == "+ advantages = rewards + gamma * next_values - values"
    with pytest.raises(ValueError, match="gae has 5 times 'gamma'"):
        edited(right, "gamma", "1")


def test_the_table():
    stream = io.StringIO()
    keys = {"log-softmax": "ok", "clip": "FAIL", "adaptive-kl": "ok"}
    with injected(Fault("ppo.clipped_surrogate", "clip", "plain <= clipped", "plain < clipped")):
        assert not checks.report(list(keys), stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if line[1].isdigit()]
    verdicts = {int(row[0]): row[-1] for row in rows}
    assert verdicts == {number_of(key): verdict for key, verdict in keys.items()}
    assert lines[-1] == f"1 of 3 equations FAIL: {number_of('clip')}"


def test_the_whole_table(run_once, capsys):
    assert checks.report()
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    shown = [int(line[:2]) for line in lines if line[1].isdigit()]
    assert shown == list(numbers().values())
    chapters = [line[0] for line in lines if re.match("[A-I] -{70}", line)]
    assert sorted(set(chapters)) == list("ABCDEFHI")
    # what z and * mean, and the bounds that are not 1e-12
    own = next(line for line in lines if line.startswith("*: "))
    starred = [line[:2].strip() for line in lines if line.endswith(" ok*")]
    assert re.findall(r"Eq\. (\d+)", own) == starred and starred
    assert any(line.startswith("z: standard errors") for line in lines)
    assert max(map(len, lines)) <= 80
    assert lines[-1] == f"all {len(checks.CHECKS)} equations hold"
    assert printed.err == ""  # no progress bar on a pipe


def test_a_progress_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    assert checks.report(["log-softmax", "adaptive-kl"], io.StringIO())
    assert "checking" in checks.sys.stderr.getvalue()


def test_a_check_that_raises_fails(monkeypatch):
    monkeypatch.setattr("ppo_penalty.adapt_kl_coefficient", lambda: None)
    result = checks.run_check("adaptive-kl")
    assert not result.passed
    assert result.error == np.inf
    assert result.comparisons[-1].label.startswith("raised TypeError: ")
    assert "FAIL" in checks.details(result)


def test_code_and_oracle_stand_side_by_side():
    printed = checks.details(checks.run_check("clip"))
    assert "0.0e+00" not in printed and "0e+00" not in printed
    rows = re.findall(
        r"^ +(\d\.\d) +([+-]\d\.\d)  (.+?)  +(\S+) +(\S+) +(\S+) +(\S+)$", printed, re.M
    )
    assert len(rows) == 8
    for ratio, A, field, *slopes in rows:
        ratio, A = float(ratio), float(A)
        silent = (ratio > 1.2 and A > 0) or (ratio < 0.8 and A < 0)
        assert ("silent" in field) == silent and ("good" in field) == (A > 0)
        assert {float(slope) for slope in slopes} == {0.0 if silent else A}
    with injected(Fault("ppo.clipped_surrogate", "clip", "plain <= clipped", "plain >= clipped")):
        broken = checks.details(checks.run_check("clip"))
    wrong = next(line for line in broken.splitlines() if line.startswith("slopes: by hand"))
    assert wrong.endswith("1e-12 FAIL") and wrong.split()[3] != wrong.split()[4]


def test_the_largest_entry_is_shown_or_the_one_that_is_wrong():
    evidence = Evidence()
    for wrong, shown in ((0.0, ("-7.5", "-7.5")), (0.3, ("0.3", "0"))):
        evidence.close("a", [[1.0, 2.0], [-7.5, wrong]], [[1.0, 2.0], [-7.5, 0.0]])
        assert evidence.comparisons[-1] == ("a", *shown, wrong / 7.5, 1e-12)
    evidence.normal("m", [0.0, 0.3], 0.1, 0.1)
    assert evidence.comparisons[-1][1:3] == ("0.3", "0.1")


@pytest.mark.parametrize(
    "equation, line",
    [
        *((wrong, f"no equation {wrong}; there are 1 to 64") for wrong in (0, 99, -1, "65")),
        ("9" * 5000, f"no equation {'9' * 20}; there are 1 to 64"),
        ("gea", r"no equation 'gea'; did you mean gae\?"),
        ("x", r"no equation 'x'; docs/guide\.md names them all"),
        ("", r"no equation ''; docs/guide\.md names them all"),
    ],
)
def test_unknown_equations(equation, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        checks.run_check(equation)
    with pytest.raises(ValueError, match=f"^{line}$"):
        checks.report([1, equation], io.StringIO())


def test_a_key_and_its_number_are_one_equation():
    assert list(numbers().values()) == list(range(1, 65))
    for key, number in numbers().items():
        assert key_of(key) == key_of(number) == key_of(str(number)) == key
        assert number_of(key) == number_of(number) == number_of(str(number)) == number


def test_an_equation_has_named():
    second = check("clipped-objective", "", "", "")(None)
    with pytest.raises(ValueError, match="clipped-objective has two checks"):
        checks.by_key([checks.f_ppo, SimpleNamespace(second=second)])
    with pytest.raises(ValueError, match="no equation 'clipp'; did you mean clip"):
        checks.by_key([SimpleNamespace(other=check("clipp", "", "", "")(None))])


def verdict(record):
    evidence = Evidence()
    record(evidence)
    return all(comparison.error <= comparison.bound for comparison in evidence.comparisons)


@pytest.mark.parametrize(
    "actual, expected, good",
    [
        ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0, 2.0], [1.0, 2.0 + 1e-11], False),
        ([1e6, 2.0], [1e6, 2.0 + 1e-8], True),  # relative to the largest entry
        ([0.0, 1e-13], [0.0, 0.0], True),
        ([0.0, 1e-11], [0.0, 0.0], False),
        ([np.nan, 1.0], [1.0, 1.0], False),
        ([1.0, 1.0], [np.nan, 1.0], False),
        ([np.inf, 1.0], [1.0, 1.0], False),
        ([[1.0, 1.0]], [1.0, 1.0], False),  # (1,2) is not (2,)
        (1.0, [1.0, 1.0], False),
    ],
)
def test_close(actual, expected, good):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert verdict(lambda evidence: evidence.close("", actual, expected)) == good


def test_normal():
    assert verdict(lambda evidence: evidence.normal("", [0.39, -0.39], 0, 0.1))
    assert not verdict(lambda evidence: evidence.normal("", [0.0, -0.41], 0, 0.1))
    assert not verdict(lambda evidence: evidence.normal("", [np.nan], 0, 0.1))
