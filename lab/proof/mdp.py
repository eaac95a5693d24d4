"""A decision process so small that its true policy gradient is known exactly.

    state 0    action 0: reward +1, the end        action 1: reward -1, to state 1
    state 1    action 0: reward  0, to state 0     action 1: reward +3, the end

Episodes start in state 0; gamma is 0.9. What reinforcement learning can only
estimate elsewhere is computed here, and twice over: in closed form, from linear
equations in two unknowns, and by listing every trajectory with its probability.
So an estimator's mean and variance are numbers here, not simulations.

In the order of the file:
    the process and its softmax policies
    Eq. 9, 46, 47  in closed form: V, Q, A, visitation, J and its gradient
    Eq. 1–4     every trajectory: probability, returns, score
    Eq. 5–8     estimators of the gradient: exact mean and variance
    Eq. 10      what it changes to average over steps instead of episodes
    Eq. 48      the best baseline of a single decision
    Eq. 34      the difference between two policies

Shapes: S = 2 states, K = 2 actions, P parameters, T steps of a trajectory, M trajectories.
All functions take complex arrays too, so that a derivative with respect to theta
can be had from a complex step: imag(f(theta + 1e-30j)) / 1e-30.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

# ---------------------------------------------------- the process, the policies


class MDP(NamedTuple):
    """A finite decision process. Whatever `transitions` lacks to 1 is the chance to end."""

    rewards: np.ndarray  # (S, K) of taking action a in state s
    transitions: np.ndarray  # (S, K, S) chance to go on to state s'
    start: np.ndarray  # (S,) chance to start in state s
    gamma: float  # discount factor


def two_states(last_reward=3.0):
    """The process above; `last_reward` is what action 1 earns in state 1."""
    transitions = np.zeros((2, 2, 2))
    transitions[0, 1, 1] = transitions[1, 0, 0] = 1
    rewards = np.array([[1.0, -1.0], [0.0, last_reward]])
    return MDP(rewards, transitions, start=np.array([1.0, 0.0]), gamma=0.9)


# A policy is a softmax over logits that are linear in theta: logits = features @ theta.
# TABULAR: a parameter for every state and action, theta (4,) = logits (2,2) row by row.
TABULAR = np.eye(4).reshape(2, 2, 4)
# SHARED: one parameter, the logit of action 1 in *both* states; action 0's logit is 0.
SHARED = np.array([[[0.0], [1.0]], [[0.0], [1.0]]])


def log_policy(theta, features):
    """theta (P,), features (S,K,P) -> log-probabilities (S,K)."""
    # No maximum is subtracted, unlike Eq. 17: the logits here are small, the formula bare.
    logits = features @ theta
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def policy(theta, features):
    """theta (P,), features (S,K,P) -> probabilities (S,K)."""
    return np.exp(log_policy(theta, features))


def scores(pi, features):
    """Gradient of every log-probability with respect to theta: pi (S,K) -> (S,K,P).

    Their mean over the policy's actions is 0, Eq. 6.
    """
    # The logit's own gradient less the mean gradient of its row: Eq. 18 through the features.
    return features - np.einsum("sa,sap->sp", pi, features)[:, None]


# ------------------------------------------------------------- in closed form


def state_transitions(mdp, pi):
    """pi (S,K) -> P_pi (S,S), the chance to go on from s to s' under the policy."""
    return np.einsum("sa,sat->st", pi, mdp.transitions)


def values(mdp, pi):
    """pi (S,K) -> V (S,), the expected discounted return from each state; Eq. 47."""
    mean_rewards = (pi * mdp.rewards).sum(axis=1)
    # Eq. 47: V = (I − γ P_π)⁻¹ r_π
    return np.linalg.solve(np.eye(len(pi)) - mdp.gamma * state_transitions(mdp, pi), mean_rewards)


def values_within(mdp, pi, horizon):
    """pi (S,K) -> V (S,) when every episode is cut off, unpaid, after `horizon` steps."""
    mean_rewards, P = (pi * mdp.rewards).sum(axis=1), state_transitions(mdp, pi)
    V = np.zeros(len(pi))
    for _ in range(horizon):
        V = mean_rewards + mdp.gamma * P @ V
    return V


def action_values(mdp, pi):
    """pi (S,K) -> Q (S,K), the expected return of each action in each state; Eq. 9."""
    # Eq. 9: Q(s,a) = r(s,a) + γ Σ P(s'|s,a) V(s'); at an episode's end the sum is empty
    return mdp.rewards + mdp.gamma * mdp.transitions @ values(mdp, pi)


def advantages(mdp, pi):
    """pi (S,K) -> A (S,K), how much better than the policy's average; Eq. 9."""
    # Eq. 9: A = Q − V
    return action_values(mdp, pi) - values(mdp, pi)[:, None]


def visitation(mdp, pi):
    """pi (S,K) -> eta (S,), the expected discounted number of visits; Eq. 46, 47."""
    # Eq. 47: ηᵀ = p₀ᵀ (I − γ P_π)⁻¹, one solve with the transposed matrix
    return np.linalg.solve(np.eye(len(pi)) - mdp.gamma * state_transitions(mdp, pi).T, mdp.start)


def objective(mdp, pi):
    """pi (S,K) -> J, the expected discounted return of an episode; Eq. 2."""
    return mdp.start @ values(mdp, pi)


def gradient(mdp, theta, features):
    """theta (P,), features (S,K,P) -> the true gradient of J (P,); Eq. 46."""
    pi = policy(theta, features)
    return visited_gradient(visitation(mdp, pi), pi, action_values(mdp, pi), features)


def practical_gradient(mdp, theta, features):
    """What Eq. 10 follows on average: γ^t dropped, so late visits count in full -> (P,).

    The returns keep their discount; only the visits lose it. The gradient of no
    objective in general.
    """
    pi = policy(theta, features)
    visits = visitation(mdp._replace(gamma=1.0), pi)
    return visited_gradient(visits, pi, action_values(mdp, pi), features)


def visited_gradient(visits, pi, Q, features):
    # Eq. 46: ∇J = Σₛ η(s) Σₐ ∇π(a|s) Q(s,a), with ∇π = π ∇log π (Eq. 3)
    return np.einsum("s,sa,sa,sap->p", visits, pi, Q, scores(pi, features))


def softmax_gradient(mdp, theta):
    """The same for the tabular softmax: theta (4,) -> dJ/dtheta (S,K), Eq. 47."""
    pi = policy(theta, TABULAR)
    # Eq. 47: ∂J/∂θ_sb = η(s) π(b|s) A(s,b)
    return visitation(mdp, pi)[:, None] * pi * advantages(mdp, pi)


# ----------------------------------------------------------- every trajectory


class Trajectory(NamedTuple):
    """What happened in one episode."""

    states: np.ndarray  # (T,) int
    actions: np.ndarray  # (T,) int
    rewards: np.ndarray  # (T,)
    finished: bool  # False if the horizon cut it off


def trajectories(mdp, horizon):
    """Every possible trajectory of at most `horizon` steps -> list of Trajectory.

    In this process each state has one action that ends the episode and one
    that goes on, so there are only horizon + 1 of them.
    """
    found = []

    def extend(states, actions):
        here = states[-1]
        for action in range(mdp.rewards.shape[1]):
            taken = [*actions, action]
            onward = mdp.transitions[here, action]
            if onward.sum() < 1:
                found.append(_trajectory(mdp, states, taken, finished=True))
            if onward.any() and len(taken) == horizon:
                found.append(_trajectory(mdp, states, taken, finished=False))
            elif onward.any():
                for there in np.flatnonzero(onward):
                    extend([*states, int(there)], taken)

    for state in np.flatnonzero(mdp.start):
        extend([int(state)], [])
    return found


def _trajectory(mdp, states, actions, finished):
    states, actions = np.array(states), np.array(actions)
    return Trajectory(states, actions, mdp.rewards[states, actions], finished)


def density(mdp, pi, trajectory):
    """How likely this trajectory is, Eq. 1: pi (S,K) -> a number."""
    states, actions, _, finished = trajectory
    # Eq. 1: p(τ) = p₀(s₀) Π π(aₜ|sₜ) P(sₜ₊₁|sₜ,aₜ)
    chance = mdp.start[states[0]] * np.prod(pi[states, actions])
    chance = chance * np.prod(mdp.transitions[states[:-1], actions[:-1], states[1:]])
    last = mdp.transitions[states[-1], actions[-1]].sum()  # the chance that it went on
    return chance * ((1 - last) if finished else last)


def returns(rewards, gamma):
    """rewards (T,) -> G (T,), the discounted rewards from each step on; Eq. 2."""
    steps = np.arange(len(rewards))
    # Eq. 2: G_t = Σ γᵏ⁻ᵗ r_k over k ≥ t, as a triangular matrix
    return np.triu(gamma ** np.maximum(steps - steps[:, None], 0)) @ rewards


def trajectory_score(trajectory, step_scores):
    """Gradient of the trajectory's log-density, Eq. 4: step_scores (S,K,P) -> (P,)."""
    # Eq. 4: ∇log p(τ) = Σₜ ∇log π(aₜ|sₜ). The dynamics do not depend on θ.
    return step_scores[trajectory.states, trajectory.actions].sum(axis=0)


# --------------------------------------------------- estimators of the gradient

# Each gives the weights w (T,) of one trajectory's scores; the estimate is Σ wₜ ∇log π(aₜ|sₜ).


def whole_return(mdp, trajectory):
    """Eq. 5: every action is credited with the whole episode."""
    G = returns(trajectory.rewards, mdp.gamma)
    return np.full(len(G), G[0])


def reward_to_go(mdp, trajectory):
    """Eq. 7: every action is credited with what came after it."""
    G = returns(trajectory.rewards, mdp.gamma)
    return mdp.gamma ** np.arange(len(G)) * G


def less_baseline(baseline):
    """Eq. 8: the same less what was to be expected; baseline (S,) -> an estimator."""

    def weigh(mdp, trajectory):
        G = returns(trajectory.rewards, mdp.gamma)
        return mdp.gamma ** np.arange(len(G)) * (G - baseline[trajectory.states])

    return weigh


def discount_dropped(mdp, trajectory):
    """Eq. 10: reward-to-go without γ^t, as practice has it."""
    return returns(trajectory.rewards, mdp.gamma)


def estimates(mdp, theta, features, horizon, weigh):
    """What an estimator says on every trajectory -> probabilities (M,), estimates (M,P)."""
    pi = policy(theta, features)
    step_scores = scores(pi, features)
    every = trajectories(mdp, horizon)
    return (
        np.array([density(mdp, pi, one) for one in every]),
        np.array([weigh(mdp, one) @ step_scores[one.states, one.actions] for one in every]),
    )


def moments(probabilities, points):
    """Exact mean (P,) and total variance tr Var of points (M,P) with probabilities (M,)."""
    mean = probabilities @ points
    return mean, probabilities @ ((points - mean) ** 2).sum(axis=1)


def batches(probabilities, points, lengths, episodes):
    """Every batch of `episodes` independent trajectories (there are M^episodes).

    probabilities (M,), points (M,P) the sums over each one's steps, lengths (M,)
    -> probabilities, sums over the batch (…,P), steps in the batch, one row a batch

    sums / episodes averages over episodes, sums / steps over steps (Eq. 10). The
    two differ by the factor episodes/steps, which is random and, being dependent
    on the same trajectories, biases the mean.
    """
    chosen = np.array(list(product(range(len(points)), repeat=episodes)))
    return (
        probabilities[chosen].prod(axis=1),
        points[chosen].sum(axis=1),
        np.asarray(lengths)[chosen].sum(axis=1),
    )


# -------------------------------------------------------- one decision, Eq. 48


def one_step_variance(probabilities, step_scores, returns, baseline):
    """tr Var of (G − b) ∇log π(a): probabilities (K,), step_scores (K,P), returns (K,), b."""
    return moments(probabilities, (returns - baseline)[:, None] * step_scores)[1]


def best_baseline(probabilities, step_scores, returns):
    """The b that makes one_step_variance smallest, Eq. 48: (K,) (K,P) (K,) -> a number."""
    squares = (step_scores**2).sum(axis=1)
    # Eq. 48: b* = E[G ‖∇log π‖²] / E[‖∇log π‖²], a mean return weighted by the scores
    return probabilities @ (returns * squares) / (probabilities @ squares)


# ------------------------------------------------------ two policies, Eq. 34


def performance_difference(mdp, pi, old_pi, horizon):
    """J(pi) − J(old_pi) from the *old* policy's advantages, Eq. 34: (S,K) (S,K) -> a number.

    Sums over every trajectory of the new policy with at most `horizon` steps.
    """
    A = advantages(mdp, old_pi)
    total = 0.0
    for one in trajectories(mdp, horizon):
        discounts = mdp.gamma ** np.arange(len(one.states))
        # Eq. 34: J(θ) − J(θ_old) = E_{τ~θ} [Σ γᵗ Aᵒˡᵈ(sₜ, aₜ)]
        total += density(mdp, pi, one) * (discounts @ A[one.states, one.actions])
    return total
