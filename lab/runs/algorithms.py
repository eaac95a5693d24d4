"""The algorithms by their names on the command line; its help names them, too."""

import ppo
import ppo_penalty
import vpg

ALGORITHMS = {"vpg": vpg, "ppo": ppo, "ppo-penalty": ppo_penalty}
