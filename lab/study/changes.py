"""What is changed in a training: a line of the lesson, or the weights that it begins with.

CHANGES      names of changes: experiments of lab/proof/faults.py, and uniform_weights
changed      a block in which a Trainer trains so
in_words     a change as a reader sees it
"""

import contextlib
import threading

import numpy as np

from lab.proof import faults
from lab.proof.numbering import number_of

EXPERIMENTS = {  # name -> its Faults, one for each function that is edited
    name: [fault for fault in faults.FAULTS if fault.name == name]
    for name in dict.fromkeys(fault.name for fault in faults.FAULTS if fault.name)
}
TRAINING = threading.RLock()  # a line is changed for the whole process: one training at a time


def uniform_weights(trainer):
    """Weights uniform in ±1/√inputs, whatever the layer: what torch.nn.Linear begins with.

    Neither orthogonal nor of a chosen gain; the policy's output layer begins as
    large as any other. Biases stay zero.
    """
    rng = np.random.default_rng(np.random.SeedSequence(trainer.seed).spawn(1)[0])
    for network in (trainer.learner.policy.network, trainer.learner.value):
        for W, _ in network.layers:
            bound = 1 / np.sqrt(len(W))
            W[:] = rng.uniform(-bound, bound, W.shape)


CHANGES = [*EXPERIMENTS, uniform_weights.__name__]


@contextlib.contextmanager
def changed(trainer, change):
    """In this block a Trainer that has not begun trains with a change of CHANGES, or None."""
    weights = change == uniform_weights.__name__
    with TRAINING, faults.injected(*([] if change is None or weights else EXPERIMENTS[change])):
        if weights:
            uniform_weights(trainer)
        yield


def in_words(change):
    """A change as lines of text: where it is, what goes ("-") and what comes ("+")."""
    if change == uniform_weights.__name__:
        return [uniform_weights.__doc__.splitlines()[0]]
    lines = []
    for fault in EXPERIMENTS[change]:
        where = ", ".join(f"Eq. {number_of(key)}" for key in fault.equations.split())
        lines += [f"{fault.function}, {where}", *faults.changed_lines(fault)]
    return lines
