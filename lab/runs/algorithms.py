"""The algorithms by their names on the command line, which lab/commands/options.py lists, too."""

import ppo
import ppo_penalty
import vpg

ALGORITHMS = {"vpg": vpg, "ppo": ppo, "ppo-penalty": ppo_penalty}
