"""One training with all that goes with it: watched, judged, kept in a folder, taken up again.

algorithms  their names
judging     when a policy is evaluated; what "solved" means; the learning curve
records     the run folder and everything that is read from or written into one;
            contents: what such a file may hold
machine     what else decides which bits a seed gives
runner      what the command line does with a training
curves      pictures of runs
"""

from lab.runs.algorithms import ALGORITHMS
from lab.runs.curves import compare
from lab.runs.judging import (
    final_judgement,
    judged,
    new_trainer,
    remarks,
    returns_when_begun,
    solved_steps,
)
from lab.runs.machine import processor, versions
from lab.runs.records import RunFolder, as_settings, load_policy
from lab.runs.runner import run_training
