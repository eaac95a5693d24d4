"""One training with all that goes with it: watched, judged, kept in a folder, taken up again.

judging     when a policy is evaluated; what "solved" means; the learning curve
records     the run folder and everything that is read from or written into one;
            contents: what such a file may hold; machine: what else decides its bits
files       writing that appears whole or not at all, for every room
runner      what the command line does with a training; interrupts: how it is stopped;
            progress: how far it is
curves      pictures of runs
"""

from lab import doors

__getattr__ = doors(
    __name__,
    algorithms="ALGORITHMS lesson",
    judging="EnvironmentFailed failures_of new_trainer remarks judged "
    "final_judgement solved_steps returns_when_begun",
    contents="MOST_EPISODES",
    files="CannotWrite hold new_folder read_json ready regular replace_whole safe_name write_json "
    "write_whole",
    records="CHECKPOINT RunFolder as_settings load_policy",
    machine="processor versions",
    runner="run_training",
    interrupts="interrupts_raise",
    progress="Progress",
    curves="compare learning_curve",
)
