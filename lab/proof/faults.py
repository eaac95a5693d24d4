"""What can be wrong in a line: one table, for all who break lines on purpose.

A fault is a shipped function with one piece of its source exchanged. The tests of the checks
(tests/test_checks.py) put each in its place and see the check of its equation fail; the grader
(lab/practice/grading.py) knows by them what a reader wrote, and what to say of it; an ablation
and the page's experiments (lab/study/changes.py) train with them.

    FAULTS             every row of the table, a Fault
    edited             a function with pieces of its source exchanged
    injected           in a block, shipped functions with faults in their place
    changed_lines      a fault as a reader sees it: the line before and after
"""

import ast
import contextlib
import importlib
import inspect
import os
import sys
import textwrap
from difflib import ndiff
from functools import cache
from typing import NamedTuple

from lab.kit import PROJECT

WORLDS = {"mdp": "lab.proof.mdp", "tokens": "lab.language.tokens"}


class Fault(NamedTuple):
    """One exchange in the source of one function, as ast.unparse writes it."""

    function: str  # ppo.clipped_surrogate; of a stair, 1_bandit.gradient
    equations: str  # keys, with spaces between: their checks find it
    old: str
    new: str
    words: str = ""  # said to whoever wrote it; "" where no reader writes the function
    name: str = ""  # of an experiment; two functions that do the same to two algorithms share it


SLOPE_SIGN = "the slope's sign is wrong: descended, it should make likelier what went well"
NO_MEAN = "the loss's 1/N is missing in the gradient"
SOFTMAX_AXIS = "the sum runs over the rows of the batch; each row has a softmax of its own (axis 1)"
THROUGH_FALL = (
    "bootstraps through a termination: after a fall there is no V(s'), so (1 − d) kills it"
)
LIMIT_IS_FALL = (
    "takes a time limit for a fall: V(s') goes only at a termination, not at a truncation"
)

DOWNHILL = "a sign: the score is one-hot − π, and the step goes uphill"
NO_PI = "moves the taken action's logit alone; −π lowers the others"
NO_ONEHOT = "π without the one-hot: nothing says which action was taken"
PLUS_PI = "adds π; the score is one-hot − π"
NO_SOFTMAX = "logits stand where probabilities belong: softmax first"
EVERY_ACTION = "1 − π for every action; the 1 belongs to the taken one alone: one-hot − π"

# What the first three stairs with a matrix share.
LINEAR = [
    ("weight[:, None] * (", "(", "the weight is missing: every action that was taken becomes likelier, whatever followed"),
    ("onehot - softmax(x @ W)", "onehot", NO_PI),
    ("onehot - softmax(x @ W)", "softmax(x @ W)", NO_ONEHOT),
    ("onehot - softmax(x @ W)", "onehot + softmax(x @ W)", PLUS_PI),
    ("softmax(x @ W)", "x @ W", NO_SOFTMAX),
    ("onehot - softmax(x @ W)", "1 - softmax(x @ W)", EVERY_ACTION),
    ("x.T @ (", "x @ (", "x stands there as it is; the rows are summed over, so transposed: W̄ = Xᵀ Ȳ"),
    ("x.T @ (weight[:, None] * (onehot - softmax(x @ W)))", "(weight[:, None] * (onehot - softmax(x @ W))).T @ x", "the gradient is transposed: W is (4,2), a row an observation"),
    ("weight[:, None]", "weight", "weight (B,) beside (B,2): `weight[:, None]` makes it a column"),
]  # fmt: skip

# Function, equations, old, new, words, name.
FAULTS = [Fault(*row) for row in [
    ("nn.linear_forward", "linear", " + b", " - b", "subtracts the bias"),
    ("nn.linear_forward", "linear", " + b", "", "leaves the bias out"),
    ("nn.linear_forward", "linear", "x @ W + b", "np.tanh(x @ W + b)", "the activation is not this layer's business"),
    ("nn.linear_backward", "linear backprop", "np.dot(ones, dy)", "np.dot(ones, dy) / len(dy)", "db: a mean; dy carries the 1/N already, so sum"),
    ("nn.linear_backward", "linear", "np.dot(x.T, dy)", "np.dot(x.T, dy) / len(dy)", "dW: divides by N once more; dy carries the 1/N already"),
    ("nn.linear_backward", "linear", "np.dot(ones, dy)", "dy.sum(axis=1)", "db: sums over the outputs; the bias is shared by the rows, so sum over them"),
    ("nn.linear_backward", "linear", "np.dot(ones, dy)", "dy", "db: one row an example; what is used in every row collects from every row: sum"),
    ("nn.linear_backward", "linear joint-loss", "np.dot(dy, W.T)", "2 * np.dot(dy, W.T)"),
    ("nn.tanh_backward", "activation", "h * h", "h", "tanh' is 1 − h², with the output squared"),
    ("nn.tanh_backward", "activation", "h * h", "np.tanh(h) ** 2", "squashes twice: h is already tanh(z)"),
    ("nn.tanh_backward", "activation", "dh * (1 - h * h)", "1 - h * h", "the derivative alone: the chain rule multiplies it with dh"),
    ("nn.tanh_backward", "activation", "1 - h * h", "1 + h * h", "tanh' is 1 − h²: a sign"),
    ("nn.tanh_backward", "activation", "1 - h * h", "h * (1 - h)", "h(1 − h) is the logistic function's derivative; tanh' is 1 − h²"),
    ("nn.tanh_backward", "activation", "1 - h * h", "1 - np.tanh(h)", "tanh' is 1 − tanh², and h is tanh(z) already"),
    ("nn.relu_backward", "activation", "h > 0", "dh > 0", "the gate opens where the *input* was positive, not where the message is"),
    ("nn.relu_backward", "activation", "h > 0", "h >= 0", "lets everything through: h is never negative, so only where h > 0 may dh pass"),
    ("nn.relu_backward", "activation", "dh * (h > 0)", "(h > 0) * 1.0", "the derivative alone: the chain rule multiplies it with dh"),
    ("nn.relu_backward", "activation", "(h > 0)", "h", "multiplies with the output; the slope is 1 where it is positive, and 0 elsewhere"),
    ("nn.MLP.backward", "backprop", "if layer > 0:", "if layer > 1:", "skips the derivative of the first hidden layer's activation"),
    ("nn.MLP.backward", "backprop", "activate_backward(dh, cache[layer])", "dh", "skips the activations on the way back"),
    ("nn.MLP.backward", "backprop", "[dW.ravel(), db, *gradient]", "[*gradient, dW.ravel(), db]", "the layers come out last first: the gradient has the layout of `parameters`"),
    ("nn.MLP.backward", "backprop", "reversed(range(len(self.layers)))", "range(len(self.layers))", "walks from the first layer to the last; back means last to first"),
    ("nn.MLP.backward", "backprop", "dW.ravel(), db,", "db, dW.ravel(),", "puts each bias before its weights; `parameters` holds W₁, b₁, W₂, b₂, …"),
    ("nn.MLP.backward", "backprop", "dW.ravel(), db,", "dW.ravel(), db / len(cache[0]),", "b: a mean; dy carries the 1/N already, so sum"),
    ("nn.MLP.backward", "backprop", "dW.ravel(), db,", "dW.T.ravel(), db,", "flattens W transposed: rows are inputs"),
    ("nn.MLP.backward", "backprop", "activate_backward(dh, cache[layer])", "dh * (1 - cache[layer] * cache[layer])", "takes tanh's derivative whatever the activation is"),
    ("nn.clip_global_norm", "norm-clip", "np.sqrt(np.dot(gradient, gradient))", "np.abs(gradient).max()", "takes the largest entry for the norm; it is the root of the sum of squares"),
    ("nn.clip_global_norm", "norm-clip", "np.sqrt(np.dot(gradient, gradient))", "gradient @ gradient", "forgets the root: n is the norm, not its square"),
    ("nn.clip_global_norm", "norm-clip", "gradient *= max_norm / (norm + 1e-06)", "np.clip(gradient, -max_norm, max_norm, out=gradient)", "clips every entry by itself, which turns the gradient; the norm's clip keeps its direction"),
    ("nn.clip_global_norm", "norm-clip", "if norm > max_norm - 1e-06:", "if True:", "lengthens short gradients too: the factor is min(1, c/n)"),
    ("nn.clip_global_norm", "norm-clip", "max_norm / (norm + 1e-06)", "max_norm / norm", "the 10⁻⁶ beside the norm is missing"),
    ("nn.clip_global_norm", "norm-clip", "max_norm / (norm + 1e-06)", "1 / (norm + 1e-06)", "shortens to length 1; it should be max_norm"),
    ("nn.clip_global_norm", "norm-clip", "gradient *= max_norm / (norm + 1e-06)", "pass", "gradient is not changed in place: `gradient *= …` changes it; `gradient = …` makes a new array, which nobody sees"),
    ("nn.clip_global_norm", "norm-clip", "return norm", "return min(norm, max_norm)", "gives back the length after clipping; the one from before is asked for"),
    ("nn.clip_global_norm", "norm-clip", "np.sqrt(np.dot(gradient, gradient))", "np.abs(gradient).sum()", "the sum of sizes; the norm is the root of the sum of squares"),
    ("nn.clip_global_norm", "norm-clip", "norm > max_norm - 1e-06", "norm < max_norm", "the comparison is turned round: long gradients are shortened"),
    ("nn.clip_global_norm", "norm-clip", "np.sqrt(np.dot(gradient, gradient))", "np.sqrt(np.mean(gradient ** 2))", "the root of the mean square; the norm is the root of the sum"),
    ("nn.Adam.step", "adam", "self.m / (1 - beta1 ** self.t)", "self.m", "no bias correction of m: it began at zero"),
    ("nn.Adam.step", "adam", "self.v / (1 - beta2 ** self.t)", "self.v", "no bias correction of v: it began at zero"),
    ("nn.Adam.step", "adam", "parameters -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)", "parameters -= self.learning_rate * self.m / (np.sqrt(self.v) + self.eps)", "no bias correction of m and v: both began at zero"),
    ("nn.Adam.step", "adam", "(np.sqrt(v_hat) + self.eps)", "np.sqrt(v_hat + self.eps)", "ε stands under the root; it belongs beside it"),
    ("nn.Adam.step", "adam", "(np.sqrt(v_hat) + self.eps)", "(v_hat + self.eps)", "forgets the root of v̂"),
    ("nn.Adam.step", "adam", "beta1 ** self.t", "beta1 ** (self.t - 1 or 1)", "β₁ to the power t − 1 in the correction of m; at the first step t is 1"),
    ("nn.Adam.step", "adam", "(gradient * gradient - self.v)", "(gradient - self.v)", "v is the moment of g², not of g"),
    ("nn.Adam.step", "adam", "parameters -= ", "parameters += ", "goes uphill: θ ← θ − α …"),
    ("nn.Adam.step", "adam", "self.t += 1", "self.t = 1", "does not count its steps: the correction stays that of t = 1"),
    ("nn.Adam.step", "adam", "(1 - beta1) * (gradient - self.m)", "beta1 * (gradient - self.m)", "β₁ and 1 − β₁ have changed places in m"),
    ("nn.Adam.step", "adam", "(1 - beta2) * (gradient * gradient - self.v)", "beta2 * (gradient * gradient - self.v)", "β₂ and 1 − β₂ have changed places in v"),
    ("nn.Adam.step", "adam", "parameters -= ", "parameters = parameters - ", "parameters are not changed in place: `parameters -= …` changes them; `parameters = …` makes a new array, which nobody sees"),
    ("nn.Adam.step", "adam", "m_hat = self.m / (1 - beta1 ** self.t)", "self.m = m_hat = self.m / (1 - beta1 ** self.t)", "keeps the corrected m; m̂ is for this step alone"),
    ("nn.Adam.step", "adam", "v_hat = self.v / (1 - beta2 ** self.t)", "self.v = v_hat = self.v / (1 - beta2 ** self.t)", "keeps the corrected v; v̂ is for this step alone"),
    ("nn.Adam.step", "adam", "(1 - beta1) * (gradient - self.m)", "gradient - (1 - beta1) * self.m", "m takes the whole gradient; its share is 1 − β₁"),
    ("nn.Adam.step", "adam", "(1 - beta2) * (gradient * gradient - self.v)", "gradient * gradient - (1 - beta2) * self.v", "v takes the whole square; its share is 1 − β₂"),
    ("nn.Adam.step", "adam", "beta1 ** self.t", "beta1 ** (self.t - 1)", "t − 1 stands where t belongs in the correction of m: at the first step t is 1, and 1 − β⁰ is 0"),
    ("nn.Adam.step", "adam", "beta2 ** self.t", "beta2 ** (self.t - 1)", "t − 1 stands where t belongs in the correction of v: at the first step t is 1, and 1 − β⁰ is 0"),
    ("nn.Adam.step", "adam", "beta1 ** self.t", "beta1 * self.t", "β₁ times t in the correction of m; it is β₁ to the power t"),
    ("nn.Adam.step", "adam", "beta2 ** self.t", "beta2 * self.t", "β₂ times t in the correction of v; it is β₂ to the power t"),
    ("nn.Adam.step", "adam", " + self.eps)", ")", "ε is missing beside the root"),
    ("nn.Adam.step", "adam", "parameters -= ", "m_hat, v_hat = self.m / (1 - beta1 ** (self.t - 1)), self.v / (1 - beta2 ** (self.t - 1))\nparameters -= ", "the step is counted too late: at the first one t is 1, and 1 − β⁰ is 0"),
    ("nn.Adam.step", "adam", "parameters -= ", "m_hat, v_hat = self.m / (1 - beta1), self.v / (1 - beta2)\nparameters -= ", "1 − β stands where 1 − βᵗ belongs: the correction stays that of the first step"),
    ("nn.Adam.step", "adam", "beta1 ** self.t", "beta1", "1 − β₁ stands where 1 − β₁ᵗ belongs: m's correction stays that of the first step"),
    ("nn.Adam.step", "adam", "beta2 ** self.t", "beta2", "1 − β₂ stands where 1 − β₂ᵗ belongs: v's correction stays that of the first step"),
    ("nn.Adam.step", "adam", "/ (np.sqrt(v_hat) + self.eps)", "/ np.sqrt(v_hat) + self.eps", "ε is added to the quotient; it belongs to the root, in brackets"),
    ("nn.Adam.step", "adam", "parameters -= self.learning_rate", "parameters -= (1 - beta1) * self.learning_rate", "1 − β₁ is in the step once more; m has it already"),
    ("nn.Adam.step", "adam", " = self.betas", " = (0.9, 0.999)", "uses β of its own; they are `self.betas`"),
    ("nn.Adam.step", "adam", "m_hat / (np.sqrt(v_hat) + self.eps)", "gradient", "plain descent: the step is m̂ over (the root of v̂, plus ε)"),
    ("nn.orthogonal", "orthogonal", "q * np.sign(np.diag(r))", "q"),
    ("nn.orthogonal", "orthogonal", "gain * ", ""),
    ("nn.orthogonal", "orthogonal", "gain * ", "gain**2 * "),
    ("nn.MLP.__init__", "orthogonal", "np.sqrt(2)", "1.0"),
    ("distributions.log_softmax", "log-softmax", "logits - logits.max(axis=1, keepdims=True)", "logits", "overflows: take each row's largest logit off before exp"),
    ("distributions.log_softmax", "log-softmax", "logits.max(axis=1, keepdims=True)", "logits.max()", "takes the batch's largest logit off; a row far below it underflows: each row needs its own"),
    ("distributions.log_softmax", "log-softmax", "np.exp(shifted).sum(axis=1", "np.exp(shifted).mean(axis=1", "a mean under the log: the probabilities of a row must sum to 1"),
    ("distributions.log_softmax", "log-softmax", "np.exp(shifted).sum(axis=1", "np.exp(shifted).sum(axis=0", SOFTMAX_AXIS),
    ("distributions.log_softmax", "log-softmax", "shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)", "these are probabilities; their logs are asked for"),
    ("distributions.log_softmax", "log-softmax", "shifted - np.log(", "shifted + np.log(", "adds the log of the sum; a division is a difference of logs"),
    ("distributions.log_softmax", "log-softmax", "return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "return np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))", "overflows: take each row's largest logit off before exp"),
    ("distributions.log_softmax", "log-softmax", "return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "return np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True))", "underflows: the log of a probability that has become 0; the log of a quotient is a difference"),
    ("distributions.log_softmax", "log-softmax", "return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "return logits - np.log(np.exp(logits).sum())", "one sum for the whole batch; each row has a softmax of its own (axis 1)"),
    ("distributions.log_softmax", "log-softmax", "return shifted - ", "return logits - ", "takes the log of the shifted sum off the logits themselves; the shift belongs on both"),
    ("distributions.log_softmax", "log-softmax", "np.exp(shifted).sum(axis=1, keepdims=True)", "np.exp(shifted).sum()", "one sum for the whole batch; each row has a softmax of its own (axis 1)"),
    ("distributions.log_softmax", "log-softmax", "logits.max(axis=1, keepdims=True)", "logits.max(axis=0)", "takes the largest logit of each column off; a softmax is over a row (axis 1)"),
    ("distributions.log_softmax", "log-softmax", "return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "return np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True) + 1e-8)", "a small number under the log hides the underflow and moves every value; the log of a quotient is a difference"),
    ("distributions.log_softmax", "log-softmax", " - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "", "only the shift; the log of the row's sum of exponentials is still to be taken off"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "np.exp(log_probs) * ", "", "the sum of U is to be shared out by the probabilities P"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "dlog_probs - ", "dlog_probs + ", "the second term's sign: Z̄ = U − P ⊙ (U 1)"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "np.exp(log_probs) * ", "log_probs * ", "shares out by log P; it is P: take exp"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "dlog_probs.sum(axis=1", "dlog_probs.sum(axis=0", "sums U over the rows of the batch; each row is a softmax of its own (axis 1)"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "dlog_probs - np.exp(log_probs) * dlog_probs.sum(axis=1, keepdims=True)", "dlog_probs * (1 - np.exp(log_probs))", "only the diagonal of the Jacobian: a logit moves every log-probability of its row"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "dlog_probs - np.exp(log_probs) * dlog_probs.sum(axis=1, keepdims=True)", "np.exp(log_probs) * (dlog_probs - (np.exp(log_probs) * dlog_probs).sum(axis=1, keepdims=True))", "this is the gradient with respect to logits if U were dLoss/dprobs; U is dLoss/dlog-probs"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "np.exp(log_probs) * dlog_probs.sum(axis=1", "np.exp(log_probs) * (np.exp(log_probs) * dlog_probs).sum(axis=1", "weighs U with P before it sums; it is the plain sum of the row's U that P shares out"),
    ("distributions.log_softmax_backward", "softmax-jacobian", "dlog_probs.sum(axis=1, keepdims=True)", "dlog_probs.sum()", "sums U over the whole batch; each row is a softmax of its own (axis 1)"),
    ("distributions.log_softmax_backward", "softmax-jacobian", " - np.exp(log_probs) * dlog_probs.sum(axis=1, keepdims=True)", "", "the second term is missing: every logit is in the sum under the log"),
    ("distributions.log_softmax_backward", "softmax-jacobian", " * dlog_probs.sum(axis=1, keepdims=True)", "", "P is to be multiplied with the row's sum of U"),
    ("distributions.log_softmax_backward", "softmax-backward", "dlog_probs.sum(", "dlog_probs.mean("),
    ("distributions.categorical_log_prob_backward", "vpg-logits", "== actions", "== actions - 1", "the one-hot row is off by one action"),
    ("distributions.categorical_log_prob_backward", "vpg-logits score kl", "(onehot - probs)", "(probs - onehot)", "the sign: ∂log π/∂z is e_a − π, and what is handed in carries the loss's minus"),
    ("distributions.categorical_log_prob_backward", "dynamics", "onehot - probs", "onehot", NO_PI),
    ("distributions.categorical_log_prob_backward", "score mean-score", "onehot - probs", "onehot - probs ** 2", "π is squared; ∂log πₐ/∂zⱼ = 1[j = a] − πⱼ"),
    ("distributions.categorical_log_prob_backward", "score", "onehot - probs", "onehot * (1 - probs)", "right for the taken action, zero for all others; theirs is −π"),
    ("distributions.categorical_log_prob_backward", "score", "(onehot - probs)", "(onehot - probs) / len(actions)", "divides by N once more; what is handed in carries the 1/N already"),
    ("distributions.categorical_log_prob_backward", "score", "dlog_probs[:, None] * ", "", "the score alone: each row is weighed with its dlog_prob"),
    ("distributions.categorical_log_prob_backward", "score", "dlog_probs[:, None] * (onehot - probs)", "onehot - dlog_probs[:, None] * probs", "weighs π alone; the one-hot row needs dlog_prob, too"),
    ("distributions.categorical_log_prob_backward", "score", "onehot - probs", "onehot / probs", "this is ∂log π/∂π; it still has to go through the softmax"),
    ("distributions.categorical_log_prob_backward", "score", "dlog_probs[:, None] * (onehot - probs)", "dlog_probs[:, None] * onehot - probs", "weighs the one-hot row alone; π needs dlog_prob, too"),
    ("distributions.categorical_log_prob_backward", "score", "dlog_probs[:, None]", "dlog_probs.mean()"),
    ("distributions.categorical_entropy", "entropy", "-(np.exp", "(np.exp", "the sign: entropy is minus the mean log-probability"),
    ("distributions.categorical_entropy", "entropy", ".sum(axis=1)", ".sum(axis=0)", "sums over the rows of the batch; each row has an entropy of its own (axis 1)"),
    ("distributions.categorical_entropy", "entropy", ".sum(axis=1)", ".mean(axis=1)", "a mean over the actions; the probabilities are the weights, so sum"),
    ("distributions.categorical_entropy", "entropy", "-(np.exp(log_probs) * log_probs)", "-log_probs", "not weighed with π: H = −Σ π log π"),
    ("distributions.categorical_entropy", "entropy", "* log_probs)", "* log_probs / np.log(2))", "in bits; nats are asked for"),
    ("distributions.categorical_entropy", "entropy", "-(np.exp(log_probs) * log_probs).sum(axis=1)", "-log_probs.mean(axis=1)", "weighs all actions alike; the mean is π's: H = −Σ π log π"),
    ("distributions.categorical_entropy", "entropy", "-(np.exp(log_probs) * log_probs).sum(axis=1)", "-log_probs.max(axis=1)", "the surprise of the likeliest action alone; entropy is the mean over all actions"),
    ("distributions.categorical_entropy", "entropy", "* log_probs)", "* np.log(np.exp(log_probs) + 1e-8))", "a small number under the log moves the entropy; log π is there already"),
    ("distributions.categorical_entropy_backward", "entropy softmax-backward", "entropies[:, None])", "1)", "the +1 of −log π − 1 cancels on the way through the softmax; H takes its place"),
    ("distributions.categorical_entropy_backward", "entropy", "-dentropies", "dentropies", "the sign: ∂H/∂zⱼ = −πⱼ (log πⱼ + H)"),
    ("distributions.categorical_entropy_backward", "entropy", " + entropies[:, None]", "", "H itself is missing: rows of ∂H/∂z must sum to 0"),
    ("distributions.categorical_entropy_backward", "entropy", "log_probs + entropies", "log_probs - entropies", "the sign of H inside the bracket"),
    ("distributions.categorical_entropy_backward", "entropy", "-dentropies[:, None] * np.exp(log_probs) * (log_probs + entropies[:, None])", "-dentropies[:, None] * (log_probs + 1)", "this is ∂H/∂π, the chosen row's own slope; it still has to go through the softmax"),
    ("distributions.categorical_entropy_backward", "entropy", "np.exp(log_probs) * (log_probs + entropies[:, None])", "(np.exp(log_probs) * log_probs + entropies[:, None])", "π multiplies the whole bracket, H too"),
    ("distributions.categorical_entropy_backward", "entropy softmax-backward", "np.exp(log_probs) * ", "", "the factor π before the bracket is missing: ∂H/∂zⱼ = −πⱼ (log πⱼ + H)"),
    ("distributions.categorical_entropy_backward", "entropy", "(log_probs + entropies[:, None])", "(log_probs + 1) * (1 - np.exp(log_probs))", "only the diagonal of the Jacobian: a logit moves every probability of its row"),
    ("distributions.categorical_kl", "kl", "np.exp(old_log_probs) * (old_log_probs - log_probs)", "np.exp(log_probs) * (log_probs - old_log_probs)", "KL(new‖old); the old policy acted, so KL(old‖new) is asked for"),
    ("distributions.categorical_kl", "kl", "(old_log_probs - log_probs)", "(log_probs - old_log_probs)", "the sign: log old − log new"),
    ("distributions.categorical_kl", "kl", "np.exp(old_log_probs) * (", "np.exp(log_probs) * (", "weighs with the new policy's probabilities; the mean is over the old one's"),
    ("distributions.categorical_kl", "kl", ".sum(axis=1)", ".mean(axis=1)", "a mean over the actions; the probabilities are the weights, so sum"),
    ("distributions.categorical_kl", "kl", "(old_log_probs - log_probs)", "np.log(old_log_probs / log_probs)", "the log of a quotient of logs; these are logs already: subtract"),
    ("distributions.categorical_kl_backward", "kl", "np.exp(log_probs) - np.exp(old_log_probs)", "np.exp(old_log_probs) - np.exp(log_probs)", "the sign: ∂KL/∂z = π − π_old, towards the old policy when descended"),
    ("distributions.categorical_kl_backward", "kl", "np.exp(log_probs) - np.exp(old_log_probs)", "log_probs - old_log_probs", "a difference of logs; the slope is one of probabilities"),
    ("distributions.categorical_kl_backward", "kl", "np.exp(log_probs) - np.exp(old_log_probs)", "-np.exp(old_log_probs)", "only half the way: −π_old is the slope by log π; the softmax adds π"),
    ("distributions.categorical_kl_backward", "kl", "np.exp(log_probs) - np.exp(old_log_probs)", "np.exp(log_probs) * (log_probs - old_log_probs)", "weighs a difference of logs with π; ∂KL(old‖new)/∂z is π − π_old"),
    ("distributions.categorical_kl_backward", "kl", "np.exp(log_probs) - np.exp(old_log_probs)", "np.exp(log_probs) * (log_probs - old_log_probs - (np.exp(log_probs) * (log_probs - old_log_probs)).sum(axis=1, keepdims=True))", "this is the slope of KL(new‖old); KL(old‖new) is asked for"),
    ("distributions.categorical_kl_backward", "kl", "dkls[:, None] * ", "", "each row is weighed with its dkl"),
    ("distributions.gaussian_log_prob", "gaussian", "0.5 * math.log", "math.log", "½ log 2π: the ½ is missing"),
    ("distributions.gaussian_log_prob", "gaussian", " - 0.5 * math.log(2 * math.pi)", "", "the constant −½ log 2π is missing: the density does not integrate to 1"),
    ("distributions.gaussian_log_prob", "gaussian", " - log_stds", "", "−log σ is missing: a narrow bell is a high one"),
    ("distributions.gaussian_log_prob", "gaussian", " - log_stds", " + log_stds", "the sign of log σ: a narrow bell is a high one"),
    ("distributions.gaussian_log_prob", "gaussian", "-0.5 * scaled", "-scaled", "the ½ in the exponent is missing"),
    ("distributions.gaussian_log_prob", "gaussian", "-0.5 * scaled * scaled", "-0.5 * scaled * scaled * np.exp(log_stds)", "divides by σ, not by σ²"),
    ("distributions.gaussian_log_prob", "gaussian", "np.exp(-log_stds)", "1 / log_stds", "divides by log σ; σ is its exp"),
    ("distributions.gaussian_log_prob", "gaussian", ".sum(axis=1)", ".mean(axis=1)", "a mean over the dimensions; independent ones multiply, so their logs add"),
    ("distributions.gaussian_log_prob", "gaussian", " - log_stds", " - np.log(log_stds)", "takes the log of ℓ; ℓ is log σ already"),
    ("distributions.gaussian_log_prob", "gaussian", " - log_stds", " - 2 * log_stds", "−log σ² stands where −log σ belongs"),
    ("distributions.gaussian_log_prob", "gaussian", " - 0.5 * math.log(2 * math.pi)).sum(axis=1)", ").sum(axis=1) - 0.5 * math.log(2 * math.pi)", "−½ log 2π belongs to every dimension, inside the sum"),
    ("distributions.gaussian_log_prob", "gaussian", "return (-0.5 * scaled * scaled - log_stds - 0.5 * math.log(2 * math.pi)).sum(axis=1)", "return np.exp((-0.5 * scaled * scaled - log_stds - 0.5 * math.log(2 * math.pi)).sum(axis=1))", "this is the density; its log is asked for"),
    ("distributions.gaussian_log_prob", "gaussian", " - 0.5 * math.log(2", " + 0.5 * math.log(2", "the sign of ½ log 2π: the density is divided by √2π"),
    ("distributions.gaussian_log_prob_backward", "gaussian-score", "scaled * np.exp(-log_stds)", "scaled", "∂/∂μ: divides by σ; it is σ²"),
    ("distributions.gaussian_log_prob_backward", "mean-score gaussian-score", "scaled * scaled - 1", "scaled * scaled", "∂/∂ℓ: the −1, from −log σ, is missing"),
    ("distributions.gaussian_log_prob_backward", "gaussian-score", "(actions - means)", "(means - actions)", "∂/∂μ: the sign; the mean is drawn towards the action"),
    ("distributions.gaussian_log_prob_backward", "gaussian-gradient", "dlog_probs @ (", "dlog_probs.mean() * sum(", "∂/∂ℓ: weighs all rows alike; each row has its own dlog_prob"),
    ("distributions.gaussian_log_prob_backward", "gaussian-score", "dlog_probs @ (scaled * scaled - 1)", "dlog_probs[:, None] * (scaled * scaled - 1)", "∂/∂ℓ: one row an example; the log-deviations are shared by all rows: sum"),
    ("distributions.gaussian_log_prob_backward", "gaussian-gradient", "dlog_probs @ (scaled * scaled - 1)", "dlog_probs @ (scaled * scaled - 1) / len(dlog_probs)", "∂/∂ℓ: divides by N once more; dlog_probs carries the 1/N already"),
    ("distributions.gaussian_log_prob_backward", "gaussian-score", "dlog_probs @ (scaled * scaled - 1)", "dlog_probs @ ((scaled * scaled - 1) * np.exp(-log_stds))", "∂/∂σ; the parameter is ℓ = log σ, so one factor σ more"),
    ("distributions.gaussian_log_prob_backward", "mean-score", "dlog_probs[:, None] * ", "", "∂/∂μ: each row is weighed with its dlog_prob"),
    ("distributions.gaussian_log_prob_backward", "mean-score", "dlog_probs @ (scaled * scaled - 1)", "(scaled * scaled - 1).sum(axis=0)", "∂/∂ℓ: each row is weighed with its dlog_prob"),
    ("distributions.gaussian_entropy", "gaussian-entropy", "2 * math.pi * math.e", "2 * math.pi", "the e under the log is missing"),
    ("distributions.gaussian_entropy", "gaussian-entropy", "0.5 * len(log_stds)", "0.5", "the constant belongs to every dimension"),
    ("distributions.gaussian_entropy", "gaussian-entropy", "0.5 * len(log_stds)", "len(log_stds)", "½ log 2πe: the ½ is missing"),
    ("distributions.gaussian_entropy", "gaussian-entropy", "log_stds.sum() + ", "", "does not depend on σ: a wide bell is undecided, Σ ℓ is missing"),
    ("distributions.gaussian_entropy", "gaussian-entropy", "log_stds.sum() + 0.5 * len(log_stds) * math", "log_stds.mean() + 0.5 * math", "a mean over the dimensions; independent ones add their entropies"),
    ("distributions.gaussian_entropy", "gaussian-entropy", "log_stds.sum()", "np.log(np.abs(log_stds)).sum()", "takes the log of ℓ; ℓ is log σ already"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "(means - old_means) *", "(old_means - means) *", "∂/∂μ: the sign; descending it draws μ back to the old one"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "1 - squares", "-squares", "∂/∂ℓ: the 1 is missing"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "np.exp(2 * (old_log_stds - log_stds)) + ", "", "∂/∂ℓ: the old variance is missing in the bracket"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "1 - squares", "squares - 1", "∂/∂ℓ: the sign"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "scaled * np.exp(-log_stds)", "(means - old_means) * np.exp(-2 * old_log_stds)", "∂/∂μ: divides by the old variance; it is the new one's"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "1 - squares", "1 - squares * np.exp(2 * (log_stds - old_log_stds))", "∂/∂ℓ: divides by the old variance; it is the new one's"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "1 - squares", "1 - 0.5 * squares", "∂/∂ℓ: the ½ goes, for σ² = exp 2ℓ brings a 2"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "dkls[:, None] * ", "", "∂/∂μ: each row is weighed with its dkl"),
    ("distributions.gaussian_kl_backward", "gaussian-kl", "dkls @ (1 - squares)", "(1 - squares).sum(axis=0)", "∂/∂ℓ: each row is weighed with its dkl"),
    ("distributions.categorical_log_prob", "vpg-logits", ", actions]", ", actions - 1]"),
    ("distributions.categorical_log_prob", "score", ", actions]", ", 0]"),
    ("distributions.gaussian_kl", "gaussian-kl", "np.exp(-log_stds)", "np.exp(-2 * log_stds)"),
    ("distributions.gaussian_kl", "gaussian-kl", "log_stds - old_log_stds", "old_log_stds - log_stds"),
    ("distributions.kl_estimates", "diagnostics", "-log_ratios, ", "log_ratios, "),
    ("distributions.kl_estimates", "diagnostics", "np.expm1(log_ratios) - log_ratios", "np.expm1(log_ratios) + log_ratios"),
    ("distributions.kl_estimates", "diagnostics", "np.expm1(log_ratios)", "np.exp(log_ratios) - 1"),
    ("policies.CategoricalPolicy.sample", "density", ">= edges", "< edges"),
    ("policies.CategoricalPolicy.sample", "density", "(len(obs)), actions]", "(len(obs)), 1 - actions]"),
    ("policies.GaussianPolicy.sample", "mean-score", "means + np.exp(", "means + (1 + "),
    ("policies.GaussianPolicy.sample", "gaussian", "np.exp(self.log_stds)", "np.exp(2 * self.log_stds)"),
    ("policies.CategoricalPolicy.forward", "entropy", "= categorical_entropy(all_log_probs)", "= -categorical_log_prob(all_log_probs, actions)"),
    ("policies.GaussianPolicy.backward", "gaussian-gradient", "network_cache), dlog_stds]", "network_cache), -dlog_stds]"),
    ("policies.GaussianPolicy.backward", "gaussian-entropy", "dentropies.sum()", "dentropies.mean()"),
    ("policies.CategoricalPolicy.__init__", "orthogonal", "output_gain=0.01", "output_gain=1.0"),
    ("policies.CategoricalPolicy.kl", "kl", "(old_distribution, all_log_probs)", "(all_log_probs, old_distribution)"),
    ("advantages.returns_to_go", "returns", " * ~terminated", "", THROUGH_FALL),
    ("advantages.returns_to_go", "returns", " * ~terminated", " * ~ended", LIMIT_IS_FALL),
    ("advantages.returns_to_go", "returns", "np.where(ended[t]", "np.where(terminated[t]", "goes on through a truncation: the row after it belongs to another episode"),
    ("advantages.returns_to_go", "returns", "gamma * returns[t + 1]", "returns[t + 1]", "γ is missing where the sum goes on"),
    ("advantages.returns_to_go", "returns", "gamma * next_values", "next_values", "γ is missing before V(s')"),
    ("advantages.returns_to_go", "returns", "np.where(ended[t], returns[t], rewards[t] + gamma * returns[t + 1])", "rewards[t] + gamma * returns[t + 1]", "no end cuts the sum: the row after one belongs to another episode"),
    ("advantages.returns_to_go", "returns", "rewards + gamma * next_values * ~terminated", "rewards.copy()", "no bootstrap: V(s') stands for what is cut off"),
    ("advantages.returns_to_go", "returns", "for t in reversed(range(len(rewards) - 1)):", "for t in ():", "one step alone: the rewards after the next are missing"),
    ("advantages.returns_to_go", "returns", "return returns", "returns[-1] = rewards[-1]\nfor t in reversed(range(len(rewards) - 1)):\n    returns[t] = np.where(ended[t], returns[t], rewards[t] + gamma * returns[t + 1])\nreturn returns", "the last row lacks its bootstrap: the record stops there, and V(s') stands for the rest"),
    ("advantages.gae", "td-error", " * ~terminated", "", THROUGH_FALL, "bootstrap_through_the_fall"),
    ("advantages.gae", "td-error", " * ~terminated", " * ~ended", LIMIT_IS_FALL, "time_limit_is_a_fall"),
    ("advantages.gae", "td-error", "next_values * ~terminated - values", "values * ~terminated - values", "V(s) stands where V(s') belongs"),
    ("advantages.gae", "gae", " - values", "", "δ without −V(s): what is left is a return, no advantage"),
    ("advantages.gae", "gae", "gamma * next_values", "next_values", "γ is missing before V(s')"),
    ("advantages.gae", "gae", " * ~ended[t]", "", "no end cuts the trace: the row after one belongs to another episode"),
    ("advantages.gae", "gae", "~ended[t]", "~terminated[t]", "only a termination cuts the trace; a truncation does so, too"),
    ("advantages.gae", "gae", "~ended[t]", "~ended[t + 1]", "cuts the trace one step early: uₜ, not uₜ₊₁"),
    ("advantages.gae", "gae", "gamma * gae_lambda *", "gae_lambda *", "γ is missing in the trace: (γλ)"),
    ("advantages.gae", "gae", "gamma * gae_lambda *", "gamma *", "right for λ = 1 only: λ is missing in the trace"),
    ("advantages.gae", "gae", "gamma * gae_lambda *", "0 *", "the trace is missing, as with λ = 0"),
    ("advantages.gae", "gae", "(range(len(rewards) - 1))", "(range(len(rewards) - 2))", "the last row's Â does not reach the row before it, which has its δ alone"),
    ("advantages.gae", "n-step", "gae_lambda * advantages", "gae_lambda**2 * advantages", "λ is squared: one factor a step"),
    ("advantages.gae", "n-step", "reversed(range(len(rewards) - 1))", "range(len(rewards) - 1)", "adds γλ times the next row's δ, not its finished Â: what comes after that row is missing"),
    ("advantages.gae", "gae", "in reversed(range(len(rewards) - 1)):\n        advantages[t] += gamma * gae_lambda * advantages[t + 1]", "in range(1, len(rewards)):\n    advantages[t] += gamma * gae_lambda * advantages[t - 1]", "adds up what came before a step; Âₜ is δₜ and what comes after"),
    ("advantages.gae", "gae", "return advantages", "advantages[-1] = 0\nreturn advantages", "the last row is 0; it has its δ"),
    ("advantages.gae", "gae", "for t in reversed(range(len(rewards) - 1)):", "advantages[-1] = 0\nfor t in reversed(range(len(rewards) - 1)):", "the last row is 0, and its δ is missing in the rows before it, too; it has its δ"),
    ("advantages.gae", "gae", "for t in reversed(range(len(rewards) - 1)):\n        advantages[t] += gamma * gae_lambda * advantages[t + 1] * ~ended[t]", "advantages[-1] *= ~ended[-1]\nfor t in reversed(range(len(rewards) - 1)):\n    advantages[t] = (advantages[t] + gamma * gae_lambda * advantages[t + 1]) * ~ended[t]", "(1 − u) takes the whole Â of a row that ends its episode, its own δ too; it cuts off what comes after alone"),
    ("advantages.gae", "gae", "return advantages", "return advantages + values", "this is the value target Â + V; the advantage alone is asked for"),
    ("advantages.gae", "gae", "rewards + gamma * next_values * ~terminated - values", "(rewards + gamma * next_values - values) * ~terminated", "a termination takes the whole δ away; it takes V(s') alone"),
    ("advantages.gae", "gae", "gamma * next_values * ~terminated", "gamma * np.concatenate([values[1:], next_values[-1:]]) * ~terminated", "takes the next row's V for V(s'); after an end that row is another episode's"),
    ("advantages.gae", "gae", "return advantages", "return advantages * ~ended", "(1 − u) takes the ending row's own δ away; it belongs to the next row's advantage alone"),
    ("advantages.gae", "gae", "* ~terminated - values", "* terminated - values", "the flag is turned round: V(s') counts where the step did *not* terminate"),
    ("advantages.gae", "gae", "~ended[t]", "ended[t]", "the flag is turned round: the trace goes on where the episode did *not* end"),
    ("advantages.gae", "gae", "gamma * gae_lambda *", "gamma * (1 - gae_lambda) *", "1 − λ stands where λ belongs"),
    ("advantages.normalize", "normalize", ".std()", ".std(ddof=1)", "divides by N − 1 in the deviation; N is meant"),
    ("advantages.normalize", "normalize", ".std()", ".var()", "divides by the variance; it is the deviation"),
    ("advantages.normalize", "normalize", "(advantages - advantages.mean())", "advantages", "does not subtract the mean"),
    ("advantages.normalize", "normalize", "/ (advantages.std() + eps)", "", "does not divide by the deviation"),
    ("advantages.normalize", "normalize", " + eps", " - eps", "subtracts ε; added, it keeps a flat batch finite"),
    ("advantages.normalize", "normalize", "advantages.std() + eps", "np.sqrt(advantages.var() + eps)", "ε stands under the root; it belongs beside it"),
    ("advantages.normalize", "normalize", "(advantages.std() + eps)", "advantages.std()", "ε is missing: a flat batch divides by zero"),
    ("advantages.normalize", "normalize", "< 2", "< 1", "a single row has no spread; it comes back unchanged"),
    ("advantages.normalize", "normalize", "if len(advantages) < 2:", "if False:", "a single row has no spread; it comes back unchanged"),
    ("advantages.normalize", "normalize", "(advantages.std() + eps)", "advantages.std() + eps", "ε is added to the quotient; it belongs to the deviation, in brackets"),
    ("advantages.group_advantages", "leave-one-out", "centred * size / (size - 1)", "centred", "takes off a mean that has seen the response; leave-one-out takes off the mean of the others: G/(G − 1) times as much"),
    ("advantages.group_advantages", "leave-one-out", "rewards.mean(axis=1, keepdims=True)", "rewards.mean()", "takes the mean of all prompts off; each group has a mean of its own (axis 1)"),
    ("advantages.group_advantages", "group-deviation", "rewards.mean(axis=1, keepdims=True)", "rewards.mean(axis=0)", "compares responses to different prompts; a group is a row (axis 1)"),
    ("advantages.group_advantages", "group-deviation", "rewards.std(axis=1, keepdims=True)", "rewards.std()", "divides by the deviation of all prompts; each group has a deviation of its own (axis 1)"),
    ("advantages.group_advantages", "group-deviation", "rewards.std(axis=1, keepdims=True)", "rewards.std(axis=1, keepdims=True, ddof=1)", "divides by G − 1 in the deviation, as torch.std does; G is meant"),
    ("advantages.group_advantages", "group-deviation", "rewards.std(", "rewards.var(", "divides by the variance; it is the deviation"),
    ("advantages.group_advantages", "group-deviation", "if scale", "if not scale", "the two kinds of credit have changed places"),
    ("advantages.group_advantages", "group-deviation", "return (centred / (", "return (centred * size / (size - 1) / (", "scales what leave-one-out gives; with the deviation it is the group's own mean"),
    ("advantages.group_advantages", "group-deviation", "rewards.std(axis=1, keepdims=True) + eps", "np.sqrt(rewards.var(axis=1, keepdims=True) + eps)", "ε stands under the root; it belongs beside it"),
    ("advantages.group_advantages", "leave-one-out", "if scale:", "if True:", "scales always; without `scale` it is leave-one-out"),
    ("advantages.group_advantages", "group-deviation", "if scale:", "if False:", "never scales; with `scale` the group's deviation divides"),
    ("advantages.group_advantages", "leave-one-out", "/ (size - 1)", "/ (size + 1)"),
    ("rollout.Sampler.collect", "density", "valid[t] = ~self.ended", "valid[t] = True"),
    ("rollout.Sampler.collect", "density", "log_probs[t]", "log_probs[t - 1]"),
    ("rollout.Sampler.collect", "density", "terminated[t], truncated[t], _", "truncated[t], terminated[t], _"),
    ("rollout.Sampler.collect", "density", "raw[t + 1] = self.obs", "raw[t + 1] = raw[t]"),
    ("vpg.policy_loss", "vpg", "-advantages / len(advantages)", "-advantages", NO_MEAN, "sum_instead_of_mean"),
    ("vpg.policy_loss", "vpg", "-np.mean(advantages * log_probs)", "-np.sum(advantages * log_probs)", "the loss is a mean, not a sum"),
    ("vpg.policy_loss", "vpg", "-np.mean", "np.mean", "the loss's sign: minimised, it must be −mean"),
    ("vpg.policy_loss", "vpg-logits", "-advantages / len(advantages)", "advantages / len(advantages)", SLOPE_SIGN, "uphill"),
    ("vpg.policy_loss", "vpg", "-advantages / len(advantages)", "-advantages * log_probs / len(advantages)", "the slope of Â·log π by log π is Â"),
    ("vpg.policy_loss", "vpg", "advantages * log_probs", "advantages * np.exp(log_probs)", "the loss weighs probabilities; it is their logs"),
    ("vpg.policy_loss", "vpg", "-advantages / len(advantages)", "-advantages / len(advantages) * np.exp(log_probs)", "the slope by log π has no factor π"),
    ("vpg.value_loss", "value-loss", "errors / len(errors)", "-0.5 * errors / len(errors)", "dvalues is −½ times the right one: a sign, and the ½ cancels the square's 2"),
    ("vpg.value_loss", "value-loss", "errors / len(errors)", "0.5 * errors / len(errors)", "dvalues is half the right one: the square's derivative brings a 2, which cancels the loss's ½"),
    ("vpg.value_loss", "value-loss", "errors / len(errors)", "errors", NO_MEAN),
    ("vpg.value_loss", "value-loss", "errors / len(errors)", "2 * errors / len(errors)", "dvalues is 2 times the right one: the loss's ½ cancels the square's 2"),
    ("vpg.value_loss", "value-loss", "0.5 * (errors @ errors)", "errors @ errors", "the loss's ½ is missing"),
    ("vpg.value_loss", "value-loss", "errors / len(errors)", "-errors / len(errors)", "the sign of dvalues: v above its target should fall"),
    ("vpg.value_loss", "value-loss", "(errors @ errors) / len(errors)", "(errors @ errors)", "the loss is a mean, not a sum"),
    ("vpg.value_loss", "value-loss", "errors / len(errors)", "(values[:, None] - targets).mean(axis=1)", "(N,1) beside (N,) broadcasts to (N,N): every value meets every target"),
    ("vpg.value_loss", "value-loss", "0.5 * (errors @ errors) / len(errors)", "0.5 * np.mean((values[:, None] - targets) ** 2)", "(N,1) beside (N,) broadcasts to (N,N): every value meets every target"),
    ("ppo.clipped_surrogate", "ratio", "np.exp(log_probs - old_log_probs)", "np.exp(old_log_probs - log_probs)", "the ratio stands on its head: new over old"),
    ("ppo.clipped_surrogate", "clip", "np.exp(log_probs - old_log_probs)", "log_probs - old_log_probs", "this is the ratio's log; ρ is its exp"),
    ("ppo.clipped_surrogate", "ratio", "alive * -plain", "alive * -advantages", "the factor ρ is missing in the slope: ∂ρ/∂log π = ρ"),
    ("ppo.clipped_surrogate", "clipped-objective", "np.minimum", "np.maximum", "the loss takes the larger branch; the min is the pessimist"),
    ("ppo.clipped_surrogate", "clipped-objective", "1 - clip_range, 1 + clip_range", "1 - clip_range, 1", "the band's upper edge is 1 + ε"),
    ("ppo.clipped_surrogate", "clipped-objective", "1 - clip_range, 1 + clip_range", "1 - clip_range, 1 - clip_range", "both edges of the band are 1 − ε; the upper one is 1 + ε"),
    ("ppo.clipped_surrogate", "clipped-objective", "1 - clip_range, 1 + clip_range", "1 + clip_range, 1 + clip_range", "both edges of the band are 1 + ε; the lower one is 1 − ε"),
    ("ppo.clipped_surrogate", "clipped-objective", "1 - clip_range, 1 + clip_range", "-clip_range, clip_range", "the band lies around 0; it lies around 1"),
    ("ppo.clipped_surrogate", "clipped-objective", "1 - clip_range, 1 + clip_range", "1, 1 + clip_range", "the band's lower edge is 1 − ε"),
    ("ppo.clipped_surrogate", "clipped-objective", "-np.minimum(plain, clipped)", "np.minimum(plain, clipped)", "the loss's sign: minimised, it must be −mean"),
    ("ppo.clipped_surrogate", "clipped-objective", "np.minimum(plain, clipped)", "clipped", "the loss has only the clipped branch; the min of both is meant"),
    ("ppo.clipped_surrogate", "clip", "plain <= clipped", "plain < clipped", "`<` for `<=`: all through the band the branches tie, and at ρ = 1 every gradient would be zero, forever", "ties_are_clipped"),
    ("ppo.clipped_surrogate", "clip", "plain <= clipped", "plain >= clipped", "the mask is turned round: the slope lives where the plain branch is the *smaller* one, or ties"),
    ("ppo.clipped_surrogate", "clip", "plain <= clipped", "plain == clipped", "right but for the rows beyond the clip: outside the band half of them still pull the policy back"),
    ("ppo.clipped_surrogate", "ppo", "alive * -plain", "-plain", "no row's gradient is clipped: c is missing"),
    ("ppo.clipped_surrogate", "ppo", "-plain / len(plain)", "-plain", NO_MEAN, "sum_instead_of_mean"),
    ("ppo.clipped_surrogate", "clip", "alive * -plain", "alive * plain", SLOPE_SIGN, "uphill"),
    ("ppo.clipped_surrogate", "clip", "plain <= clipped", "(ratios <= 1 + clip_range)", "the upper edge kills the slope whatever the advantage's sign; with Â < 0 a likelier bad action must come back"),
    ("ppo.clipped_surrogate", "clip", "alive * -plain / len(plain)", "-clipped / len(plain)", "the slope is the clipped branch itself; where that branch counts it is constant, so 0"),
    ("ppo.clipped_surrogate", "clip", "alive * -plain / len(plain)", "-np.minimum(plain, clipped) / len(plain)", "the slope is the smaller branch itself; where that is the clipped one it is constant, so 0"),
    ("ppo.clipped_surrogate", "clipped-objective", "np.minimum(plain, clipped)", "np.minimum(ratios, 1 + clip_range) * advantages", "the min is of ratios; it is of the products with Â, whose sign turns it round"),
    ("ppo.clipped_surrogate", "ratio", ".sum() / len(plain)", ".sum()", "the loss is a mean, not a sum"),
    ("ppo.clipped_value_loss", "clipped-value", "old_values - clip_range, old_values + clip_range", "-clip_range, clip_range", "clips the value itself; what is clipped is its distance from the old one"),
    ("ppo.clipped_value_loss", "clipped-value", "np.maximum", "np.minimum", "the loss takes the smaller error; the larger one counts"),
    ("ppo.clipped_value_loss", "clipped-value", "squares >= clipped_squares", "squares > clipped_squares", "`>` for `>=`: inside the band the errors tie, and every slope would be zero"),
    ("ppo.clipped_value_loss", "clipped-value", "alive * (values", "(values", "no row's slope is taken away: beyond the band, where the clipped error is the larger, it is 0"),
    ("ppo.clipped_value_loss", "clipped-value", "squares >= clipped_squares", "np.abs(values - old_values) <= clip_range", "every row beyond the band is silent; only those whose clipped error is the larger are"),
    ("ppo.clipped_value_loss", "clipped-value", "np.clip(values, old_values - clip_range, old_values + clip_range)", "old_values + np.clip(values - old_values, -clip_range, clip_range)", "inside the band vᶜ must be v to the last bit: subtracting and adding v_old rounds, and rows whose errors should tie lose their slope; clip v between v_old − ε and v_old + ε"),
    ("ppo.clipped_value_loss", "clipped-value", "/ len(values)", "", NO_MEAN),
    ("ppo.clipped_value_loss", "clipped-value", "0.5 * np.mean", "np.mean", "the loss's ½ is missing"),
    ("ppo.clipped_value_loss", "clipped-value", "np.maximum(squares, clipped_squares)", "clipped_squares", "the loss has only the clipped error; the larger one of both counts"),
    ("ppo.clipped_value_loss", "clipped-value", "alive * (values - targets)", "(np.where(alive, values, clipped) - targets)", "where the clipped error counts the prediction is constant, so its slope is 0"),
    ("ppo.clipped_value_loss", "clipped-value", "alive * (values - targets)", "(clipped - targets)", "the slope is vᶜ − y everywhere; where the clipped error counts the prediction is constant, so 0"),
    ("ppo.clipped_value_loss", "clipped-value", "old_values - clip_range, old_values + clip_range", "old_values * (1 - clip_range), old_values * (1 + clip_range)", "the band is ± ε, not ± ε times the old value"),
    ("ppo.clipped_value_loss", "clipped-value", "np.mean(", "np.sum(", "the loss is a mean, not a sum"),
    ("ppo.clipped_value_loss", "clipped-value", "squares >= clipped_squares", "squares <= clipped_squares", "the mask is turned round: the slope lives where the plain error is the *larger* one, or ties"),
    ("ppo.update", "clipped-value", "part.values, part.targets", "part.targets, part.values"),
    ("ppo.update", "clipped-value", "value_clip_range is not None", "value_clip_range is None"),
    ("ppo.update", "ppo", "part.log_probs, part.advantages", "part.log_probs, part.targets"),
    ("ppo_penalty.penalized_surrogate", "ratio", "-plain / len(plain)", "-advantages / len(plain)", "the factor ρ is missing in the slope: ∂ρ/∂log π = ρ"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "plain - kl_coefficient", "plain + kl_coefficient", "the loss rewards a large KL: inside the bracket the penalty is subtracted"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "kl_coefficient / len(kls)", "kl_coefficient", "dkls lacks the loss's 1/N"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "kl_coefficient / len(kls)", "-kl_coefficient / len(kls)", "dkls has the wrong sign: a larger KL makes the loss larger"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "-plain / len(plain)", "plain / len(plain)", SLOPE_SIGN),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "-plain / len(plain)", "-plain", "dlog_probs lacks the loss's 1/N"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "kl_coefficient / len(kls)", "kl_coefficient * kls / len(kls)", "the slope of β KL by KL is β, without KL"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "np.mean(", "np.sum(", "the loss is a mean, not a sum"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "-np.mean(plain - kl_coefficient * kls)", "-np.mean(plain) + kl_coefficient * np.sum(kls)", "the penalty is a mean over the rows, too"),
    ("ppo_penalty.penalized_surrogate", "kl-penalty", "plain - kl_coefficient * kls", "plain", "the penalty is missing in the loss"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_coefficient / 2", "2 * kl_coefficient", "a small KL means the leash is too short: halve β"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_target / 1.5", "kl_target", "below the target itself nothing happens yet: the edge is target/1.5"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_target * 1.5", "kl_target", "above the target itself nothing happens yet: the edge is 1.5 times the target"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl > kl_target * 1.5", "kl < kl_target * 1.5", "doubles below the upper edge; it should above"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_coefficient * 2", "0.5 * kl_coefficient", "a large KL means the leash is too long: double β"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_coefficient / 2", "kl_coefficient / 1.5", "1.5 belongs to the edges; β itself is halved"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_coefficient * 2", "kl_coefficient * 1.5", "1.5 belongs to the edges; β itself is doubled"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_target / 1.5", "kl_target / 2", "the lower edge is target/1.5; 2 is β's factor"),
    ("ppo_penalty.adapt_kl_coefficient", "adaptive-kl", "kl_target * 1.5", "kl_target * 2", "the upper edge is 1.5 times the target; 2 is β's factor"),
    ("ppo_penalty.penalized_step", "kl-penalty", "policy.kl_backward(dkls, old_distribution, cache)", "0"),
    ("ppo_penalty.update", "kl-penalty", "old_distribution[rows]", "old_distribution"),
    ("ppo_penalty.update", "kl-penalty", "old_distribution[rows]", "policy.distribution(minibatch.obs)"),
    ("ppo_penalty.update", "adaptive-kl", "= adapt_kl_coefficient(beta, kl, config.kl_target)", "= beta"),
    ("ppo.clip_statistics", "diagnostics", "np.mean(dead)", "np.mean(above | below)", "dead_fraction counts every row outside the band; half of them still have a gradient"),
    ("ppo.clip_statistics", "diagnostics", "below & (advantages < 0)", "below & (advantages > 0)", "dead below the band are rows with Â < 0: they have already gone the way they should"),
    ("ppo.clip_statistics", "diagnostics", "above & (advantages > 0)", "above & (advantages < 0)", "dead above the band are rows with Â > 0: they have already gone the way they should"),
    ("ppo.clip_statistics", "diagnostics", "np.mean(above | below), np.mean(dead)", "np.mean(above), np.mean(dead)", "clip_fraction counts one side of the band only"),
    ("ppo.clip_statistics", "diagnostics", "np.mean(above | below), np.mean(dead)", "np.sum(above | below), np.sum(dead)", "these are counts; fractions of the rows are asked for"),
    ("ppo.clip_statistics", "diagnostics", "np.mean(above | below), np.mean(dead)", "np.mean(dead), np.mean(above | below)", "the two have changed places: clip_fraction first"),
    ("ppo.clip_statistics", "diagnostics", "np.mean(dead)", "np.mean(dead) / np.mean(above | below)", "dead_fraction is the share of the clipped rows; of all rows is asked for"),
    ("ppo.clip_statistics", "diagnostics", "ratios > 1 + clip_range, ratios < 1 - clip_range", "np.log(ratios) > clip_range, np.log(ratios) < -clip_range", "holds log ρ against ± ε; it is ρ against 1 ± ε"),
    ("training.make_batch", "value-target", "advantages + values[:-1]", "advantages + values[1:]", "adds V of the next state to Â; the target is Â + V of this one"),
    ("training.make_batch", "value-target", "advantages + values[:-1]", "normalize(advantages) + values[:-1]", "normalises Â first; the target keeps the rewards' units"),
    ("training.make_batch", "", "advantages + values[:-1]", "advantages", "Â alone, without V: the target is Â + V"),
    ("training.make_batch", "", "advantages + values[:-1]", "advantages - values[:-1]", "the sign of V: the target is Â + V"),
    ("training.make_batch", "", "advantages + values[:-1]", "config.reward_scale * rollout.rewards + config.gamma * values[1:] * ~rollout.terminated", "the target of one step, r + γ V(s'); Â + V reaches as far as Â does"),
    ("training.make_batch", "", "config.reward_scale * rollout.rewards", "rollout.rewards", "the rewards are to be scaled with config.reward_scale"),
    ("training.make_batch", "", "values[:-1], values[1:], rollout.terminated", "values[1:], values[:-1], rollout.terminated", "V(s) and V(s') have changed places"),
    ("training.make_batch", "", "rollout.terminated, ended", "ended, ended", LIMIT_IS_FALL),
    ("training.make_batch", "", "config.gamma, config.gae_lambda", "config.gae_lambda, config.gamma", "γ and λ have changed places"),
    ("vpg.update", "", "range(config.value_steps)", "range(1)", "the value function takes one step; config.value_steps are asked for"),
    ("vpg.update", "", "statistics |= value_step(", "statistics |= policy_step(learner, batch, config, loss_of_policy) | value_step(", "the policy steps along with the value function; it takes one step"),
    ("vpg.update", "", "for _ in range(config.value_steps):\n        statistics |= value_step(learner, batch, config, loss_of_value)", "statistics |= {'value_loss': 0.0, 'value_grad_norm': 0.0}", "the value function takes no step"),
    ("vpg.update", "", "range(config.value_steps)", "range(config.value_steps - 1)", "the value function takes one step too few"),
    ("ppo.update", "", "range(config.epochs)", "range(1)", "one epoch; config.epochs are asked for"),
    ("ppo.update", "", "minibatches(len(batch.obs), config.minibatch_size, rng)", "[rng.integers(len(batch.obs), size=min(len(batch.obs), config.minibatch_size)) for _ in minibatches(len(batch.obs), config.minibatch_size, rng)]", "rows are drawn with replacement; in each epoch every row comes once"),
    ("ppo.update", "", "(learner, minibatch, config, loss_of_policy)", "(learner, batch, config, loss_of_policy)", "the policy steps on the whole batch, not on the minibatch"),
    ("ppo.update", "", "config.max_kl is not None", "False", "max_kl does not end the epochs"),
    ("ppo.update", "", "minibatches(len(batch.obs), config.minibatch_size, rng):", "minibatches(len(batch.obs), config.minibatch_size, rng)[:1]:", "one minibatch an epoch; every row comes once"),
    ("ppo.update", "", "value_step(learner, minibatch, config, loss_of_value)", "{'value_loss': 0.0, 'value_grad_norm': 0.0}", "the value function takes no step"),
    ("gradient_check.largest_error", "", "np.abs(function(x, *given)[1] - slopes)", "function(x, *given)[1] - slopes"),
    ("gradient_check.largest_error", "", "np.imag(", "np.real("),
    ("gradient_check.largest_error", "", "/ 1e-20", ""),
    ("gradient_check.largest_error", "", "float(np.max(np.abs(function(x, *given)[1] - slopes)))", "0.0"),
    ("training.make_batch", "value-target", "targets[rollout.valid]", "targets.ravel()"),
    ("training.make_batch", "value-target", "terminated | rollout.truncated", "terminated", "a truncation ends the record, too: the row after it belongs to another episode"),
    ("training.make_batch", "normalize", "normalize(advantages)", "advantages"),
    ("training.make_batch", "normalize", "normalize(advantages)", "normalize(targets[rollout.valid])", "credits an action with its estimated return, Â + V, not with what that exceeds V by", "no_learned_baseline"),
    ("training.make_batch", "normalize", "normalize(advantages)", "targets[rollout.valid] / (targets[rollout.valid].std() + 1e-08)", "credits an action with its estimated return, and the normalisation only divides: no mean is subtracted either", "no_baseline_at_all"),
    ("training.make_batch", "value-target", ", advantages, targets", ", advantages[::-1], targets", "every row is given another row's advantage: the first the last one's, and so on", "rows_mixed_up"),
    ("learner.policy_step", "ppo", "loss_function(log_probs, batch)", "loss_function(log_probs, batch._replace(log_probs=log_probs))"),
    ("learner.entropy_bonus", "ppo joint-loss", "-config.entropy_coefficient", "config.entropy_coefficient"),
    ("learner.entropy_bonus", "joint-loss", "-config.entropy_coefficient / len(entropies)", "-config.entropy_coefficient"),
    ("learner.value_step", "joint-loss", "value.backward(dvalues[:, None], cache)", "-value.backward(dvalues[:, None], cache)"),
    ("one_page.Network.backward", "backprop", " * (1 - h * h)", "", "skips the activation on the way back"),
    ("one_page.Network.backward", "backprop", "h * h", "h", "tanh' is 1 − h², with the output squared"),
    ("one_page.Network.backward", "backprop", "h * h", "np.tanh(h) ** 2", "squashes twice: h is already tanh(z)"),
    ("one_page.Network.backward", "backprop", "np.dot(dy, self.W2.T)", "np.dot(dy, self.W2)", "W₂ goes back transposed: X̄ = Ȳ Wᵀ"),
    ("one_page.Network.backward", "backprop", "(h.T @ dy).ravel()", "(dy.T @ h).ravel()", "flattens W₂ transposed: rows are inputs"),
    ("one_page.Network.backward", "backprop", "ones @ dz", "dz.mean(axis=0)", "b₁: a mean; dy carries the 1/N already, so sum"),
    ("one_page.Network.backward", "backprop", "ones @ dy", "dy.mean(axis=0)", "b₂: a mean; dy carries the 1/N already, so sum"),
    ("one_page.Network.backward", "backprop", "(x.T @ dz).ravel()", "(dz.T @ x).ravel()", "flattens W₁ transposed: rows are inputs"),
    ("one_page.Network.backward", "backprop", "(x.T @ dz).ravel(), ones @ dz, (h.T @ dy).ravel(), ones @ dy", "(h.T @ dy).ravel(), ones @ dy, (x.T @ dz).ravel(), ones @ dz", "the layers come out last first; `parameters` holds W₁, b₁, W₂, b₂"),
    ("one_page.Network.step", "adam", "g * min(1, MAX_NORM / (norm + 1e-06))", "g", "does not shorten a long gradient to MAX_NORM"),
    ("one_page.Network.step", "adam", "min(1, MAX_NORM / (norm + 1e-06))", "MAX_NORM / (norm + 1e-06)", "lengthens short gradients too: the factor is min(1, c/n)"),
    ("one_page.Network.step", "adam", "self.m / (1 - 0.9 ** self.t)", "self.m", "no bias correction of m: it began at zero"),
    ("one_page.Network.step", "adam", "self.v / (1 - 0.999 ** self.t)", "self.v", "no bias correction of v: it began at zero"),
    ("one_page.Network.step", "adam", "step_size * m_hat / (np.sqrt(v_hat) + 1e-08)", "step_size * self.m / (np.sqrt(self.v) + 1e-08)", "no bias correction of m and v: both began at zero"),
    ("one_page.Network.step", "adam", "(np.sqrt(v_hat) + 1e-08)", "(v_hat + 1e-08)", "forgets the root of v̂"),
    ("one_page.Network.step", "adam", "(g * g - self.v)", "(g - self.v)", "v is the moment of g², not of g"),
    ("one_page.Network.step", "adam", "self.parameters -= ", "m_hat, v_hat = self.m / (1 - 0.9), self.v / (1 - 0.999)\nself.parameters -= ", "1 − β stands where 1 − βᵗ belongs: the correction stays that of the first step"),
    ("one_page.Network.step", "adam", " + 1e-08)", ")", "ε is missing beside the root: where a gradient is 0, that is 0/0"),
    ("one_page.Network.step", "adam", "(np.sqrt(v_hat) + 1e-08)", "np.sqrt(v_hat + 1e-08)", "ε stands under the root; it belongs beside it"),
    ("one_page.Network.step", "adam", "self.parameters -= ", "self.parameters += ", "goes uphill: θ ← θ − α …"),
    ("one_page.Network.step", "adam", "self.t += 1", "self.t = 1", "does not count its steps: the correction stays that of t = 1"),
    ("one_page.log_softmax", "log-softmax", "z - z.max(axis=1, keepdims=True)", "z", "overflows: take each row's largest logit off before exp"),
    ("one_page.log_softmax", "log-softmax", "np.exp(z).sum(axis=1", "np.exp(z).sum(axis=0", SOFTMAX_AXIS),
    ("one_page.log_softmax", "log-softmax", "z - np.log(np.exp(z).sum(axis=1, keepdims=True))", "np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)", "these are probabilities; their logs are asked for"),
    ("one_page.credit", "gae", " * ~terminated - ", " - ", THROUGH_FALL),
    ("one_page.credit", "gae", "~terminated -", "~(terminated | truncated) -", LIMIT_IS_FALL),
    ("one_page.credit", "gae", "v[1:] * ~terminated - v[:-1]", "v[:-1] * ~terminated - v[:-1]", "V(s) stands where V(s') belongs"),
    ("one_page.credit", "gae", " - v[:-1]", "", "δ without −V(s): what is left is a return, no advantage"),
    ("one_page.credit", "gae", "GAMMA * LAMBDA *", "GAMMA *", "right for λ = 1 only: λ is missing in the trace"),
    ("one_page.credit", "gae", "GAMMA * LAMBDA *", "LAMBDA *", "γ is missing in the trace: (γλ)"),
    ("one_page.credit", "gae", " * ~(terminated[t] | truncated[t])", "", "no end cuts the trace: the row after one belongs to another episode"),
    ("one_page.credit", "gae", "~(terminated[t] | truncated[t])", "~terminated[t]", "only a termination cuts the trace; a truncation does so, too"),
    ("one_page.policy_slope", "clip", "log_probs[onehot] - old_log_prob", "old_log_prob - log_probs[onehot]", "the ratio stands on its head: new over old"),
    ("one_page.policy_slope", "clip", "1 - clip_range, 1 + clip_range", "1 - clip_range, 1 - clip_range", "both edges of the band are 1 − ε; the upper one is 1 + ε"),
    ("one_page.policy_slope", "clip", "1 - clip_range, 1 + clip_range", "1 - CLIP_RANGE, 1 + CLIP_RANGE", "takes CLIP_RANGE for the argument `clip_range`, which falls to 0"),
    ("one_page.policy_slope", "clip", "alive * -plain", "alive * plain", SLOPE_SIGN),
    ("one_page.policy_slope", "clip", "plain <= clipped", "plain < clipped", "`<` for `<=`: all through the band the branches tie, and at ρ = 1 every gradient would be zero, forever"),
    ("one_page.policy_slope", "clip", "plain <= clipped", "plain >= clipped", "the mask is turned round: the slope lives where the plain branch is the *smaller* one, or ties"),
    ("one_page.policy_slope", "clip", "plain <= clipped", "plain == clipped", "right but for the rows beyond the clip: outside the band half of them still pull the policy back"),
    ("one_page.policy_slope", "clip", "alive * -plain", "-plain", "no row's gradient is clipped: c is missing"),
    ("one_page.policy_slope", "clip", "alive * -plain", "alive * -advantage", "the factor ρ is missing in the slope: ∂ρ/∂log π = ρ"),
    ("one_page.policy_slope", "clip", "/ len(plain)", "", NO_MEAN),
    ("one_page.policy_slope", "clip", "onehot - np.exp(log_probs)", "onehot", NO_PI),
    ("1_bandit.gradient", "policy-gradient", "reward * (", "(", "the weight r is missing: every arm that is pulled becomes likelier, whatever it paid"),
    ("1_bandit.gradient", "policy-gradient", "onehot - softmax(logits)", "softmax(logits) - onehot", DOWNHILL),
    ("1_bandit.gradient", "policy-gradient", "onehot - softmax(logits)", "onehot", NO_PI),
    ("1_bandit.gradient", "policy-gradient", "onehot - softmax(logits)", "softmax(logits)", NO_ONEHOT),
    ("1_bandit.gradient", "policy-gradient", "onehot - softmax(logits)", "onehot + softmax(logits)", PLUS_PI),
    ("1_bandit.gradient", "policy-gradient", "softmax(logits)", "logits", NO_SOFTMAX),
    ("1_bandit.gradient", "policy-gradient", "onehot - softmax(logits)", "1 - softmax(logits)", EVERY_ACTION),
    ("2_reinforce.gradient", "policy-gradient", "onehot - softmax(x @ W)", "softmax(x @ W) - onehot", DOWNHILL),
    *(("2_reinforce.gradient", "policy-gradient", *row) for row in LINEAR),
    ("3_reward_to_go.gradient", "reward-to-go", "onehot - softmax(x @ W)", "softmax(x @ W) - onehot", DOWNHILL),
    *(("3_reward_to_go.gradient", "reward-to-go", *row) for row in LINEAR),
    ("3_reward_to_go.gradient", "reward-to-go", "reward[::-1].cumsum(axis=0)[::-1]", "reward.cumsum(axis=0)", "sums what was paid *until* each step; the reward-to-go is what is paid from it on"),
    ("3_reward_to_go.gradient", "reward-to-go", "cumsum(axis=0)[::-1]", "cumsum(axis=0)", "the sums run from the end, and are not turned back: their rows stand in reverse"),
    ("3_reward_to_go.gradient", "reward-to-go", "reward[::-1].cumsum(axis=0)[::-1]", "reward.cumsum(axis=0)[::-1]", "turns the sums round, not what is summed: turn the rewards, sum, turn back"),
    ("3_reward_to_go.gradient", "reward-to-go", "cumsum(axis=0)", "cumsum(axis=1)", "sums over the carts (axis 1); an episode goes down its column (axis 0)"),
    ("3_reward_to_go.gradient", "reward-to-go", "reward[::-1].cumsum(axis=0)[::-1]", "np.broadcast_to(reward.sum(axis=0), reward.shape)", "that is the whole return, as one stair below: an action cannot change what was paid before it"),
    ("3_reward_to_go.gradient", "reward-to-go", "reward[::-1].cumsum(axis=0)[::-1]", "reward", "the step's own reward alone; what it leads to counts as well"),
    ("3_reward_to_go.gradient", "reward-to-go", "reward[::-1].cumsum(axis=0)[::-1]", "reward[::-1].cumsum(axis=0)[::-1] - reward", "leaves out the step's own reward: the sum begins with it"),
    ("4_baseline.gradient", "baseline", "onehot - softmax(x @ W)", "softmax(x @ W) - onehot", DOWNHILL + "; or the baseline is to be taken off the weight, not the weight off the baseline"),
    *(("4_baseline.gradient", "baseline", *row) for row in LINEAR),
    ("4_baseline.gradient", "baseline", "weight - (", "weight + (", "adds the baseline; praise is for what is more than it: subtract"),
    ("4_baseline.gradient", "baseline", "(weight.sum(axis=1) / valid.sum(axis=1))[:, None]", "weight.sum(axis=0) / valid.sum(axis=0)", "the mean runs over each cart's own steps (axis 0): it should be over the carts at one time (axis 1)"),
    ("4_baseline.gradient", "baseline", "(weight.sum(axis=1) / valid.sum(axis=1))", "weight.mean(axis=1)", "the mean counts the fallen carts: divide by how many are valid"),
    ("4_baseline.gradient", "baseline", "(weight.sum(axis=1) / valid.sum(axis=1))[:, None]", "weight.sum() / valid.sum()", "one mean for all times; the baseline is the carts' mean at that time (axis 1)"),
    ("4_baseline.gradient", "baseline", "(weight.sum(axis=1) / valid.sum(axis=1))[:, None]", "weight.mean()", "one mean for all times, and the fallen count in it; it is the valid carts' at that time (axis 1)"),
    ("4_baseline.gradient", "baseline", " - (weight.sum(axis=1) / valid.sum(axis=1))[:, None]", "", "nothing is subtracted: the baseline is missing"),
    ("4_baseline.gradient", "baseline", "weight - (", "(", "the baseline alone: it is subtracted from the weight"),
    ("4_baseline.gradient", "baseline", "valid.sum(axis=1))[:, None]", "valid.sum(axis=1))", "means (T,) beside (T,N): `[:, None]` makes them a column"),
    ("6_critic.credit", "gae", " * ~terminated - ", " - ", THROUGH_FALL),
    ("6_critic.credit", "gae", "~terminated -", "~(terminated | truncated) -", LIMIT_IS_FALL),
    ("6_critic.credit", "gae", "v[1:] * ~terminated - v[:-1]", "v[:-1] * ~terminated - v[:-1]", "V(s) stands where V(s') belongs"),
    ("6_critic.credit", "gae", " - v[:-1]", "", "δ without −V(s): what is left is a return, no advantage"),
    ("6_critic.credit", "gae", "GAMMA * LAMBDA *", "GAMMA *", "right for λ = 1 only: λ is missing in the trace"),
    ("6_critic.credit", "gae", "GAMMA * LAMBDA *", "LAMBDA *", "γ is missing in the trace: (γλ)"),
    ("6_critic.credit", "gae", " * ~ended", "", "no end cuts the trace: the row after one belongs to another episode"),
    ("6_critic.credit", "gae", "~ended", "~terminated[t]", "only a termination cuts the trace; a truncation does so, too"),
    ("7_many_carts.dlogits", "vpg-logits", "-advantage", "advantage", SLOPE_SIGN),
    ("7_many_carts.dlogits", "vpg-logits", " / len(x)", "", NO_MEAN),
    ("7_many_carts.dlogits", "vpg-logits", " / len(x)", " / logits.size", "divides by B and by the number of actions; the mean is over the rows"),
    ("7_many_carts.dlogits", "vpg-logits", "-advantage * (", "-(", "the weight is missing: the advantage of each row"),
    ("7_many_carts.dlogits", "vpg-logits", "onehot - softmax(logits)", "onehot", NO_PI),
    ("7_many_carts.dlogits", "vpg-logits", "onehot - softmax(logits)", "softmax(logits)", NO_ONEHOT),
    ("7_many_carts.dlogits", "vpg-logits", "onehot - softmax(logits)", "onehot + softmax(logits)", PLUS_PI),
    ("7_many_carts.dlogits", "vpg-logits", "softmax(logits)", "logits", NO_SOFTMAX),
    ("8_epochs.dlogits", "ratio", "-ratio", "ratio", SLOPE_SIGN),
    ("8_epochs.dlogits", "ratio", " / len(i)", "", NO_MEAN),
    ("8_epochs.dlogits", "ratio", " / len(i)", " / len(x)", "divides by the rollout's rows; the mean is over the minibatch's, `i`"),
    ("8_epochs.dlogits", "ratio", "(onehot[i] * probs).sum(axis=1)[:, None] / old[i]", "old[i] / (onehot[i] * probs).sum(axis=1)[:, None]", "the ratio stands on its head: new over old"),
    ("8_epochs.dlogits", "ratio", "-ratio *", "-", "the factor ρ is missing in the slope: ∂ρ/∂log π = ρ"),
    ("8_epochs.dlogits", "ratio", "[:, None] / old[i]", "[:, None]", "the ratio is not divided by the old policy's probability"),
    ("8_epochs.dlogits", "ratio", "(onehot[i] * probs).sum(axis=1)[:, None] / old[i]", "probs / old[i]", "a ratio of every action; it is that of the one that was taken"),
    ("8_epochs.dlogits", "ratio", "* advantage[i]", "", "the weight is missing: the advantage of each row"),
    ("8_epochs.dlogits", "ratio", "advantage[i]", "advantage", "the whole rollout's advantages beside a minibatch's rows: `advantage[i]`"),
    ("8_epochs.dlogits", "ratio", "onehot[i] - probs", "onehot - probs", "the whole rollout's one-hots beside a minibatch's rows: `onehot[i]`"),
    ("8_epochs.dlogits", "ratio", "onehot[i] - probs", "onehot[i]", NO_PI),
    ("8_epochs.dlogits", "ratio", "onehot[i] - probs", "probs", NO_ONEHOT),
    ("8_epochs.dlogits", "ratio", "onehot[i] - probs", "onehot[i] + probs", PLUS_PI),
    ("mdp.density", "density", "chance * (1 - last if finished else last)", "chance"),
    ("mdp.density", "density", "mdp.start[states[0]] * np.prod(", "np.sum("),
    ("mdp.returns", "objective", "np.triu", "np.tril"),
    ("mdp.returns", "objective", "steps[:, None], 0)", "steps[:, None] + 1, 0)"),
    ("mdp.values_within", "objective", "mdp.gamma * P @ V", "P @ V"),
    ("mdp.trajectory_score", "log-derivative", ".sum(axis=0)", ".mean(axis=0)"),
    ("mdp.trajectory_score", "dynamics", "trajectory.actions].sum", "trajectory.actions][1:].sum"),
    ("mdp.scores", "log-derivative", "features - ", "features + "),
    ("mdp.whole_return", "policy-gradient", "G[0]", "G[-1]"),
    ("mdp.moments", "policy-gradient", "probabilities @ points", "points.mean(axis=0)"),
    ("mdp.moments", "reward-to-go", "(points - mean) ** 2", "points**2"),
    ("mdp.reward_to_go", "reward-to-go", "mdp.gamma ** np.arange(len(G)) * G", "G"),
    ("mdp.less_baseline", "baseline", "baseline[trajectory.states]", "baseline[trajectory.actions]"),
    ("mdp.less_baseline", "baseline", "(G - baseline[trajectory.states])", "G - baseline[trajectory.states]"),
    ("mdp.action_values", "action-values", "mdp.gamma * ", ""),
    ("mdp.advantages", "action-values", "values(mdp, pi)[:, None]", "values(mdp, pi)[None]"),
    ("mdp.gradient", "visitation", "visitation(mdp, pi), pi", "np.ones(2), pi"),
    ("mdp.visited_gradient", "visitation", "'s,sa,sa,sap->p', visits, pi", "'s,sa,sap->p', visits"),
    ("mdp.values", "tabular-gradient", "mdp.gamma * ", ""),
    ("mdp.visitation", "tabular-gradient", "state_transitions(mdp, pi).T", "state_transitions(mdp, pi)"),
    ("mdp.visitation", "entropy", "mdp.gamma * ", ""),
    ("mdp.softmax_gradient", "tabular-gradient", "advantages(mdp, pi)", "action_values(mdp, pi)"),
    ("mdp.softmax_gradient", "kl", " * pi * ", " * "),
    ("mdp.best_baseline", "best-baseline", "(returns * squares) / (probabilities @ squares)", "returns"),
    ("mdp.best_baseline", "best-baseline", "step_scores ** 2", "abs(step_scores) ** 3"),
    ("mdp.practical_gradient", "vpg", "gamma=1.0", "gamma=0.9"),
    ("mdp.batches", "vpg", "points[chosen].sum(axis=1)", "points[chosen].mean(axis=1)"),
    ("mdp.performance_difference", "performance", "advantages(mdp, old_pi)", "advantages(mdp, pi)"),
    ("mdp.performance_difference", "performance", "density(mdp, pi, one)", "density(mdp, old_pi, one)"),
    ("tokens.log_probs", "response-score", ".sum(axis=1)", ".mean(axis=1)"),
    ("tokens.token_log_probs", "response-score", "AFTER, WRITTEN", "AFTER, WRITTEN[::-1]"),
    ("tokens.token_scores", "response-score", "probs[AFTER[y, t]]", "probs[0 * AFTER[y, t]]"),
    ("tokens.gradient", "response-score", "np.exp(log_probs(logits)) * values", "values"),
    ("tokens.group_gradient", "leave-one-out", "credit(groups) / size", "credit(groups)"),
    ("tokens.deviation_weight", "group-deviation", "np.sqrt(right * (size - right))", "right"),
    ("tokens.deviation_weight", "group-deviation", "(p * (1 - p))[", "p["),
    ("tokens.per_length", "response-length", "/ LENGTHS", "/ LENGTHS.mean()"),
    ("tokens.per_length", "response-length", "rewards - mean(rewards, logits)", "rewards"),
    ("tokens.ratios", "sequence-ratio", "np.exp(whole / LENGTHS)", "np.exp(whole)"),
    ("tokens.ratios", "sequence-ratio", "token_log_probs(logits) - ", ""),
    ("tokens.ratio_gradients", "sequence-ratio", "root / LENGTHS", "root"),
    ("tokens.ratio_gradients", "sequence-ratio", "log_probs(old_logits)", "log_probs(logits)"),
    ("tokens.ratio_gradients", "sequence-ratio", "weights, of_tokens, ", "weights, of_tokens**0, "),
    ("tokens.loss_weights", "sequence-ratio", "clipped(root, low) * scaled / own", "clipped(root, low)"),
    ("tokens.loss_weights", "sequence-ratio", "np.clip(ratios, 1 - low, 1 + high)", "ratios"),
    ("tokens.loss_weights", "sequence-ratio", "clipped(ratios, high)", "clipped(ratios, low)"),
    ("tokens.loss_weights", "sequence-ratio", "ratio > 1 + high", "ratio > 1 + low"),
    ("tokens.loss_weights", "sequence-ratio", "* (1 - 1 / len(rewards))", ""),
    ("tokens.loss_weights", "sequence-ratio", "np.minimum(np.exp(generated), most)", "np.exp(generated)"),
    ("tokens.penalised", "kl-reward", "rewards - beta", "rewards + beta"),
    ("tokens.penalised", "kl-reward", "beta * ", ""),
    ("tokens.kl", "kl-reward", "np.exp(log_probs(logits))", "np.exp(log_probs(other_logits))"),
    ("tokens.kl_slopes", "kl-losses", "-log_ratios", "log_ratios"),
    ("tokens.kl_slopes", "kl-losses", "-np.expm1(", "-np.exp("),
    ("tokens.kl_slopes", "kl-losses", "np.ones_like(log_ratios)", "-np.ones_like(log_ratios)"),
    ("tokens.kl_loss_gradients", "kl-losses", "chances * k", "k"),
    ("tokens.kl_loss_gradients", "kl-losses", "chances, k, token_scores", "0 * chances, k, token_scores"),
    ("tokens.tilted", "tilted", "rewards / beta", "rewards * beta"),
    ("tokens.tilted", "tilted", "np.log(weights.sum())", "weights.sum()"),
    ("tokens.logits_of", "tilted", "np.log(through)", "through"),
    ("tokens.dpo_loss", "dpo", "np.exp(margins)", "np.exp(-margins)"),
    ("tokens.dpo_loss", "dpo", "[-slopes, slopes]", "[slopes, -slopes]"),
    ("tokens.dpo_loss", "dpo", "beta / (1 + ", "1 / (1 + "),
    ("tokens.dpo_loss", "dpo", "log_probs - reference_log_probs", "log_probs"),
]]  # fmt: skip
FAULTS += [fault._replace(function="5_network.Network.backward") for fault in FAULTS
           if fault.function == "one_page.Network.backward"]  # fmt: skip


@cache
def bare_source(function):
    """A function's source without comments and docstring, each statement on one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    if ast.get_docstring(tree.body[0]) is not None:
        del tree.body[0].body[0]
    return ast.unparse(tree)


def edited_source(function, *exchanges):
    """A function's bare source with pieces of it exchanged: old, new, old, new, …

    Raises ValueError unless each old piece stands there exactly once.
    """
    source = getattr(function, "source", None) or bare_source(function)
    for old, new in zip(exchanges[::2], exchanges[1::2], strict=True):
        if source.count(old) != 1:
            raise ValueError(
                f"{function.__qualname__} has {source.count(old)} times {old!r}:\n{source}"
            )
        source = source.replace(old, new.replace("\n", "\n    "))
    return source


def edited(function, *exchanges):
    """A copy of a function with pieces of its source exchanged; arguments as of edited_source."""
    made = {}
    exec(edited_source(function, *exchanges), function.__globals__, made)
    return made[function.__name__]


def owner_of(path):
    """Where a shipped function of the lesson, or of an exact world, is -> (module or class, name)."""
    module, *names = path.split(".")
    owner = importlib.import_module(WORLDS.get(module, module))
    for name in names[:-1]:
        owner = getattr(owner, name)
    return owner, names[-1]


@contextlib.contextmanager
def injected(*faults):
    """In this block shipped functions have these Faults, in each of our modules that has them."""
    replaced = []
    try:
        for fault in faults:
            owner, name = owner_of(fault.function)
            right = vars(owner)[name]
            wrong = edited(right, fault.old, fault.new)
            for place in [owner, *our_modules()]:
                if vars(place).get(name) is right:
                    replaced.append((place, name, right))
                    setattr(place, name, wrong)
        yield
    finally:
        for place, name, right in reversed(replaced):
            setattr(place, name, right)


def our_modules():
    """The modules of this project that are imported."""
    for module in [*sys.modules.values()]:
        if (getattr(module, "__file__", None) or "").startswith(f"{PROJECT}{os.sep}"):
            yield module


def changed_lines(fault):
    """A Fault as lines of source: those that go, each after "- ", and those that come, after "+ "."""
    owner, name = owner_of(fault.function)
    right = vars(owner)[name]
    lines = ndiff(
        bare_source(right).splitlines(), edited_source(right, fault.old, fault.new).splitlines()
    )
    return [f"{line[0]} {line[2:].strip()}" for line in lines if line[0] in "-+"]
