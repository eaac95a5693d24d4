"""All checks hold, and each fails when the line that it is about is broken.

A fault is one edit to the shipped source of one function: the function is compiled
anew from the edited text and put in the original's place. Comments and line breaks
in the source don't matter.
"""

import ast
import importlib
import inspect
import io
import re
import textwrap
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import learner
import policies
import ppo
import ppo_penalty
import training
import vpg
from lab.proof import checks
from lab.proof.evidence import Evidence, check


@pytest.mark.parametrize("number", range(1, 58))
def test_check_passes(number):
    stream = io.StringIO()
    passed = checks.report(number, stream)
    printed = stream.getvalue()
    assert passed, printed
    assert printed.startswith(f"Eq. {number}  ")
    assert printed.endswith("\nok\n")
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.isascii()


def test_there_is_a_check_for_each_equation():
    assert sorted(checks.CHECKS) == list(range(1, 58))


@pytest.mark.parametrize("number", range(1, 58))
def test_the_code_it_names_exists(number):
    module, *names = checks.CHECKS[number].code.split(".")
    worlds = {"mdp": "lab.proof.mdp", "tokens": "lab.language.tokens"}
    thing = importlib.import_module(worlds.get(module, module))
    for name in names:
        thing = getattr(thing, name)
    assert callable(thing)


# Equation, function, a piece of its source as ast.unparse writes it, what it is replaced with.
FAULTS = [
    # A. From the process to its gradient
    (1, "lab.proof.mdp.density", "chance * (1 - last if finished else last)", "chance"),
    (1, "lab.proof.mdp.density", "mdp.start[states[0]] * np.prod(", "np.sum("),
    (1, "rollout.Sampler.collect", "valid[t] = ~self.ended", "valid[t] = True"),
    (1, "rollout.Sampler.collect", "log_probs[t]", "log_probs[t - 1]"),
    (
        1,
        "rollout.Sampler.collect",
        "terminated[t], truncated[t], _",
        "truncated[t], terminated[t], _",
    ),
    (1, "rollout.Sampler.collect", "raw[t + 1] = self.obs", "raw[t + 1] = raw[t]"),
    (1, "policies.CategoricalPolicy.sample", ">= edges", "< edges"),
    (1, "policies.CategoricalPolicy.sample", "(len(obs)), actions]", "(len(obs)), 1 - actions]"),
    (2, "lab.proof.mdp.returns", "np.triu", "np.tril"),
    (2, "lab.proof.mdp.returns", "steps[:, None], 0)", "steps[:, None] + 1, 0)"),
    (2, "lab.proof.mdp.values_within", "mdp.gamma * P @ V", "P @ V"),
    (3, "lab.proof.mdp.trajectory_score", ".sum(axis=0)", ".mean(axis=0)"),
    (3, "lab.proof.mdp.scores", "features - ", "features + "),
    (4, "distributions.categorical_log_prob_backward", "onehot - probs", "onehot"),
    (4, "lab.proof.mdp.trajectory_score", "trajectory.actions].sum", "trajectory.actions][1:].sum"),
    (5, "lab.proof.mdp.whole_return", "G[0]", "G[-1]"),
    (5, "lab.proof.mdp.moments", "probabilities @ points", "points.mean(axis=0)"),
    (6, "distributions.categorical_log_prob_backward", "onehot - probs", "onehot - probs**2"),
    (6, "distributions.gaussian_log_prob_backward", "scaled * scaled - 1", "scaled * scaled"),
    (6, "policies.GaussianPolicy.sample", "means + np.exp(", "means + (1 + "),
    (7, "lab.proof.mdp.reward_to_go", "mdp.gamma ** np.arange(len(G)) * G", "G"),
    (7, "lab.proof.mdp.moments", "(points - mean) ** 2", "points**2"),
    (
        8,
        "lab.proof.mdp.less_baseline",
        "baseline[trajectory.states]",
        "baseline[trajectory.actions]",
    ),
    (
        8,
        "lab.proof.mdp.less_baseline",
        "(G - baseline[trajectory.states])",
        "G - baseline[trajectory.states]",
    ),
    (9, "lab.proof.mdp.action_values", "mdp.gamma * ", ""),
    (9, "lab.proof.mdp.advantages", "values(mdp, pi)[:, None]", "values(mdp, pi)[None]"),
    (11, "lab.proof.mdp.gradient", "visitation(mdp, pi), pi", "np.ones(2), pi"),
    (
        11,
        "lab.proof.mdp._visited_gradient",
        "'s,sa,sa,sap->p', visits, pi",
        "'s,sa,sap->p', visits",
    ),
    (12, "lab.proof.mdp.values", "mdp.gamma * ", ""),
    (12, "lab.proof.mdp.visitation", "state_transitions(mdp, pi).T", "state_transitions(mdp, pi)"),
    (12, "lab.proof.mdp.softmax_gradient", "advantages(mdp, pi)", "action_values(mdp, pi)"),
    (
        13,
        "lab.proof.mdp.best_baseline",
        "(returns * squares) / (probabilities @ squares)",
        "returns",
    ),
    (13, "lab.proof.mdp.best_baseline", "step_scores ** 2", "abs(step_scores) ** 3"),
    (10, "vpg.policy_loss", "-advantages / len(advantages)", "-advantages"),
    (10, "vpg.policy_loss", "-np.mean", "np.mean"),
    (10, "lab.proof.mdp.practical_gradient", "gamma=1.0", "gamma=0.9"),
    (10, "lab.proof.mdp.batches", "points[chosen].sum(axis=1)", "points[chosen].mean(axis=1)"),
    # B. Advantages
    (14, "advantages.returns_to_go", " * ~terminated", ""),
    (14, "advantages.returns_to_go", " * ~terminated", " * ~ended"),
    (14, "advantages.returns_to_go", "np.where(ended[t]", "np.where(terminated[t]"),
    (14, "advantages.returns_to_go", "gamma * returns[t + 1]", "returns[t + 1]"),
    (15, "advantages.gae", " * ~terminated", ""),
    (15, "advantages.gae", " * ~terminated", " * ~ended"),
    (15, "advantages.gae", "next_values * ~terminated - values", "values * ~terminated - values"),
    (16, "advantages.gae", " * ~ended[t]", ""),
    (16, "advantages.gae", "~ended[t]", "~terminated[t]"),
    (16, "advantages.gae", "~ended[t]", "~ended[t + 1]"),
    (16, "advantages.gae", "gamma * gae_lambda *", "gae_lambda *"),
    (16, "advantages.gae", "(range(len(rewards) - 1))", "(range(len(rewards) - 2))"),
    (17, "advantages.gae", "gae_lambda * advantages", "gae_lambda**2 * advantages"),
    (17, "advantages.gae", "reversed(range(len(rewards) - 1))", "range(len(rewards) - 1)"),
    (18, "training.make_batch", "advantages + values[:-1]", "advantages + values[1:]"),
    (18, "training.make_batch", "advantages + values[:-1]", "normalize(advantages) + values[:-1]"),
    (18, "training.make_batch", "targets[rollout.valid]", "targets.ravel()"),
    (18, "training.make_batch", "terminated | rollout.truncated", "terminated"),
    (19, "advantages.normalize", ".std()", ".std(ddof=1)"),
    (19, "advantages.normalize", "(advantages - advantages.mean())", "advantages"),
    (19, "advantages.normalize", " + eps", " - eps"),
    (19, "advantages.normalize", "< 2", "< 1"),
    (19, "training.make_batch", "normalize(advantages)", "advantages"),
    # C. Distributions
    (20, "distributions.log_softmax", "logits - logits.max(axis=1, keepdims=True)", "logits"),
    (20, "distributions.log_softmax", "logits.max(axis=1, keepdims=True)", "logits.max()"),
    (20, "distributions.log_softmax", "np.exp(shifted).sum(axis=1", "np.exp(shifted).mean(axis=1"),
    (21, "distributions.log_softmax_backward", "np.exp(log_probs) * ", ""),
    (21, "distributions.log_softmax_backward", "dlog_probs - ", "dlog_probs + "),
    (23, "distributions.categorical_log_prob_backward", "== actions", "== actions - 1"),
    (23, "distributions.categorical_log_prob_backward", "(onehot - probs)", "(probs - onehot)"),
    (23, "distributions.categorical_log_prob", ", actions]", ", actions - 1]"),
    (23, "vpg.policy_loss", "-advantages / len(advantages)", "advantages / len(advantages)"),
    (22, "distributions.categorical_log_prob_backward", "(onehot - probs)", "(probs - onehot)"),
    (22, "distributions.categorical_log_prob_backward", "onehot - probs", "onehot - probs**2"),
    (22, "distributions.categorical_log_prob_backward", "dlog_probs[:, None]", "dlog_probs.mean()"),
    (22, "distributions.categorical_log_prob", ", actions]", ", 0]"),
    (24, "distributions.categorical_entropy_backward", "+ entropies[:, None]", "+ 1"),
    (24, "distributions.categorical_entropy_backward", "* np.exp(log_probs) ", ""),
    (24, "distributions.log_softmax_backward", "dlog_probs.sum(", "dlog_probs.mean("),
    (25, "distributions.categorical_entropy", "-(np.exp", "(np.exp"),
    (25, "distributions.categorical_entropy_backward", "entropies[:, None])", "1)"),
    (25, "distributions.categorical_entropy_backward", "-dentropies", "dentropies"),
    (
        25,
        "policies.CategoricalPolicy.forward",
        "= categorical_entropy(all_log_probs)",
        "= -categorical_log_prob(all_log_probs, actions)",
    ),
    (25, "lab.proof.mdp.visitation", "mdp.gamma * ", ""),
    (26, "distributions.gaussian_log_prob", "0.5 * math.log", "math.log"),
    (26, "distributions.gaussian_log_prob", " - log_stds", ""),
    (26, "distributions.gaussian_log_prob", "-0.5 * scaled", "-scaled"),
    (26, "policies.GaussianPolicy.sample", "np.exp(self.log_stds)", "np.exp(2 * self.log_stds)"),
    (27, "distributions.gaussian_log_prob_backward", "scaled * np.exp(-log_stds)", "scaled"),
    (27, "distributions.gaussian_log_prob_backward", "scaled * scaled - 1", "scaled * scaled"),
    (27, "distributions.gaussian_log_prob_backward", "(actions - means)", "(means - actions)"),
    (28, "distributions.gaussian_log_prob_backward", "dlog_probs @ (", "dlog_probs.mean() * sum("),
    (
        28,
        "policies.GaussianPolicy.backward",
        "network_cache), dlog_stds]",
        "network_cache), -dlog_stds]",
    ),
    (29, "distributions.gaussian_entropy", "2 * math.pi * math.e", "2 * math.pi"),
    (29, "distributions.gaussian_entropy", "0.5 * len(log_stds)", "0.5"),
    (29, "policies.GaussianPolicy.backward", "dentropies.sum()", "dentropies.mean()"),
    # D. Network and optimiser
    (30, "nn.linear_backward", "np.dot(ones, dy)", "dy.mean(axis=0)"),
    (30, "nn.linear_backward", "np.dot(x.T, dy)", "np.dot(x.T, dy) / len(dy)"),
    (30, "nn.linear_backward", "np.dot(dy, W.T)", "2 * np.dot(dy, W.T)"),
    (30, "nn.linear_forward", " + b", " - b"),
    (31, "nn.tanh_backward", "h * h", "h"),
    (31, "nn.relu_backward", "h > 0", "dh > 0"),
    (31, "nn.relu_backward", "h > 0", "h >= 0"),
    (32, "nn.MLP.backward", "if layer > 0:", "if layer > 1:"),
    (32, "nn.MLP.backward", "activate_backward(dh, cache[layer])", "dh"),
    (32, "nn.MLP.backward", "[dW.ravel(), db, *gradient]", "[*gradient, dW.ravel(), db]"),
    (32, "nn.MLP.backward", "reversed(range(len(self.layers)))", "range(len(self.layers))"),
    (32, "nn.linear_backward", "np.dot(ones, dy)", "np.dot(ones, dy) / 2"),
    (33, "nn.orthogonal", "q * np.sign(np.diag(r))", "q"),
    (33, "nn.orthogonal", "gain * ", ""),
    (33, "nn.orthogonal", "gain * ", "gain**2 * "),
    (33, "nn.MLP.__init__", "np.sqrt(2)", "1.0"),
    (33, "policies.CategoricalPolicy.__init__", "output_gain=0.01", "output_gain=1.0"),
    (34, "nn.Adam.step", "self.m / (1 - beta1 ** self.t)", "self.m"),
    (34, "nn.Adam.step", "self.v / (1 - beta2 ** self.t)", "self.v"),
    (34, "nn.Adam.step", "(np.sqrt(v_hat) + self.eps)", "np.sqrt(v_hat + self.eps)"),
    (34, "nn.Adam.step", "beta1 ** self.t", "beta1 ** (self.t - 1 or 1)"),
    (34, "nn.Adam.step", "(gradient * gradient - self.v)", "(gradient - self.v)"),
    (34, "nn.Adam.step", "parameters -= ", "parameters += "),
    (35, "nn.clip_global_norm", "np.sqrt(np.dot(gradient, gradient))", "np.abs(gradient).max()"),
    (
        35,
        "nn.clip_global_norm",
        "gradient *= max_norm / (norm + 1e-06)",
        "np.clip(gradient, -max_norm, max_norm, out=gradient)",
    ),
    (35, "nn.clip_global_norm", "if norm > max_norm - 1e-06:", "if True:"),
    (35, "nn.clip_global_norm", "max_norm / (norm + 1e-06)", "1 / (norm + 1e-6)"),
    # E. Value
    (36, "vpg.value_loss", "errors / len(errors)", "-0.5 * errors / len(errors)"),
    (36, "vpg.value_loss", "errors / len(errors)", "errors"),
    (36, "vpg.value_loss", "0.5 * (errors @ errors)", "errors @ errors"),
    (
        42,
        "ppo.clipped_value_loss",
        "old_values - clip_range, old_values + clip_range",
        "-clip_range, clip_range",
    ),
    (42, "ppo.clipped_value_loss", "np.maximum", "np.minimum"),
    (42, "ppo.clipped_value_loss", "squares >= clipped_squares", "squares > clipped_squares"),
    (42, "ppo.clipped_value_loss", "alive * (values", "(values"),
    (
        42,
        "ppo.clipped_value_loss",
        "np.clip(values, old_values - clip_range, old_values + clip_range)",
        "old_values + np.clip(values - old_values, -clip_range, clip_range)",
    ),
    (
        42,
        "ppo.update",
        "part.values, part.targets",
        "part.targets, part.values",
    ),
    (42, "ppo.update", "value_clip_range is not None", "value_clip_range is None"),
    # F. PPO
    (37, "lab.proof.mdp.performance_difference", "advantages(mdp, old_pi)", "advantages(mdp, pi)"),
    (
        37,
        "lab.proof.mdp.performance_difference",
        "density(mdp, pi, one)",
        "density(mdp, old_pi, one)",
    ),
    (
        38,
        "ppo.clipped_surrogate",
        "np.exp(log_probs - old_log_probs)",
        "np.exp(old_log_probs - log_probs)",
    ),
    (38, "ppo.clipped_surrogate", "alive * -plain", "alive * -advantages"),
    (38, "ppo_penalty.penalized_surrogate", "-plain / len(plain)", "-advantages / len(plain)"),
    (39, "ppo.clipped_surrogate", "np.minimum", "np.maximum"),
    (39, "ppo.clipped_surrogate", "1 - clip_range, 1 + clip_range", "1 - clip_range, 1"),
    (39, "ppo.clipped_surrogate", "-np.minimum(plain, clipped)", "np.minimum(plain, clipped)"),
    (39, "ppo.clipped_surrogate", "np.minimum(plain, clipped)", "clipped"),
    (40, "ppo.clipped_surrogate", "plain <= clipped", "plain < clipped"),
    (40, "ppo.clipped_surrogate", "plain <= clipped", "plain >= clipped"),
    (40, "ppo.clipped_surrogate", "plain <= clipped", "plain == clipped"),
    (41, "ppo.clipped_surrogate", "-plain / len(plain)", "-plain"),
    (41, "ppo.clipped_surrogate", "alive * -plain", "-plain"),
    (
        41,
        "ppo.update",
        "part.log_probs, part.advantages",
        "part.log_probs, part.targets",
    ),
    (
        41,
        "learner.policy_step",
        "loss_function(log_probs, batch)",
        "loss_function(log_probs, batch._replace(log_probs=log_probs))",
    ),
    (41, "learner.entropy_bonus", "-config.entropy_coefficient", "config.entropy_coefficient"),
    (
        43,
        "distributions.categorical_kl",
        "np.exp(old_log_probs) * (old_log_probs - log_probs)",
        "np.exp(log_probs) * (log_probs - old_log_probs)",
    ),
    (
        43,
        "distributions.categorical_kl_backward",
        "np.exp(log_probs) - np.exp(old_log_probs)",
        "np.exp(old_log_probs) - np.exp(log_probs)",
    ),
    (
        43,
        "policies.CategoricalPolicy.kl",
        "(old_distribution, all_log_probs)",
        "(all_log_probs, old_distribution)",
    ),
    (43, "distributions.categorical_log_prob_backward", "(onehot - probs)", "(probs - onehot)"),
    (43, "lab.proof.mdp.softmax_gradient", " * pi * ", " * "),
    (44, "ppo_penalty.penalized_step", "policy.kl_backward(dkls, old_distribution, cache)", "0"),
    (44, "ppo_penalty.update", "old_distribution[rows]", "old_distribution"),
    (44, "ppo_penalty.update", "old_distribution[rows]", "policy.distribution(minibatch.obs)"),
    (44, "ppo_penalty.penalized_surrogate", "plain - kl_coefficient", "plain + kl_coefficient"),
    (44, "ppo_penalty.penalized_surrogate", "kl_coefficient / len(kls)", "kl_coefficient"),
    (44, "ppo_penalty.penalized_surrogate", "-plain / len(plain)", "plain / len(plain)"),
    (45, "distributions.gaussian_kl", "np.exp(-log_stds)", "np.exp(-2 * log_stds)"),
    (45, "distributions.gaussian_kl", "log_stds - old_log_stds", "old_log_stds - log_stds"),
    (45, "distributions.gaussian_kl_backward", "(means - old_means) *", "(old_means - means) *"),
    (45, "distributions.gaussian_kl_backward", "1 - squares", "-squares"),
    (46, "ppo_penalty.adapt_kl_coefficient", "kl_coefficient / 2", "kl_coefficient * 2"),
    (46, "ppo_penalty.adapt_kl_coefficient", "kl_target / 1.5", "kl_target"),
    (46, "ppo_penalty.adapt_kl_coefficient", "kl > kl_target * 1.5", "kl < kl_target * 1.5"),
    (46, "ppo_penalty.update", "= adapt_kl_coefficient(beta, kl, config.kl_target)", "= beta"),
    (47, "learner.entropy_bonus", "-config.entropy_coefficient", "config.entropy_coefficient"),
    (
        47,
        "learner.entropy_bonus",
        "-config.entropy_coefficient / len(entropies)",
        "-config.entropy_coefficient",
    ),
    (
        47,
        "learner.value_step",
        "value.backward(dvalues[:, None], cache)",
        "-value.backward(dvalues[:, None], cache)",
    ),
    (47, "nn.linear_backward", "np.dot(dy, W.T)", "np.dot(dy, W.T) / 2"),
    (48, "distributions.kl_estimates", "-log_ratios, ", "log_ratios, "),
    (
        48,
        "distributions.kl_estimates",
        "np.expm1(log_ratios) - log_ratios",
        "np.expm1(log_ratios) + log_ratios",
    ),
    (48, "distributions.kl_estimates", "np.expm1(log_ratios)", "np.exp(log_ratios) - 1"),
    (48, "ppo.clip_statistics", "np.mean(dead)", "np.mean(above | below)"),
    (48, "ppo.clip_statistics", "below & (advantages < 0)", "below & (advantages > 0)"),
    # H. The same gradient in a language model
    (49, "lab.language.tokens.log_probs", ".sum(axis=1)", ".mean(axis=1)"),
    (49, "lab.language.tokens.token_log_probs", "AFTER, WRITTEN", "AFTER, WRITTEN[::-1]"),
    (49, "lab.language.tokens.token_scores", "probs[AFTER[y, t]]", "probs[0 * AFTER[y, t]]"),
    (49, "lab.language.tokens.gradient", "np.exp(log_probs(logits)) * values", "values"),
    (50, "advantages.group_advantages", "centred * size / (size - 1)", "centred"),
    (50, "advantages.group_advantages", "/ (size - 1)", "/ (size + 1)"),
    (50, "advantages.group_advantages", "rewards.mean(axis=1, keepdims=True)", "rewards.mean()"),
    (50, "lab.language.tokens.group_gradient", "credit(groups) / size", "credit(groups)"),
    (51, "advantages.group_advantages", "rewards.std(axis=1, keepdims=True)", "rewards.std()"),
    (51, "advantages.group_advantages", "keepdims=True) + eps", "keepdims=True, ddof=1) + eps"),
    (51, "advantages.group_advantages", "rewards.std(", "rewards.var("),
    (51, "lab.language.tokens.deviation_weight", "np.sqrt(right * (size - right))", "right"),
    (51, "lab.language.tokens.deviation_weight", "(p * (1 - p))[", "p["),
    (52, "lab.language.tokens.per_length", "/ LENGTHS", "/ LENGTHS.mean()"),
    (52, "lab.language.tokens.per_length", "rewards - mean(rewards, logits)", "rewards"),
    (53, "lab.language.tokens.ratios", "np.exp(whole / LENGTHS)", "np.exp(whole)"),
    (53, "lab.language.tokens.ratios", "token_log_probs(logits) - ", ""),
    (53, "lab.language.tokens.ratio_gradients", "root / LENGTHS", "root"),
    (53, "lab.language.tokens.ratio_gradients", "log_probs(old_logits)", "log_probs(logits)"),
    (53, "lab.language.tokens.ratio_gradients", "weights, of_tokens, ", "weights, of_tokens**0, "),
    (
        53,
        "lab.language.tokens.loss_weights",
        "clipped(root, low) * scaled / own",
        "clipped(root, low)",
    ),
    (53, "lab.language.tokens.loss_weights", "np.clip(ratios, 1 - low, 1 + high)", "ratios"),
    (53, "lab.language.tokens.loss_weights", "clipped(ratios, high)", "clipped(ratios, low)"),
    (53, "lab.language.tokens.loss_weights", "ratio > 1 + high", "ratio > 1 + low"),
    (53, "lab.language.tokens.loss_weights", "* (1 - 1 / len(rewards))", ""),
    (
        53,
        "lab.language.tokens.loss_weights",
        "np.minimum(np.exp(generated), most)",
        "np.exp(generated)",
    ),
    (54, "lab.language.tokens.penalised", "rewards - beta", "rewards + beta"),
    (54, "lab.language.tokens.penalised", "beta * ", ""),
    (54, "lab.language.tokens.kl", "np.exp(log_probs(logits))", "np.exp(log_probs(other_logits))"),
    (55, "lab.language.tokens.kl_slopes", "-log_ratios", "log_ratios"),
    (55, "lab.language.tokens.kl_slopes", "-np.expm1(", "-np.exp("),
    (55, "lab.language.tokens.kl_slopes", "np.ones_like(log_ratios)", "-np.ones_like(log_ratios)"),
    (55, "lab.language.tokens.kl_loss_gradients", "chances * k", "k"),
    (
        55,
        "lab.language.tokens.kl_loss_gradients",
        "chances, k, token_scores",
        "0 * chances, k, token_scores",
    ),
    (56, "lab.language.tokens.tilted", "rewards / beta", "rewards * beta"),
    (56, "lab.language.tokens.tilted", "np.log(weights.sum())", "weights.sum()"),
    (56, "lab.language.tokens.logits_of", "np.log(through)", "through"),
    (57, "lab.language.tokens.dpo_loss", "np.exp(margins)", "np.exp(-margins)"),
    (57, "lab.language.tokens.dpo_loss", "[-slopes, slopes]", "[slopes, -slopes]"),
    (57, "lab.language.tokens.dpo_loss", "beta / (1 + ", "1 / (1 + "),
    (57, "lab.language.tokens.dpo_loss", "log_probs - reference_log_probs", "log_probs"),
]


def bare_source(function):
    """A function's source without comments and docstring, each statement on one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    body = tree.body[0].body
    if ast.get_docstring(tree.body[0]) is not None:
        del body[0]
    return ast.unparse(tree)


def inject(monkeypatch, path, old, new):
    """Put a copy of a shipped function with one edit in its place."""
    names = path.split(".")
    modules = 2 if names[0] == "lab" else 1
    owner = importlib.import_module(".".join(names[:modules]))
    for name in names[modules:-1]:
        owner = getattr(owner, name)
    function = getattr(owner, names[-1])
    source = bare_source(function)
    assert source.count(old) == 1, f"{path} has {source.count(old)} times {old!r}:\n{source}"
    made = {}
    exec(source.replace(old, new), function.__globals__, made)
    monkeypatch.setattr(owner, names[-1], made[names[-1]])
    for module in (learner, policies, ppo, ppo_penalty, training, vpg):  # who imported it by name
        if getattr(module, names[-1], None) is function:
            monkeypatch.setattr(module, names[-1], made[names[-1]])


@pytest.mark.parametrize(
    "number, path, old, new", FAULTS, ids=[f"{n}: {p}: {new}" for n, p, _, new in FAULTS]
)
@pytest.mark.filterwarnings("ignore")
def test_a_fault_is_found(monkeypatch, number, path, old, new):
    inject(monkeypatch, path, old, new)
    stream = io.StringIO()
    assert not checks.report([number], stream)
    printed = stream.getvalue()
    assert printed.startswith(f"Eq. {number}  ")
    assert printed.endswith("\nFAIL\n")
    # A fault may well make shapes clash; any other exception would be the edit's own.
    assert "raised" not in printed or "raised ValueError: shapes" in printed


def test_faults_reach_every_equation():
    assert {number for number, *_ in FAULTS} == set(range(1, 58))


def test_the_table(monkeypatch):
    inject(monkeypatch, "ppo.clipped_surrogate", "plain <= clipped", "plain < clipped")
    stream = io.StringIO()
    assert not checks.report([20, 40, 46], stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if line[1].isdigit()]
    verdicts = {line.split()[0]: line.split()[-1] for line in rows}
    assert verdicts == {"20": "ok", "40": "FAIL", "46": "ok"}
    assert lines[-1] == "1 of 3 equations FAIL: 40"


def test_the_whole_table(capsys):
    assert checks.report()
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    numbers = [int(line[:2]) for line in lines if line[1].isdigit()]
    assert numbers == sorted(checks.CHECKS)
    chapters = [line[0] for line in lines if re.match("[A-H] -{70}", line)]
    assert sorted(set(chapters)) == list("ABCDEFH")
    # what z and * mean, and the bounds that are not 1e-12
    own = next(line for line in lines if line.startswith("*: "))
    starred = [line[:2].strip() for line in lines if line.endswith(" ok*")]
    assert re.findall(r"Eq\. (\d+)", own) == starred and starred
    assert any(line.startswith("z: standard errors") for line in lines)
    assert max(map(len, lines)) <= 80
    assert lines[-1] == f"all {len(checks.CHECKS)} equations hold"
    assert printed.err == ""  # no progress bar on a pipe


def test_a_progress_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    assert checks.report([20, 46], io.StringIO())
    assert "checking" in checks.sys.stderr.getvalue()


def test_a_check_that_raises_fails(monkeypatch):
    monkeypatch.setattr("ppo_penalty.adapt_kl_coefficient", lambda: None)
    result = checks.run_check(46)
    assert not result.passed
    assert result.error == np.inf
    assert result.comparisons[-1].label.startswith("raised TypeError: ")
    assert "FAIL" in checks.details(result)


def test_code_and_oracle_stand_side_by_side(monkeypatch):
    printed = checks.details(checks.run_check(40))
    assert "0.0e+00" not in printed and "0e+00" not in printed
    rows = re.findall(
        r"^ +(\d\.\d) +([+-]\d\.\d)  (.+?)  +(\S+) +(\S+) +(\S+) +(\S+)$", printed, re.M
    )
    assert len(rows) == 8
    for ratio, A, field, *slopes in rows:
        ratio, A = float(ratio), float(A)
        silent = (ratio > 1.2 and A > 0) or (ratio < 0.8 and A < 0)
        assert ("silent" in field) == silent and ("good" in field) == (A > 0)
        assert {float(slope) for slope in slopes} == {0.0 if silent else A}
    inject(monkeypatch, "ppo.clipped_surrogate", "plain <= clipped", "plain >= clipped")
    broken = checks.details(checks.run_check(40))
    wrong = next(line for line in broken.splitlines() if line.startswith("slopes: by hand"))
    assert wrong.endswith("1e-12 FAIL") and wrong.split()[3] != wrong.split()[4]


def test_the_largest_entry_is_shown_or_the_one_that_is_wrong():
    evidence = Evidence()
    for wrong, shown in ((0.0, ("-7.5", "-7.5")), (0.3, ("0.3", "0"))):
        evidence.close("a", [[1.0, 2.0], [-7.5, wrong]], [[1.0, 2.0], [-7.5, 0.0]])
        assert evidence.comparisons[-1] == ("a", *shown, wrong / 7.5, 1e-12)
    evidence.normal("m", [0.0, 0.3], 0.1, 0.1)
    assert evidence.comparisons[-1][1:3] == ("0.3", "0.1")


@pytest.mark.parametrize("number", [0, 99, -1])
def test_unknown_numbers(number):
    line = f"no equation {number}; there are 1 to {max(checks.CHECKS)}"
    with pytest.raises(ValueError, match=f"^{line}$"):
        checks.run_check(number)
    with pytest.raises(ValueError, match=f"^{line}$"):
        checks.report([1, number], io.StringIO())


def test_an_equation_has_one_check():
    with pytest.raises(ValueError, match=r"Eq\. 39 has two checks"):
        checks.by_number([checks.f_ppo, SimpleNamespace(second=check(39, "", "", "")(None))])


def verdict(record):
    evidence = Evidence()
    record(evidence)
    return all(one.error <= one.bound for one in evidence.comparisons)


@pytest.mark.parametrize(
    "actual, expected, good",
    [
        ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0, 2.0], [1.0, 2.0 + 1e-11], False),
        ([1e6, 2.0], [1e6, 2.0 + 1e-8], True),  # relative to the largest entry
        ([0.0, 1e-13], [0.0, 0.0], True),
        ([0.0, 1e-11], [0.0, 0.0], False),
        ([np.nan, 1.0], [1.0, 1.0], False),
        ([1.0, 1.0], [np.nan, 1.0], False),
        ([np.inf, 1.0], [1.0, 1.0], False),
        ([[1.0, 1.0]], [1.0, 1.0], False),  # (1,2) is not (2,)
        (1.0, [1.0, 1.0], False),
    ],
)
def test_close(actual, expected, good):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert verdict(lambda evidence: evidence.close("", actual, expected)) == good


def test_normal():
    assert verdict(lambda evidence: evidence.normal("", [0.39, -0.39], 0, 0.1))
    assert not verdict(lambda evidence: evidence.normal("", [0.0, -0.41], 0, 0.1))
    assert not verdict(lambda evidence: evidence.normal("", [np.nan], 0, 0.1))
