"""Many seeds: trained on all cores or a cluster, kept one by one, judged together.

folder      a study and its folder: what is trained, what came out
seed        one seed, trained and judged; deciding: which code decides what it gives
workers     who does the work: processes of this machine, or Dask's
statistics  what many seeds say together; columns are its tables, picture draws it
ablation    PPO less one thing at a time; changes, to the lines of a training
tables      the text's tables, from the files in benchmarks/results; ladder, one of them
presets     settings that were found to work, one environment at a time
"""

from lab.study.folder import StudyFolder, Variant, parse_seeds, report, run_study
from lab.study.presets import preset
from lab.study.seed import EVALUATIONS, digest, train_one
from lab.study.workers import CannotStart, Cluster, Cores, WorkersLost, run_jobs
