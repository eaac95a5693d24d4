"""First iterations are what the kept file says, on any machine, within what rounding explains."""

import runpy
from pathlib import Path

import pytest

from lab.kit import read_json

SAME_BITS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "same_bits.py"))
KEPT = read_json(SAME_BITS["KEPT"])["trainings"]


@pytest.mark.parametrize("name", SAME_BITS["TRAININGS"])
def test_the_first_iteration_is_the_kept_one(name):
    now = SAME_BITS["first_iteration"](SAME_BITS["trainer_of"](name))
    assert now == pytest.approx(KEPT[name]["first_iteration"], rel=1e-4, abs=1e-6)
