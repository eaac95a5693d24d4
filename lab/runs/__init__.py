"""One training with all that goes with it: watched, judged, kept in a folder, taken up again.

judging     the one judged training loop; what "solved" means; the learning curve
records     the run folder and everything that is read from or written into one
runner      what the command line does with a training
curves      pictures of runs
"""

from lab import doors

__getattr__ = doors(
    __name__,
    algorithms="ALGORITHMS",
    judging="judged solved_steps returns_when_begun",
    records="BEST CHECKPOINT GYM_PACKAGES PACKAGES RunFolder describe read_json write_json "
    "write_whole",
    runner="draw learn summarize",
    curves="BLUE GREEN GREY ORANGE PURPLE compare learning_curve",
)
