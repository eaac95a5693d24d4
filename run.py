"""The one entry point: `python run.py --algo ppo` trains; `python run.py -h` lists the rest.

What each command does stands in lab/commands/; no formula lives there or here.
"""

import os
import signal
import sys

if sys.version_info < (3, 10):  # noqa: UP036  said before anything newer is read
    version = ".".join(map(str, sys.version_info[:2]))
    sys.exit("run.py: error: Python 3.10 or later is needed; this is " + version)

# Until there is something to save, Ctrl-C simply ends it.
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, lambda signum, frame: os._exit(130))

# The matrices here are small: one BLAS thread is faster than many. Set it before
# numpy is imported, and only if the user has not chosen.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")
# A notebook hands its own backend down to us, and matplotlib cannot be imported without it.
os.environ["MPLBACKEND"] = "agg"

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:  # python -I, PYTHONSAFEPATH=1
    sys.path.insert(0, HERE)

from lab.commands import main  # noqa: E402  now that all of that is set
from lab.kit import keep_freed_memory  # noqa: E402

if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
