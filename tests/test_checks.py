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

import policies
import ppo
import ppo_penalty
import training
import vpg
from lab.proof import checks
from lab.proof.evidence import Evidence, check
from lab.proof.numbering import key_of, number_of, numbers


@pytest.mark.parametrize("key", checks.CHECKS)
def test_check_passes(key):
    stream = io.StringIO()
    passed = checks.report(key, stream)
    printed = stream.getvalue()
    assert passed, printed
    first = printed.splitlines()[0]
    assert first.startswith(f"Eq. {number_of(key)}  ") and first.endswith(f" {key}")
    assert printed.endswith("\nok\n")
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.isascii()


def test_there_is_a_check_for_each_equation():
    assert list(checks.CHECKS) == list(numbers())


@pytest.mark.parametrize("key", checks.CHECKS)
def test_the_code_it_names_exists(key):
    module, *names = checks.CHECKS[key].code.split(".")
    worlds = {"mdp": "lab.proof.mdp", "tokens": "lab.proof.tokens"}
    thing = importlib.import_module(worlds.get(module, module))
    for name in names:
        thing = getattr(thing, name)
    assert callable(thing)


# Equation, function, a piece of its source as ast.unparse writes it, what it is replaced with.
FAULTS = [
    # A. From the process to its gradient
    ("density", "lab.proof.mdp.density", "chance * (1 - last if finished else last)", "chance"),
    ("density", "lab.proof.mdp.density", "mdp.start[states[0]] * np.prod(", "np.sum("),
    ("density", "rollout.Sampler.collect", "valid[t] = ~self.ended", "valid[t] = True"),
    ("density", "rollout.Sampler.collect", "log_probs[t]", "log_probs[t - 1]"),
    (
        "density",
        "rollout.Sampler.collect",
        "terminated[t], truncated[t], _",
        "truncated[t], terminated[t], _",
    ),
    ("density", "rollout.Sampler.collect", "raw[t + 1] = self.obs", "raw[t + 1] = raw[t]"),
    ("density", "policies.CategoricalPolicy.sample", ">= edges", "< edges"),
    (
        "density",
        "policies.CategoricalPolicy.sample",
        "(len(obs)), actions]",
        "(len(obs)), 1 - actions]",
    ),
    ("objective", "lab.proof.mdp.returns", "np.triu", "np.tril"),
    ("objective", "lab.proof.mdp.returns", "steps[:, None], 0)", "steps[:, None] + 1, 0)"),
    ("objective", "lab.proof.mdp.values_within", "mdp.gamma * P @ V", "P @ V"),
    ("log-derivative", "lab.proof.mdp.trajectory_score", ".sum(axis=0)", ".mean(axis=0)"),
    ("log-derivative", "lab.proof.mdp.scores", "features - ", "features + "),
    ("dynamics", "distributions.categorical_log_prob_backward", "onehot - probs", "onehot"),
    (
        "dynamics",
        "lab.proof.mdp.trajectory_score",
        "trajectory.actions].sum",
        "trajectory.actions][1:].sum",
    ),
    ("policy-gradient", "lab.proof.mdp.whole_return", "G[0]", "G[-1]"),
    ("policy-gradient", "lab.proof.mdp.moments", "probabilities @ points", "points.mean(axis=0)"),
    (
        "mean-score",
        "distributions.categorical_log_prob_backward",
        "onehot - probs",
        "onehot - probs**2",
    ),
    (
        "mean-score",
        "distributions.gaussian_log_prob_backward",
        "scaled * scaled - 1",
        "scaled * scaled",
    ),
    ("mean-score", "policies.GaussianPolicy.sample", "means + np.exp(", "means + (1 + "),
    ("reward-to-go", "lab.proof.mdp.reward_to_go", "mdp.gamma ** np.arange(len(G)) * G", "G"),
    ("reward-to-go", "lab.proof.mdp.moments", "(points - mean) ** 2", "points**2"),
    (
        "baseline",
        "lab.proof.mdp.less_baseline",
        "baseline[trajectory.states]",
        "baseline[trajectory.actions]",
    ),
    (
        "baseline",
        "lab.proof.mdp.less_baseline",
        "(G - baseline[trajectory.states])",
        "G - baseline[trajectory.states]",
    ),
    ("action-values", "lab.proof.mdp.action_values", "mdp.gamma * ", ""),
    (
        "action-values",
        "lab.proof.mdp.advantages",
        "values(mdp, pi)[:, None]",
        "values(mdp, pi)[None]",
    ),
    ("visitation", "lab.proof.mdp.gradient", "visitation(mdp, pi), pi", "np.ones(2), pi"),
    (
        "visitation",
        "lab.proof.mdp._visited_gradient",
        "'s,sa,sa,sap->p', visits, pi",
        "'s,sa,sap->p', visits",
    ),
    ("tabular-gradient", "lab.proof.mdp.values", "mdp.gamma * ", ""),
    (
        "tabular-gradient",
        "lab.proof.mdp.visitation",
        "state_transitions(mdp, pi).T",
        "state_transitions(mdp, pi)",
    ),
    (
        "tabular-gradient",
        "lab.proof.mdp.softmax_gradient",
        "advantages(mdp, pi)",
        "action_values(mdp, pi)",
    ),
    (
        "best-baseline",
        "lab.proof.mdp.best_baseline",
        "(returns * squares) / (probabilities @ squares)",
        "returns",
    ),
    ("best-baseline", "lab.proof.mdp.best_baseline", "step_scores ** 2", "abs(step_scores) ** 3"),
    ("vpg", "vpg.policy_loss", "-advantages / len(advantages)", "-advantages"),
    ("vpg", "vpg.policy_loss", "-np.mean", "np.mean"),
    ("vpg", "lab.proof.mdp.practical_gradient", "gamma=1.0", "gamma=0.9"),
    ("vpg", "lab.proof.mdp.batches", "points[chosen].sum(axis=1)", "points[chosen].mean(axis=1)"),
    # B. Advantages
    ("returns", "advantages.returns_to_go", " * ~terminated", ""),
    ("returns", "advantages.returns_to_go", " * ~terminated", " * ~ended"),
    ("returns", "advantages.returns_to_go", "np.where(ended[t]", "np.where(terminated[t]"),
    ("returns", "advantages.returns_to_go", "gamma * returns[t + 1]", "returns[t + 1]"),
    ("td-error", "advantages.gae", " * ~terminated", ""),
    ("td-error", "advantages.gae", " * ~terminated", " * ~ended"),
    (
        "td-error",
        "advantages.gae",
        "next_values * ~terminated - values",
        "values * ~terminated - values",
    ),
    ("gae", "advantages.gae", " * ~ended[t]", ""),
    ("gae", "advantages.gae", "~ended[t]", "~terminated[t]"),
    ("gae", "advantages.gae", "~ended[t]", "~ended[t + 1]"),
    ("gae", "advantages.gae", "gamma * gae_lambda *", "gae_lambda *"),
    ("gae", "advantages.gae", "(range(len(rewards) - 1))", "(range(len(rewards) - 2))"),
    ("n-step", "advantages.gae", "gae_lambda * advantages", "gae_lambda**2 * advantages"),
    ("n-step", "advantages.gae", "reversed(range(len(rewards) - 1))", "range(len(rewards) - 1)"),
    ("value-target", "training.make_batch", "advantages + values[:-1]", "advantages + values[1:]"),
    (
        "value-target",
        "training.make_batch",
        "advantages + values[:-1]",
        "normalize(advantages) + values[:-1]",
    ),
    ("value-target", "training.make_batch", "targets[rollout.valid]", "targets.ravel()"),
    ("value-target", "training.make_batch", "terminated | rollout.truncated", "terminated"),
    ("normalize", "advantages.normalize", ".std()", ".std(ddof=1)"),
    ("normalize", "advantages.normalize", "(advantages - advantages.mean())", "advantages"),
    ("normalize", "advantages.normalize", " + eps", " - eps"),
    ("normalize", "advantages.normalize", "< 2", "< 1"),
    ("normalize", "training.make_batch", "normalize(advantages)", "advantages"),
    # C. Distributions
    (
        "log-softmax",
        "distributions.log_softmax",
        "logits - logits.max(axis=1, keepdims=True)",
        "logits",
    ),
    (
        "log-softmax",
        "distributions.log_softmax",
        "logits.max(axis=1, keepdims=True)",
        "logits.max()",
    ),
    (
        "log-softmax",
        "distributions.log_softmax",
        "np.exp(shifted).sum(axis=1",
        "np.exp(shifted).mean(axis=1",
    ),
    ("softmax-jacobian", "distributions.log_softmax_backward", "np.exp(log_probs) * ", ""),
    ("softmax-jacobian", "distributions.log_softmax_backward", "dlog_probs - ", "dlog_probs + "),
    ("vpg-logits", "distributions.categorical_log_prob_backward", "== actions", "== actions - 1"),
    (
        "vpg-logits",
        "distributions.categorical_log_prob_backward",
        "(onehot - probs)",
        "(probs - onehot)",
    ),
    ("vpg-logits", "distributions.categorical_log_prob", ", actions]", ", actions - 1]"),
    (
        "vpg-logits",
        "vpg.policy_loss",
        "-advantages / len(advantages)",
        "advantages / len(advantages)",
    ),
    (
        "score",
        "distributions.categorical_log_prob_backward",
        "(onehot - probs)",
        "(probs - onehot)",
    ),
    ("score", "distributions.categorical_log_prob_backward", "onehot - probs", "onehot - probs**2"),
    (
        "score",
        "distributions.categorical_log_prob_backward",
        "dlog_probs[:, None]",
        "dlog_probs.mean()",
    ),
    ("score", "distributions.categorical_log_prob", ", actions]", ", 0]"),
    (
        "softmax-backward",
        "distributions.categorical_entropy_backward",
        "+ entropies[:, None]",
        "+ 1",
    ),
    ("softmax-backward", "distributions.categorical_entropy_backward", "* np.exp(log_probs) ", ""),
    (
        "softmax-backward",
        "distributions.log_softmax_backward",
        "dlog_probs.sum(",
        "dlog_probs.mean(",
    ),
    ("entropy", "distributions.categorical_entropy", "-(np.exp", "(np.exp"),
    ("entropy", "distributions.categorical_entropy_backward", "entropies[:, None])", "1)"),
    ("entropy", "distributions.categorical_entropy_backward", "-dentropies", "dentropies"),
    (
        "entropy",
        "policies.CategoricalPolicy.forward",
        "= categorical_entropy(all_log_probs)",
        "= -categorical_log_prob(all_log_probs, actions)",
    ),
    ("entropy", "lab.proof.mdp.visitation", "mdp.gamma * ", ""),
    ("gaussian", "distributions.gaussian_log_prob", "0.5 * math.log", "math.log"),
    ("gaussian", "distributions.gaussian_log_prob", " - log_stds", ""),
    ("gaussian", "distributions.gaussian_log_prob", "-0.5 * scaled", "-scaled"),
    (
        "gaussian",
        "policies.GaussianPolicy.sample",
        "np.exp(self.log_stds)",
        "np.exp(2 * self.log_stds)",
    ),
    (
        "gaussian-score",
        "distributions.gaussian_log_prob_backward",
        "scaled * np.exp(-log_stds)",
        "scaled",
    ),
    (
        "gaussian-score",
        "distributions.gaussian_log_prob_backward",
        "scaled * scaled - 1",
        "scaled * scaled",
    ),
    (
        "gaussian-score",
        "distributions.gaussian_log_prob_backward",
        "(actions - means)",
        "(means - actions)",
    ),
    (
        "gaussian-gradient",
        "distributions.gaussian_log_prob_backward",
        "dlog_probs @ (",
        "dlog_probs.mean() * sum(",
    ),
    (
        "gaussian-gradient",
        "policies.GaussianPolicy.backward",
        "network_cache), dlog_stds]",
        "network_cache), -dlog_stds]",
    ),
    ("gaussian-entropy", "distributions.gaussian_entropy", "2 * math.pi * math.e", "2 * math.pi"),
    ("gaussian-entropy", "distributions.gaussian_entropy", "0.5 * len(log_stds)", "0.5"),
    (
        "gaussian-entropy",
        "policies.GaussianPolicy.backward",
        "dentropies.sum()",
        "dentropies.mean()",
    ),
    # D. Network and optimiser
    ("linear", "nn.linear_backward", "np.dot(ones, dy)", "dy.mean(axis=0)"),
    ("linear", "nn.linear_backward", "np.dot(x.T, dy)", "np.dot(x.T, dy) / len(dy)"),
    ("linear", "nn.linear_backward", "np.dot(dy, W.T)", "2 * np.dot(dy, W.T)"),
    ("linear", "nn.linear_forward", " + b", " - b"),
    ("activation", "nn.tanh_backward", "h * h", "h"),
    ("activation", "nn.relu_backward", "h > 0", "dh > 0"),
    ("activation", "nn.relu_backward", "h > 0", "h >= 0"),
    ("backprop", "nn.MLP.backward", "if layer > 0:", "if layer > 1:"),
    ("backprop", "nn.MLP.backward", "activate_backward(dh, cache[layer])", "dh"),
    ("backprop", "nn.MLP.backward", "gradient[:0] = ", "gradient += "),
    ("backprop", "nn.MLP.backward", "reversed(range(len(self.layers)))", "range(len(self.layers))"),
    ("backprop", "nn.linear_backward", "np.dot(ones, dy)", "np.dot(ones, dy) / 2"),
    ("orthogonal", "nn.orthogonal", "q * np.sign(np.diag(r))", "q"),
    ("orthogonal", "nn.orthogonal", "gain * ", ""),
    ("orthogonal", "nn.orthogonal", "gain * ", "gain**2 * "),
    ("orthogonal", "nn.MLP.__init__", "np.sqrt(2)", "1.0"),
    ("orthogonal", "policies.CategoricalPolicy.__init__", "output_gain=0.01", "output_gain=1.0"),
    ("adam", "nn.Adam.step", "self.m / (1 - beta1 ** self.t)", "self.m"),
    ("adam", "nn.Adam.step", "self.v / (1 - beta2 ** self.t)", "self.v"),
    ("adam", "nn.Adam.step", "(np.sqrt(v_hat) + self.eps)", "np.sqrt(v_hat + self.eps)"),
    ("adam", "nn.Adam.step", "beta1 ** self.t", "beta1 ** (self.t - 1 or 1)"),
    ("adam", "nn.Adam.step", "(gradient * gradient - self.v)", "(gradient - self.v)"),
    ("adam", "nn.Adam.step", "parameters -= ", "parameters += "),
    (
        "norm-clip",
        "nn.clip_global_norm",
        "np.sqrt(np.dot(gradient, gradient))",
        "np.abs(gradient).max()",
    ),
    (
        "norm-clip",
        "nn.clip_global_norm",
        "gradient *= max_norm / (norm + 1e-06)",
        "np.clip(gradient, -max_norm, max_norm, out=gradient)",
    ),
    ("norm-clip", "nn.clip_global_norm", "if norm > max_norm - 1e-06:", "if True:"),
    ("norm-clip", "nn.clip_global_norm", "max_norm / (norm + 1e-06)", "1 / (norm + 1e-6)"),
    # E. Value
    ("value-loss", "vpg.value_loss", "errors / len(errors)", "-0.5 * errors / len(errors)"),
    ("value-loss", "vpg.value_loss", "errors / len(errors)", "errors"),
    ("value-loss", "vpg.value_loss", "0.5 * (errors @ errors)", "errors @ errors"),
    (
        "clipped-value",
        "ppo.clipped_value_loss",
        "old_values - clip_range, old_values + clip_range",
        "-clip_range, clip_range",
    ),
    ("clipped-value", "ppo.clipped_value_loss", "np.maximum", "np.minimum"),
    (
        "clipped-value",
        "ppo.clipped_value_loss",
        "squares >= clipped_squares",
        "squares > clipped_squares",
    ),
    ("clipped-value", "ppo.clipped_value_loss", "alive * (values", "(values"),
    (
        "clipped-value",
        "ppo.clipped_value_loss",
        "np.clip(values, old_values - clip_range, old_values + clip_range)",
        "old_values + np.clip(values - old_values, -clip_range, clip_range)",
    ),
    (
        "clipped-value",
        "ppo.update",
        "minibatch.values, minibatch.targets",
        "minibatch.targets, minibatch.values",
    ),
    ("clipped-value", "ppo.update", "value_range is None", "value_range is not None"),
    # F. PPO
    (
        "performance",
        "lab.proof.mdp.performance_difference",
        "advantages(mdp, old_pi)",
        "advantages(mdp, pi)",
    ),
    (
        "performance",
        "lab.proof.mdp.performance_difference",
        "density(mdp, pi, one)",
        "density(mdp, old_pi, one)",
    ),
    (
        "ratio",
        "ppo.clipped_surrogate",
        "np.exp(log_probs - old_log_probs)",
        "np.exp(old_log_probs - log_probs)",
    ),
    ("ratio", "ppo.clipped_surrogate", "alive * -plain", "alive * -advantages"),
    ("ratio", "ppo_penalty.penalized_surrogate", "-plain / len(plain)", "-advantages / len(plain)"),
    ("clipped-objective", "ppo.clipped_surrogate", "np.minimum", "np.maximum"),
    (
        "clipped-objective",
        "ppo.clipped_surrogate",
        "1 - clip_range, 1 + clip_range",
        "1 - clip_range, 1",
    ),
    (
        "clipped-objective",
        "ppo.clipped_surrogate",
        "-np.minimum(plain, clipped)",
        "np.minimum(plain, clipped)",
    ),
    ("clipped-objective", "ppo.clipped_surrogate", "np.minimum(plain, clipped)", "clipped"),
    ("clip", "ppo.clipped_surrogate", "plain <= clipped", "plain < clipped"),
    ("clip", "ppo.clipped_surrogate", "plain <= clipped", "plain >= clipped"),
    ("clip", "ppo.clipped_surrogate", "plain <= clipped", "plain == clipped"),
    ("ppo", "ppo.clipped_surrogate", "-plain / len(plain)", "-plain"),
    ("ppo", "ppo.clipped_surrogate", "alive * -plain", "-plain"),
    (
        "ppo",
        "ppo.update",
        "minibatch.log_probs, minibatch.advantages",
        "minibatch.log_probs, minibatch.targets",
    ),
    (
        "ppo",
        "training.policy_step",
        "loss_function(log_probs, *arguments)",
        "loss_function(log_probs, log_probs, *arguments[1:])",
    ),
    ("ppo", "training.entropy_bonus", "-config.entropy_coefficient", "config.entropy_coefficient"),
    (
        "kl",
        "distributions.categorical_kl",
        "np.exp(old_log_probs) * (old_log_probs - log_probs)",
        "np.exp(log_probs) * (log_probs - old_log_probs)",
    ),
    (
        "kl",
        "distributions.categorical_kl_backward",
        "np.exp(log_probs) - np.exp(old_log_probs)",
        "np.exp(old_log_probs) - np.exp(log_probs)",
    ),
    (
        "kl",
        "policies.CategoricalPolicy.kl",
        "(old_distribution, all_log_probs)",
        "(all_log_probs, old_distribution)",
    ),
    ("kl", "distributions.categorical_log_prob_backward", "(onehot - probs)", "(probs - onehot)"),
    ("kl", "lab.proof.mdp.softmax_gradient", " * pi * ", " * "),
    (
        "kl-penalty",
        "ppo_penalty.penalized_step",
        "policy.kl_backward(dkls, old_distribution, cache)",
        "0",
    ),
    ("kl-penalty", "ppo_penalty.update", "old_distribution[rows]", "old_distribution"),
    (
        "kl-penalty",
        "ppo_penalty.update",
        "old_distribution[rows]",
        "policy.distribution(minibatch.obs)",
    ),
    (
        "kl-penalty",
        "ppo_penalty.penalized_surrogate",
        "plain - kl_coefficient",
        "plain + kl_coefficient",
    ),
    (
        "kl-penalty",
        "ppo_penalty.penalized_surrogate",
        "kl_coefficient / len(kls)",
        "kl_coefficient",
    ),
    ("kl-penalty", "ppo_penalty.penalized_surrogate", "-plain / len(plain)", "plain / len(plain)"),
    ("gaussian-kl", "distributions.gaussian_kl", "np.exp(-log_stds)", "np.exp(-2 * log_stds)"),
    (
        "gaussian-kl",
        "distributions.gaussian_kl",
        "log_stds - old_log_stds",
        "old_log_stds - log_stds",
    ),
    (
        "gaussian-kl",
        "distributions.gaussian_kl_backward",
        "(means - old_means) *",
        "(old_means - means) *",
    ),
    ("gaussian-kl", "distributions.gaussian_kl_backward", "1 - squares", "-squares"),
    ("adaptive-kl", "ppo_penalty.adapt_kl_coefficient", "kl_coefficient / 2", "kl_coefficient * 2"),
    ("adaptive-kl", "ppo_penalty.adapt_kl_coefficient", "kl_target / 1.5", "kl_target"),
    (
        "adaptive-kl",
        "ppo_penalty.adapt_kl_coefficient",
        "kl > kl_target * 1.5",
        "kl < kl_target * 1.5",
    ),
    (
        "adaptive-kl",
        "ppo_penalty.update",
        "= adapt_kl_coefficient(beta, kl, config.kl_target)",
        "= beta",
    ),
    (
        "joint-loss",
        "training.entropy_bonus",
        "-config.entropy_coefficient",
        "config.entropy_coefficient",
    ),
    (
        "joint-loss",
        "training.entropy_bonus",
        "-config.entropy_coefficient / len(entropies)",
        "-config.entropy_coefficient",
    ),
    (
        "joint-loss",
        "training.value_step",
        "value.backward(dvalues[:, None], cache)",
        "-value.backward(dvalues[:, None], cache)",
    ),
    ("joint-loss", "nn.linear_backward", "np.dot(dy, W.T)", "np.dot(dy, W.T) / 2"),
    ("diagnostics", "distributions.kl_estimates", "-log_ratios, ", "log_ratios, "),
    (
        "diagnostics",
        "distributions.kl_estimates",
        "np.expm1(log_ratios) - log_ratios",
        "np.expm1(log_ratios) + log_ratios",
    ),
    ("diagnostics", "distributions.kl_estimates", "np.expm1(log_ratios)", "np.exp(log_ratios) - 1"),
    ("diagnostics", "training.clip_statistics", "np.mean(dead)", "np.mean(above | below)"),
    (
        "diagnostics",
        "training.clip_statistics",
        "below & (advantages < 0)",
        "below & (advantages > 0)",
    ),
    # H. The same gradient in a language model
    ("response-score", "lab.proof.tokens.log_probs", ".sum(axis=1)", ".mean(axis=1)"),
    (
        "response-score",
        "lab.proof.tokens.token_log_probs",
        "AFTER, WRITTEN",
        "AFTER, WRITTEN[::-1]",
    ),
    (
        "response-score",
        "lab.proof.tokens.token_scores",
        "probs[AFTER[y, t]]",
        "probs[0 * AFTER[y, t]]",
    ),
    ("response-score", "lab.proof.tokens.gradient", "np.exp(log_probs(logits)) * values", "values"),
    ("leave-one-out", "advantages.group_advantages", "centred * size / (size - 1)", "centred"),
    ("leave-one-out", "advantages.group_advantages", "/ (size - 1)", "/ (size + 1)"),
    (
        "leave-one-out",
        "advantages.group_advantages",
        "rewards.mean(axis=1, keepdims=True)",
        "rewards.mean()",
    ),
    ("leave-one-out", "lab.proof.tokens.group_gradient", "credit(groups) / size", "credit(groups)"),
    (
        "group-deviation",
        "advantages.group_advantages",
        "rewards.std(axis=1, keepdims=True)",
        "rewards.std()",
    ),
    (
        "group-deviation",
        "advantages.group_advantages",
        "keepdims=True) + eps",
        "keepdims=True, ddof=1) + eps",
    ),
    ("group-deviation", "advantages.group_advantages", "rewards.std(", "rewards.var("),
    (
        "group-deviation",
        "lab.proof.tokens.deviation_weight",
        "np.sqrt(right * (size - right))",
        "right",
    ),
    ("group-deviation", "lab.proof.tokens.deviation_weight", "(p * (1 - p))[", "p["),
    ("response-length", "lab.proof.tokens.per_length", "/ LENGTHS", "/ LENGTHS.mean()"),
    (
        "response-length",
        "lab.proof.tokens.per_length",
        "rewards - mean(rewards, logits)",
        "rewards",
    ),
    ("sequence-ratio", "lab.proof.tokens.ratios", "np.exp(whole / LENGTHS)", "np.exp(whole)"),
    ("sequence-ratio", "lab.proof.tokens.ratios", "token_log_probs(logits) - ", ""),
    ("sequence-ratio", "lab.proof.tokens.ratio_gradients", "root / LENGTHS", "root"),
    (
        "sequence-ratio",
        "lab.proof.tokens.ratio_gradients",
        "log_probs(old_logits)",
        "log_probs(logits)",
    ),
    (
        "sequence-ratio",
        "lab.proof.tokens.ratio_gradients",
        "weights, of_tokens, ",
        "weights, of_tokens**0, ",
    ),
    (
        "sequence-ratio",
        "lab.proof.tokens.loss_weights",
        "clipped(root, low) * scaled / own",
        "clipped(root, low)",
    ),
    (
        "sequence-ratio",
        "lab.proof.tokens.loss_weights",
        "np.clip(ratios, 1 - low, 1 + high)",
        "ratios",
    ),
    (
        "sequence-ratio",
        "lab.proof.tokens.loss_weights",
        "clipped(ratios, high)",
        "clipped(ratios, low)",
    ),
    ("sequence-ratio", "lab.proof.tokens.loss_weights", "ratio > 1 + high", "ratio > 1 + low"),
    ("sequence-ratio", "lab.proof.tokens.loss_weights", "* (1 - 1 / len(rewards))", ""),
    (
        "sequence-ratio",
        "lab.proof.tokens.loss_weights",
        "np.minimum(np.exp(generated), most)",
        "np.exp(generated)",
    ),
    ("kl-reward", "lab.proof.tokens.penalised", "rewards - beta", "rewards + beta"),
    ("kl-reward", "lab.proof.tokens.penalised", "beta * ", ""),
    (
        "kl-reward",
        "lab.proof.tokens.kl",
        "np.exp(log_probs(logits))",
        "np.exp(log_probs(other_logits))",
    ),
    ("kl-losses", "lab.proof.tokens.kl_slopes", "-log_ratios", "log_ratios"),
    ("kl-losses", "lab.proof.tokens.kl_slopes", "-np.expm1(", "-np.exp("),
    (
        "kl-losses",
        "lab.proof.tokens.kl_slopes",
        "np.ones_like(log_ratios)",
        "-np.ones_like(log_ratios)",
    ),
    ("kl-losses", "lab.proof.tokens.kl_loss_gradients", "chances * k", "k"),
    (
        "kl-losses",
        "lab.proof.tokens.kl_loss_gradients",
        "chances, k, token_scores",
        "0 * chances, k, token_scores",
    ),
    ("tilted", "lab.proof.tokens.tilted", "rewards / beta", "rewards * beta"),
    ("tilted", "lab.proof.tokens.tilted", "np.log(weights.sum())", "weights.sum()"),
    ("tilted", "lab.proof.tokens.logits_of", "np.log(through)", "through"),
    ("dpo", "lab.proof.tokens.dpo_loss", "np.exp(margins)", "np.exp(-margins)"),
    ("dpo", "lab.proof.tokens.dpo_loss", "[-slopes, slopes]", "[slopes, -slopes]"),
    ("dpo", "lab.proof.tokens.dpo_loss", "beta / (1 + ", "1 / (1 + "),
    ("dpo", "lab.proof.tokens.dpo_loss", "log_probs - reference_log_probs", "log_probs"),
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
    for module in (policies, ppo, ppo_penalty, training, vpg):  # who imported it by name
        if getattr(module, names[-1], None) is function:
            monkeypatch.setattr(module, names[-1], made[names[-1]])


@pytest.mark.parametrize(
    "key, path, old, new", FAULTS, ids=[f"{key}: {p}: {new}" for key, p, _, new in FAULTS]
)
@pytest.mark.filterwarnings("ignore")
def test_a_fault_is_found(monkeypatch, key, path, old, new):
    inject(monkeypatch, path, old, new)
    stream = io.StringIO()
    assert not checks.report([key], stream)
    printed = stream.getvalue()
    assert printed.endswith("\nFAIL\n")
    # A fault may well make shapes clash; any other exception would be the edit's own.
    assert "raised" not in printed or "raised ValueError: shapes" in printed


def test_faults_reach_every_equation():
    assert {key for key, *_ in FAULTS} == set(checks.CHECKS)


def test_the_table(monkeypatch):
    inject(monkeypatch, "ppo.clipped_surrogate", "plain <= clipped", "plain < clipped")
    stream = io.StringIO()
    assert not checks.report(["log-softmax", "clip", 46], stream)
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
    shown = [int(line[:2]) for line in lines if line[1].isdigit()]
    assert shown == list(numbers().values())
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
    assert checks.report(["log-softmax", "adaptive-kl"], io.StringIO())
    assert "checking" in checks.sys.stderr.getvalue()


def test_a_check_that_raises_fails(monkeypatch):
    monkeypatch.setattr("ppo_penalty.adapt_kl_coefficient", lambda: None)
    result = checks.run_check("adaptive-kl")
    assert not result.passed
    assert result.error == np.inf
    assert result.comparisons[-1].label.startswith("raised TypeError: ")
    assert "FAIL" in checks.details(result)


def test_code_and_oracle_stand_side_by_side(monkeypatch):
    printed = checks.details(checks.run_check("clip"))
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
    broken = checks.details(checks.run_check("clip"))
    wrong = next(line for line in broken.splitlines() if line.startswith("slopes: by hand"))
    assert wrong.endswith("1e-12 FAIL") and wrong.split()[3] != wrong.split()[4]


def test_the_largest_entry_is_shown_or_the_one_that_is_wrong():
    evidence = Evidence()
    for wrong, shown in ((0.0, ("-7.5", "-7.5")), (0.3, ("0.3", "0"))):
        evidence.close("a", [[1.0, 2.0], [-7.5, wrong]], [[1.0, 2.0], [-7.5, 0.0]])
        assert evidence.comparisons[-1] == ("a", *shown, wrong / 7.5, 1e-12)
    evidence.normal("m", [0.0, 0.3], 0.1, 0.1)
    assert evidence.comparisons[-1][1:3] == ("0.3", "0.1")


@pytest.mark.parametrize(
    "equation, line",
    [
        *((wrong, f"no equation {wrong}; there are 1 to 57") for wrong in (0, 99, -1, "58")),
        ("9" * 5000, f"no equation {'9' * 20}; there are 1 to 57"),
        ("gea", r"no equation 'gea'; did you mean gae\?"),
        ("x", r"no equation 'x'; docs/guide\.md names them all"),
        ("", r"no equation ''; docs/guide\.md names them all"),
    ],
)
def test_unknown_equations(equation, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        checks.run_check(equation)
    with pytest.raises(ValueError, match=f"^{line}$"):
        checks.report([1, equation], io.StringIO())


def test_a_key_and_its_number_are_one_equation():
    assert list(numbers().values()) == list(range(1, 58))
    for key, number in numbers().items():
        assert key_of(key) == key_of(number) == key_of(str(number)) == key
        assert number_of(key) == number_of(number) == number_of(str(number)) == number


def test_an_equation_has_one_check():
    second = check("clipped-objective", "", "", "")(None)
    with pytest.raises(ValueError, match="clipped-objective has two checks"):
        checks.by_key([checks.f_ppo, SimpleNamespace(second=second)])
    with pytest.raises(ValueError, match="no equation 'clipp'; did you mean clip"):
        checks.by_key([SimpleNamespace(other=check("clipp", "", "", "")(None))])


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
