"""Did a change leave every bit of a training as it was?

    python benchmarks/same_bits.py before.json     before the change: writes the digests
    python benchmarks/same_bits.py before.json     after it: compares

Trains both algorithms on two environments with three seeds, a few thousand steps
each, and takes a SHA-256 of all parameters. Digests hold on one machine with one
numpy (another CPU's BLAS rounds otherwise), so the file is not part of the project.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ppo
import vpg
from training import Trainer

STEPS = 8_000


def digests():
    """Digest of the parameters after STEPS steps: dict "algorithm environment seed" -> hex."""
    found = {}
    for module in (vpg, ppo):
        for env_id in ("CartPole-v1", "Pendulum-v1"):
            for seed in range(3):
                trainer = Trainer(module, env_id, module.Config(total_steps=STEPS), seed)
                for _ in trainer:
                    pass
                data = trainer.policy.parameters.tobytes() + trainer.value.parameters.tobytes()
                key = f"{module.__name__} {env_id} {seed}"
                found[key] = hashlib.sha256(data).hexdigest()
    return found


if __name__ == "__main__":
    path = Path(sys.argv[1])
    now = digests()
    if not path.exists():
        path.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
        sys.exit(f"written: {path}")
    before = json.loads(path.read_text("utf-8"))
    changed = [key for key in now if now[key] != before.get(key)]
    print(*(f"changed: {key}" for key in changed), sep="\n")
    print(f"{len(now) - len(changed)} of {len(now)} trainings have the same bits")
    sys.exit(1 if changed else 0)
