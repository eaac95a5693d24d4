"""The algorithms by their names on the command line: the one table of them."""

import ppo
import ppo_penalty
import vpg

ALGORITHMS = {"vpg": vpg, "ppo": ppo, "ppo-penalty": ppo_penalty}
