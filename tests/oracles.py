"""What some tests still ask for in their own spelling; lab/proof/evidence.py has the oracles."""

from lab.proof.evidence import complex_step


def network_complex_step(loss, make, parameters):
    """The gradient (P,) of `loss(object)` by complex step, where `make()` builds the object anew.

    make() returns something with complex128 `parameters`, which are set from
    `parameters` (P,) with one of them stepped at a time.
    """
    built = make()

    def stepped_loss(stepped):
        built.parameters[:] = stepped
        return loss(built)

    return complex_step(stepped_loss, parameters)


def brute_force_advantage(t, rewards, values, next_values, terminated, ended, gamma, lam):
    """Â_t of one stream from the definition: Σ (γλ)^l δ_{t+l} up to the segment's end."""
    total, weight = 0.0, 1.0
    for k in range(t, len(rewards)):
        future = 0.0 if terminated[k] else gamma * next_values[k]
        total += weight * (rewards[k] + future - values[k])
        if ended[k]:
            break
        weight *= gamma * lam
    return total


def brute_force_return(t, rewards, next_values, terminated, ended, gamma):
    """Ĝ_t of one stream from the definition: discounted rewards, then a bootstrap if cut off."""
    total, discount = 0.0, 1.0
    for k in range(t, len(rewards)):
        total += discount * rewards[k]
        discount *= gamma
        if terminated[k]:
            return total
        if ended[k] or k == len(rewards) - 1:
            return total + discount * next_values[k]
    raise AssertionError("unreachable")
