"""Settings that were found to work, one environment at a time.

`run.py --env ID` takes them from here; any option on the command line goes
first. What an environment's entry does not name keeps the algorithm's default,
and those are made for CartPole-v1.
"""

PRESETS = {
    "CartPole-v1": {"ppo": {}, "vpg": {}},
}


def preset(algorithm_name, env_id):
    """The tuned settings: "vpg" or "ppo", a Gymnasium id  ->  dict for its Config, or None."""
    return PRESETS.get(env_id.removeprefix("gym/"), {}).get(algorithm_name)
