"""Gradients by other means, to hold the hand-written ones against."""

import numpy as np


def complex_step(function, x, h=1e-30):
    """d function / d x for a real-valued analytic function, exact to the last digits.

    function takes an array like x and returns a scalar. Im f(x + ih) / h has no
    subtraction in it, so h can be so small that nothing is rounded away.
    """
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        stepped = x.astype(np.complex128)
        stepped[index] += 1j * h
        gradient[index] = np.imag(function(stepped)) / h
    return gradient


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


def lines_that_stay(below, above):
    """The length of the longest common subsequence of two lists: what a diff leaves unmarked."""
    common = [0] * (len(above) + 1)
    for line in below:
        last, common = common, [0]
        for n, other in enumerate(above):
            common.append(last[n] + 1 if line == other else max(last[n + 1], common[n]))
    return common[-1]
