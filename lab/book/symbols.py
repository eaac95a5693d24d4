r"""What a symbol is called in the code, and what one row of numbers makes of an equation.

For each equation, by its key:

    symbols  {TeX of a symbol: its names in the panel, with "; " between}. A name is a piece of the
             code or the label of a number; one that begins with = is a label alone. The first
             name is also the name that lights in all three places (`data-symbol`).
    filled   "result = arithmetic" in the labels of the panel's numbers; a label that is no Python
             stands in quotes. "" if no row fills the equation: UNFILLED says why. Of several, with
             "; " between, the last one is the equation's result.
    more     pieces of the code whose values join the row; of what the function was given, or with
             ", after" behind of what it has made of it, ", before" as the call begins
    row      which row, or None for all rows
    when     a condition, in the code's names: the first call in which it holds is shown
    of       the end of the name of the function that it is about; "" is the first one
    also     {name of a function: its own `when` and `more`, a list}, whose code and numbers join
    signs    {label of a number: TeX of what it is}, where that is not the symbol that it belongs to
    check    key of the check whose call is shown, if neither the trace nor its own check makes one
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Joined(NamedTuple):
    symbols: dict
    filled: str
    more: tuple = ()
    row: int | None = 1
    when: str = ""
    of: str = ""
    check: str = ""
    also: Mapping = MappingProxyType({})
    signs: Mapping = MappingProxyType({})


PI, M, DELTA = (
    "pi[states, actions]",
    "logits.max(axis=1, keepdims=True)",
    "rewards + gamma * next_values * ~terminated - values",
)
ON = "mdp.transitions[states[:-1], actions[:-1], states[1:]]"
CHANCE, SCORE = "pi[0, 0]", "scores(pi, features)[0, 0]"
TAKEN = "step_scores[trajectory.states, trajectory.actions]"
SLOPE = "alive * -plain / len(plain)"
RATIO = {r"\rho_i": "ratios", r"\hat A_i": "advantages"}
BAND, ROWS = {r"\epsilon": "clip_range"}, {"N": "len(plain)"}
GAUSSIAN = {
    r"\ell_j": "log_stds", r"\sigma_j^2": "log_stds", r"\sigma^2": "log_stds",
    r"\mu_j": "means", r"\mu_i": "means",
}  # fmt: skip
NEAR = "log_probs(reference)"
ROWS_OF, NORMED = "w * (softmax(logits) - onehot)", "(dy - along * y) / r"
TO_LOGITS = "distributions.categorical_log_prob_backward"
LOG_PI, LOG_OLD = r"\log\pi_\theta(a_i\mid s_i)", r"\log\pi_{old}(a_i\mid s_i)"
LOG_Y, LOG_REF = r"\log\pi(y)", r"\log\pi_{ref}(y)"
RATIO_SIGNS = {"log_probs": LOG_PI, "old_log_probs": LOG_OLD}

EQUATIONS = {
    # ------------------------------------------------ A, B: the gradient, credit
    "density": Joined(
        {r"p_\theta": "chance; =result", "p_0": "mdp.start[states[0]]", r"\pi_\theta": PI,
         "P": f"{ON}; last"},
        f"result = mdp.start[states[0]] * {PI}[0] * {ON}[0] * {PI}[1] * {ON}[1] * {PI}[2]"
        " * (1 - last)",
        more=("mdp.start[states[0]]", PI, ON), row=None, when="len(states) == 3",
        signs={"last": ""},
    ),
    "objective": Joined(
        {"G_t": "returns; =result", "G_0": "returns; =result", r"\gamma": "gamma",
         "r_k": "rewards"},
        "result[0] = rewards[0] + gamma * rewards[1] + gamma**2 * rewards[2]"
        " + gamma**3 * rewards[3]",
        row=None, when="len(rewards) == 4",
    ),
    "log-derivative": Joined(
        {r"p_\theta": "pi; =pi[0, 0]"},
        f"({CHANCE} * {SCORE})[0] = {CHANCE} * {SCORE}[0]",
        more=(CHANCE, SCORE, f"{CHANCE} * {SCORE}"), row=None, when="features.shape[-1] == 4",
        check="visitation",
        signs={"pi": "", CHANCE: r"\pi(a\mid s)", SCORE: r"\nabla\log\pi(a\mid s)",
               f"{CHANCE} * {SCORE}": r"\nabla\pi(a\mid s)"},
    ),
    "dynamics": Joined(
        {r"p_\theta": "trajectory_score; =result", r"\pi_\theta": f"{TAKEN}; ={TAKEN}[:, 0]"},
        f"result[0] = {TAKEN}[:, 0][0] + {TAKEN}[:, 0][1] + {TAKEN}[:, 0][2]",
        more=(f"{TAKEN}[:, 0]",), row=None, when="len(trajectory.states) == 3",
        signs={f"{TAKEN}[:, 0]": r"\nabla\log\pi_\theta", "result": r"\nabla\log p_\theta"},
    ),
    "policy-gradient": Joined(
        {"G_0": "G[0]; G"}, "", row=None, when="len(G) == 4", signs={"G": "G_t"}
    ),
    "mean-score": Joined({r"\pi_\theta": "pi"}, ""),
    "reward-to-go": Joined(
        {r"\gamma^t": "mdp.gamma", "G_t": "G"},
        "(mdp.gamma ** np.arange(len(G)) * G)[3] = mdp.gamma**3 * G[3]",
        more=("mdp.gamma",), row=None, when="len(G) == 4",
        signs={"mdp.gamma": r"\gamma"},
    ),
    "baseline": Joined({r"\gamma^t": "mdp.gamma", "G_t": "G", "b": "baseline"}, ""),
    "action-values": Joined(
        {"Q": "action_values(mdp, pi); action_values", "V": "values(mdp, pi)",
         "A": "advantages; =result", r"\pi_\theta": "pi"},
        "result[1][0] = action_values(mdp, pi)[1][0] - values(mdp, pi)[1]",
        more=("action_values(mdp, pi)", "values(mdp, pi)"), of="advantages",
    ),
    "vpg": Joined(
        {"L^{VPG}": "np.mean; =-np.mean(advantages * log_probs)", "N": "len(advantages)",
         r"\hat A_i": "advantages", r"\pi_\theta": "log_probs"},
        "-np.mean(advantages * log_probs) = -(1 / len(advantages)) * (advantages[0] * log_probs[0]"
        " + advantages[1] * log_probs[1] + advantages[2] * log_probs[2])",
        more=("len(advantages)",), row=None,
        signs={"log_probs": LOG_PI},
    ),
    "returns": Joined(
        {r"\hat G_t": "returns[t]; returns", r"\hat G_{t+1}": "returns[t + 1]; =returns[2]",
         "r_t": "rewards[t]; rewards", r"\gamma": "gamma", "d_t": "terminated",
         "u_t": "ended[t]; ended", "V": "next_values"},
        "returns[1] = rewards[1] + gamma * (1 - terminated[1])"
        " * (ended[1] * next_values[1] + (1 - ended[1]) * returns[2])",
        signs={"next_values": "V(s'_t)"},
    ),
    "td-error": Joined(
        {r"\delta_t": f"advantages =; ={DELTA}", "r_t": "rewards", r"\gamma": "gamma",
         "d_t": "terminated", "s'_t": "next_values", "s_t": "values"},
        f"({DELTA})[2] = rewards[2] + gamma * (1 - terminated[2]) * next_values[2] - values[2]",
        more=(DELTA,), row=2, when="gae_lambda > 0", check="gae",  # README's four rows
        signs={"values[2]": "V(s_t)", "values[3]": "", "next_values": "V(s'_t)"},
    ),
    "gae": Joined(
        {r"\hat A_t": "advantages[t]; =advantages[2]", r"\delta_t": DELTA, r"\gamma": "gamma",
         r"\lambda": "gae_lambda", "u_t": "ended[t]; ended",
         r"\hat A_{t+1}": "advantages[t + 1]; =advantages[3]"},
        f"advantages[2] = ({DELTA})[2] + gamma * gae_lambda * (1 - ended[2]) * advantages[3]",
        more=(DELTA,), row=2,  # README's four rows
    ),
    "n-step": Joined(
        {r"\hat A_t": "advantages; =their mean, the first step's advantage",
         r"\lambda": "gae_lambda", r"\lambda^{k-1}": "gae_lambda", r"\lambda^{n-1}": "gae_lambda",
         r"\hat A^{(k)}_t": "=the k-step estimates, gamma 0.9",
         r"\hat A^{(n)}_t": "=the k-step estimates, gamma 0.9",
         r"\gamma^l": "gamma", r"\delta_{t+l}": DELTA},
        """ "their mean, the first step's advantage" = (1 - gae_lambda)
        * ("the k-step estimates, gamma 0.9"[0] + gae_lambda * "the k-step estimates, gamma 0.9"[1])
        + gae_lambda**2 * "the k-step estimates, gamma 0.9"[2]""",
        row=0, signs={"gamma": r"\gamma", "advantages[1]": r"\hat A_{t+1}"},
    ),
    "value-target": Joined(
        {"y_t": "targets", r"\hat A_t": "advantages", "V": "values[:-1]; values"},
        "targets[0] = advantages[0] + values[0]",
        row=None, when="not config.normalize_advantages", check="normalize",
        signs={"values": "V(s_t)"},
    ),
    "normalize": Joined(
        {r"\tilde A_i": "=result", r"\hat A_i": "advantages", "m": "advantages.mean()",
         r"\sigma_A": "advantages.std()", r"\epsilon": "eps"},
        "result[1] = (advantages[1] - advantages.mean()) / (advantages.std() + eps)",
        more=("advantages.mean()", "advantages.std()"),
    ),
    # ------------------------------------------------ C: distributions
    "log-softmax": Joined(
        {r"\pi_k": "log_softmax; =result", "z_k": "logits", "z_j": "logits", "M": M},
        f"result[1][0] = logits[1][0] - {M}[1]"
        f" - log(exp(logits[1][0] - {M}[1]) + exp(logits[1][1] - {M}[1]))",
        more=(M, "np.exp(log_softmax(logits))"),
        signs={"logits": "z", "result": r"\log\pi", "np.exp(log_softmax(logits))": r"\pi"},
    ),
    "softmax-jacobian": Joined(
        {r"\bar Z": "log_softmax_backward; =result", "U": "dlog_probs",
         r"\pi_k": "np.exp(log_probs); log_probs", r"\pi_j": "np.exp(log_probs); log_probs",
         "P": "np.exp(log_probs); log_probs"},
        "result[1][0] = dlog_probs[1][0] - exp(log_probs[1][0])"
        " * (dlog_probs[1][0] + dlog_probs[1][1] + dlog_probs[1][2])",
        signs={"log_probs": r"\log P"},
    ),
    "score": Joined(
        {r"\bar Z_i": "categorical_log_prob_backward; =result", "L": "dlog_probs",
         r"\pi": "dlog_probs", "e_{a_i}": "onehot", r"\pi_i": "probs"},
        "result[1][1] = dlog_probs[1] * (onehot[1][1] - probs[1][1])",
        signs={"dlog_probs": r"\partial L/\partial\log\pi(a_i)"},
    ),
    "vpg-logits": Joined(
        {r"\bar Z_i": "categorical_log_prob_backward; =result", "N": "len(advantages)",
         r"\hat A_i": "advantages", "e_{a_i}": "onehot", r"\pi_i": "probs"},
        "result[1][1] = 1 / len(advantages) * advantages[1] * (probs[1][1] - onehot[1][1])",
        # −Â/N of the trace's VPG, not PPO's slope
        when="len(dlog_probs) == 3 and abs(dlog_probs[1] - 1.35 / 3) < 1e-9",
        also={"vpg.policy_loss": ("", "len(advantages)")},
    ),
    "softmax-backward": Joined(
        {r"\bar Z": "categorical_entropy_backward; =result",
         "P": "np.exp(log_probs); log_probs", r"\bar P": "dentropies"},
        "result[1][0] = exp(log_probs[1][0]) * (-(log_probs[1][0] + 1)"
        " + exp(log_probs[1][0]) * (log_probs[1][0] + 1)"
        " + exp(log_probs[1][1]) * (log_probs[1][1] + 1)"
        " + exp(log_probs[1][2]) * (log_probs[1][2] + 1))",
        when="dentropies[0] == 1",
        signs={"log_probs": r"\log P", "dentropies": ""},
    ),
    "entropy": Joined(
        {"ℋ": "entropies", "ℋ_i": "entropies", r"\pi_j": "np.exp(log_probs); log_probs",
         r"\pi_{ij}": "np.exp(log_probs); log_probs", "c_H": "dentropies; =-dentropies.sum()",
         "N": "=len(dentropies)", r"\bar Z_{ij}": "categorical_entropy_backward; =result"},
        "result[1][0] = -dentropies.sum() / len(dentropies) * exp(log_probs[1][0])"
        " * (log_probs[1][0] + entropies[1])",
        more=("-dentropies.sum()", "len(dentropies)"),
        when="dentropies[0] < 0 == np.ptp(dentropies)",
        signs={"log_probs": r"\log\pi_{ij}", "dentropies": "-c_H/N"},
    ),
    "gaussian": Joined(
        GAUSSIAN | {"a_j": "actions", r"e^{2\ell_j}": "log_stds"},
        "result[1] = -((actions[1][0] - means[1][0])**2 / (2 * exp(2 * log_stds[0])))"
        " - log_stds[0] - 1 / 2 * log(2 * pi)"
        " - (actions[1][1] - means[1][1])**2 / (2 * exp(2 * log_stds[1]))"
        " - log_stds[1] - 1 / 2 * log(2 * pi)",
        when="len(actions) == 5",
    ),
    "gaussian-score": Joined(
        GAUSSIAN | {"a_j": "actions", r"\pi": "dmeans; dlog_stds"},
        "dmeans[0][0] = (actions[0][0] - means[0][0]) / exp(2 * log_stds[0])",
        signs={"dmeans": r"\partial\log\pi/\partial\mu_j",
               "dlog_stds": r"\partial\log\pi/\partial\ell_j"},
    ),
    "gaussian-gradient": Joined(
        GAUSSIAN | {r"\bar\mu_i": "dmeans", r"\bar\ell": "dlog_stds", "a_i": "actions",
                    "w_i": "dlog_probs; =-len(dlog_probs) * dlog_probs", "N": "=len(dlog_probs)"},
        "dmeans[1][0] = -((-len(dlog_probs) * dlog_probs)[1] / len(dlog_probs))"
        " * ((actions[1][0] - means[1][0]) / exp(2 * log_stds[0]))",
        more=("-len(dlog_probs) * dlog_probs", "len(dlog_probs)"),
        signs={"dlog_probs": "-w_i/N"},
    ),
    "gaussian-entropy": Joined(
        {"ℋ": "gaussian_entropy; =result", r"\ell_j": "log_stds", "n_a": "len(log_stds)"},
        "result = log_stds[0] + log_stds[1] + len(log_stds) / 2 * log(2 * pi * e)",
        more=("len(log_stds)",), row=None,
    ),
    # ------------------------------------------------ D: the network
    "linear": Joined(
        {"Y": "=x @ W + b", "X": "x", "W": "W", "b": "b", r"W^\top": "W", r"X^\top": "x",
         r"\bar Y": "dy", r"𝟏": "ones", r"𝟏^\top": "ones", r"\bar W": "=np.dot(x.T, dy)",
         r"\bar b": "=np.dot(ones, dy)", r"\bar X": "=np.dot(dy, W.T)"},
        "(x @ W + b)[1][1] = x[1][0] * W[1] + x[1][1] * W[3] + b[1];"
        " np.dot(x.T, dy)[1] = x[0] * dy[1] + x[2] * dy[3] + x[4] * dy[5]",
        row=None, also={"nn.linear_forward": ("W.shape == (2, 2)",)},
    ),
    "activation": Joined(
        {r"\bar Y": "=dh * (1 - h * h); =dh * (h > 0)", r"\bar H": "dh", "H": "h"},
        "(dh * (1 - h * h))[1][0] = dh[1][0] * (1 - h[1][0] * h[1][0])",
    ),
    "backprop": Joined(
        {r"\bar W_l": "dW; =dW[3]", r"H_{l-1}^\top": "cache[layer]; =cache[layer][:, 3]",
         "Y_{l-1}": "cache[layer]; =cache[layer][:, 3]", r"\bar Y_l": "dy; =dy[:, 0], after",
         r"\bar b_l": "db", r"\bar Y_{l-1}": "dy; =dy[:, 0], after", r"W_l^\top": "W",
         r"\phi'": "activate_backward"},
        "dW[3][0] = "
        + " + ".join(f'cache[layer][:, 3][{i}] * "dy[:, 0], after"[{i}]' for i in range(3)),
        more=("cache[layer][:, 3]", "dy[:, 0], after", "dW[3]"), row=None,
        signs={"dy": r"\bar Z", "W": "W_l", "cache[layer][:, 3]": r"H_{l-1}^\top"},
    ),
    "orthogonal": Joined(
        {"Q": "q", "R": "r", "g": "gain", "W": "orthogonal; =result",
         "𝒩": "rng.standard_normal"},
        "result[1][0] = gain * q[1][0]",
    ),
    "adam": Joined(
        {"m_t": "self.m", "m_{t-1}": "- self.m; =self.m, before", "v_t": "self.v",
         "v_{t-1}": "- self.v; =self.v, before", "g": "gradient", r"\beta_1": "beta1",
         r"\beta_2": "beta2", r"\beta_1^t": "beta1", r"\beta_2^t": "beta2",
         r"\alpha": "self.learning_rate", r"\epsilon": "self.eps",
         r"\theta": "parameters; =parameters, after"},
        "self.m[6] = beta1 * (self.m, before)[6] + (1 - beta1) * gradient[6];"
        " self.v[6] = beta2 * (self.v, before)[6] + (1 - beta2) * gradient[6]**2;"
        " (parameters, after)[6] = parameters[6] - self.learning_rate"
        " * ((self.m[6] / (1 - beta1**self.t))"
        " / (sqrt(self.v[6] / (1 - beta2**self.t)) + self.eps))",
        more=("self.t", "self.m, before", "self.v, before", "self.m", "self.v",
              "self.learning_rate", "self.eps"),
        row=6,  # W₁[3,0]
    ),
    "norm-clip": Joined(
        {"n": "norm", "g_p": "gradient; =gradient, after", "c": "max_norm"},
        "(gradient, after)[6] = gradient[6] * min(1, max_norm / (norm + 1e-6))",
        row=6,  # W₁[3,0]
    ),
    # ------------------------------------------------ E, F: value function, PPO
    "value-loss": Joined(
        {"L_V": "value_loss; =result", "N": "len(errors)", "v_i": "values", "y_i": "targets",
         r"\bar v_i": "=errors / len(errors)"},
        "(errors / len(errors))[1] = (values[1] - targets[1]) / len(errors)",
        more=("len(errors)",),
    ),
    "performance": Joined(
        {"J": "total", r"p_\theta": "density(mdp, pi, one)", r"\gamma^t": "mdp.gamma; discounts",
         r"A^{\pi_{old}}": "A"},
        "", signs={"total": r"J(\theta)-J(\theta_{old})"},
    ),
    "ratio": Joined(
        RATIO | ROWS | {r"\pi_\theta": "log_probs", r"\pi_{old}": "old_log_probs"},
        "ratios[1] = exp(log_probs[1] - old_log_probs[1])",
        signs=RATIO_SIGNS,
    ),
    "clipped-objective": Joined(
        RATIO | BAND | ROWS | {"L^{CLIP}": "loss"},
        "loss = -(1 / len(plain)) * ("
        + " + ".join(
            f"min(ratios[{i}] * advantages[{i}],"
            f" clip(ratios[{i}], 1 - clip_range, 1 + clip_range) * advantages[{i}])"
            for i in range(3)
        )
        + ")",
        more=("len(plain)",), row=None,
    ),
    "clip": Joined(
        RATIO | BAND | {"c_i": "alive", r"\min_i": "=alive * advantages"},
        "alive[1] = 1 - (advantages[1] > 0 and ratios[1] > 1 + clip_range)"
        " - (advantages[1] < 0 and ratios[1] < 1 - clip_range);"
        " (alive * advantages)[1] = alive[1] * advantages[1]",
        more=("alive * advantages",),
        signs={"alive * advantages": r"\partial\min_i/\partial\rho_i"},
    ),
    "ppo": Joined(
        RATIO | ROWS | {"c_i": "alive", r"\bar Z_i": f"={TO_LOGITS}; =result",
                        "e_{a_i}": "onehot", r"\pi_i": "probs"},
        "result[1][1] = 1 / len(plain) * alive[1] * ratios[1] * advantages[1]"
        " * (probs[1][1] - onehot[1][1])",
        more=("len(plain)",), also={TO_LOGITS: ("",)},
        signs={"dlog_probs": r"\partial L/\partial\log\pi(a_i)",
               "alive * -plain / len(plain)": r"\partial L/\partial\log\pi(a_i)"},
    ),
    "clipped-value": Joined(
        {"v_i": "values", "y_i": "targets", "v_i^{old}": "old_values", "v_i^c": "clipped",
         r"\epsilon_v": "clip_range", "N": "len(values)", "L": "loss", r"\bar v_i": "=result"},
        "result[21] = (values[21] - targets[21]) / len(values)"
        " * (1 - (abs(values[21] - old_values[21]) > clip_range"
        " and (clipped[21] - targets[21])**2 > (values[21] - targets[21])**2))",
        more=("len(values)",), row=21,  # out of the band, and yet alive
    ),
    "kl": Joined(
        {r"\mathrm{KL}_i": "categorical_kl; =result", r"\pi_{ik}": "log_probs",
         r"\pi_i": "log_probs", r"\pi^{old}_{ik}": "np.exp(old_log_probs); old_log_probs",
         r"\pi^{old}_i": "np.exp(old_log_probs); old_log_probs"},
        "result[1] = "
        + " + ".join(
            f"exp(old_log_probs[1][{k}]) * (old_log_probs[1][{k}] - log_probs[1][{k}])"
            for k in range(3)
        ),
        signs={"log_probs": r"\log\pi_i", "old_log_probs": r"\log\pi^{old}_i"},
    ),
    "kl-penalty": Joined(
        {r"\rho_i": "np.exp(log_probs - old_log_probs)", r"\hat A_i": "advantages",
         r"\beta": "kl_coefficient", r"\mathrm{KL}_i": "kls", "L": "loss", "N": "len(plain)",
         r"\bar Z_i": "=dlogits of three rows", r"\pi_i": "probs", "e_{a_i}": "onehot",
         r"\pi_i^{old}": "np.exp(old_log_probs)"},
        '"dlogits of three rows"[3] = 1 / len(plain) * (np.exp(log_probs - old_log_probs)[1]'
        " * advantages[1] * (probs[1][0] - onehot[1][0])"
        " + kl_coefficient * (probs[1][0] - np.exp(old_log_probs)[1][0]))",
        more=("np.exp(log_probs - old_log_probs)", "len(plain)"), when="kls.any()",
        check="kl-penalty",
        also={TO_LOGITS: ("",),
              "distributions.categorical_kl_backward": ("", "np.exp(old_log_probs)")},
        signs={"log_probs": r"\log\pi_\theta", "old_log_probs": r"\log\pi_{old}"},
    ),
    "gaussian-kl": Joined(
        GAUSSIAN | {r"\ell_j^o": "old_log_stds", r"\sigma_{o,j}^2": "old_log_stds",
                    r"\mu_j^o": "old_means", r"\mathrm{KL}": "gaussian_kl; =result"},
        "result[1] = "
        + " + ".join(
            f"log_stds[{j}] - old_log_stds[{j}] + (exp(2 * old_log_stds[{j}])"
            f" + (old_means[1][{j}] - means[1][{j}])**2) / (2 * exp(2 * log_stds[{j}])) - 1 / 2"
            for j in range(2)
        ),
    ),
    "adaptive-kl": Joined(
        {r"\kappa": "kl", r"\text{target}": "kl_target", r"\beta": "kl_coefficient"},
        "min(kl_coefficient * 2, LARGEST) = 2 * kl_coefficient",
        when="kl > kl_target * 1.5",
    ),
    "joint-loss": Joined({"L^{CLIP}": "loss_of_policy", "L_V": "loss_of_value"}, ""),
    "diagnostics": Joined(
        {"k_1": "=-log_ratios", "k_3": "=np.expm1(log_ratios) - log_ratios", r"\rho": "log_ratios"},
        "(np.expm1(log_ratios) - log_ratios)[1][0] = exp(log_ratios[1][0]) - 1 - log_ratios[1][0]",
        signs={"log_ratios": r"\log\rho"},
    ),
    # ------------------------------------------------ exact gradients
    "visitation": Joined(
        {"J": "gradient; =result", r"\eta": "visitation(mdp, pi); visitation",
         r"\pi_\theta": "pi", "Q": "action_values(mdp, pi)", r"\gamma^t": "mdp.gamma"},
        "result[0] = visitation(mdp, pi)[0] * (pi[0] * pi[1] * action_values(mdp, pi)[0]"
        " - pi[1] * pi[0] * action_values(mdp, pi)[1])",
        more=("visitation(mdp, pi)", "action_values(mdp, pi)"), row=None,
        when="features.shape[-1] == 4", of=".gradient",
        signs={"result": r"\nabla J"},
    ),
    "tabular-gradient": Joined(
        {"V": "values", r"\gamma": "mdp.gamma", r"P_\pi": "state_transitions(mdp, pi)",
         r"r_\pi": "mean_rewards", r"p_0^\top": "mdp.start", "J": "softmax_gradient; =result",
         r"\eta": "visitation(mdp, pi); visitation", r"\pi": "pi",
         "A": "advantages(mdp, pi)", r"\theta_{sb}": "theta"},
        "result[3] = visitation(mdp, pi)[1] * pi[3] * advantages(mdp, pi)[3]",
        more=("visitation(mdp, pi)", "advantages(mdp, pi)"), row=None, of="softmax_gradient",
        signs={"result": r"\partial J/\partial\theta_{sb}", "theta": r"\theta"},
    ),
    "best-baseline": Joined(
        {"b^*": "best_baseline; =result", "G": "returns", r"\pi": "squares",
         "𝔼": "probabilities"},
        "result = (probabilities[0] * returns[0] * squares[0]"
        " + probabilities[1] * returns[1] * squares[1])"
        " / (probabilities[0] * squares[0] + probabilities[1] * squares[1])",
        row=None,
        signs={"squares": r"\lVert\nabla\log\pi\rVert^2", "probabilities": r"\pi"},
    ),
    # ------------------------------------------------ language models
    "response-score": Joined({r"\pi": "log_probs(logits); logits", "f": "values"}, "", row=0,
                             signs={"logits": "", "log_probs(logits)": LOG_Y}),
    "leave-one-out": Joined(
        {r"\hat A_i": "=result", "R_i": "rewards", "R_j": "rewards", "G": "size",
         r"\bar R": "rewards.mean(axis=1, keepdims=True)"},
        "result[1][0] = rewards[1][0] - 1 / (size - 1)"
        " * (rewards[1][1] + rewards[1][2] + rewards[1][3] + rewards[1][4])",
        more=("size", "rewards.mean(axis=1, keepdims=True)"),
    ),
    "group-deviation": Joined(
        {r"\hat A_i": "=result", "R_i": "rewards", "R": "rewards", r"\epsilon": "eps",
         r"\bar R": "rewards.mean(axis=1, keepdims=True)", "G": "size", "p": "p; pass_rate",
         r"\sigma": "rewards.std(axis=1, keepdims=True); deviations"},
        "result[1][0] = (rewards[1][0] - rewards.mean(axis=1, keepdims=True)[1])"
        " / (rewards.std(axis=1, keepdims=True)[1] + eps)",
        more=("rewards.mean(axis=1, keepdims=True)", "rewards.std(axis=1, keepdims=True)"),
    ),
    "response-length": Joined(
        {"R": "rewards", r"\bar p": "mean(rewards, logits)", "y": "LENGTHS", "y_i": "LENGTHS"},
        "result[1] = (rewards[1] - mean(rewards, logits)) / LENGTHS[1]",
        more=("mean(rewards, logits)", "LENGTHS"),
        signs={"LENGTHS": "|y|", "rewards": "R(y)"},
    ),
    "sequence-ratio": Joined(
        {r"\rho_t": "of_tokens", r"\rho": "whole; root", r"\pi": "logits",
         r"\pi_{old}": "old_logits", "R": "values", r"y": "LENGTHS"},
        "whole[1] = of_tokens[1][0] * of_tokens[1][1] * of_tokens[1][2]",
        more=("LENGTHS",),
        signs={"logits": "", "old_logits": "", "whole": r"\rho(y)", "LENGTHS": "|y|",
               "root": r"\rho(y)^{1/|y|}"},
    ),
    "kl-reward": Joined(
        {"R": "rewards", r"\beta": "beta", r"\pi": "log_probs(logits)", r"\pi_{ref}": NEAR},
        f"result[1] = rewards[1] - beta * (log_probs(logits)[1] - {NEAR}[1])",
        more=("log_probs(logits)", NEAR),
        signs={"log_probs(logits)": LOG_Y, NEAR: LOG_REF},
    ),
    "kl-losses": Joined(
        {"k_1": "=slopes[0]", "k_2": "=slopes[1]", "k_3": "=slopes[2]",
         r"\pi": "log_probs(logits)", r"\pi_{ref}": NEAR},
        f"slopes[2][1] = 1 - exp({NEAR}[1]) / exp(log_probs(logits)[1])",
        more=("log_probs(logits)", NEAR, "slopes[0]", "slopes[1]", "slopes[2]"),
        when="not tokens",
        signs={"log_probs(logits)": LOG_Y, NEAR: LOG_REF}
        | {f"slopes[{k}]": rf"\partial k_{k + 1}/\partial\log\pi" for k in range(3)},
    ),
    "tilted": Joined(
        {r"\pi^*": "=weights / weights.sum()", r"\pi_{ref}": NEAR, "R": "rewards",
         r"\beta": "beta", "S": "weights.sum()"},
        f"(weights / weights.sum())[1] = exp({NEAR}[1]) * exp(rewards[1] / beta) / weights.sum()",
        more=(NEAR, "weights.sum()"), signs={NEAR: LOG_REF},
    ),
    "dpo": Joined(
        {"h": "margins", "h_i": "margins", r"\beta": "beta",
         r"\pi": "log_probs", r"\pi_{ref}": "reference_log_probs", "L": "loss",
         "N": "len(margins)"},
        "margins[1] = beta * (log_probs[1][0] - reference_log_probs[1][0])"
        " - beta * (log_probs[1][1] - reference_log_probs[1][1])",
        signs={"log_probs": LOG_Y, "reference_log_probs": LOG_REF},
    ),
    # ------------------------------------------------ a transformer
    "token-rows": Joined(
        {r"u_{bt}": "w", "w_b": "weight", "c_{bt}": "counts", "B": "len(text)",
         r"\bar Z_{bt}": f"={ROWS_OF}", r"\pi_{bt}": "softmax(logits)", "e_{a_{bt}}": "onehot",
         r"\bar Z": f"={ROWS_OF}", "P": "softmax(logits)", "E": "onehot", "u": "w"},
        "w[3] = weight[0] * counts[3] / len(text);"
        f" ({ROWS_OF})[3][2] = w[3] * (softmax(logits)[3][2] - onehot[3][2])",
        more=("len(text)", "softmax(logits)"), row=3, when="len(text) == 1",
        signs={"logits": ""},
    ),
    "rms-norm": Joined(
        {r"\bar x_j": f"={NORMED}", "r": "r", r"\bar y_j": "dy", "m": "along", "y_j": "y",
         r"\bar y_i": "dy", "y_i": "y", r"\bar X": f"={NORMED}", r"\bar Y": "dy", "Y": "y"},
        f"({NORMED})[1][0] = 1 / r[1] * (dy[1][0] - along[1] * y[1][0]);"
        " along[1] = (dy[1][0] * y[1][0] + dy[1][1] * y[1][1] + dy[1][2] * y[1][2]) / 3",
        signs={"along": "m"},
    ),
    "attention": Joined(
        {r"\bar v_{sc}": "dv", "A_{ts}": "A", r"\bar y_{tc}": "dy", r"\bar A_{ts}": "dA",
         "v_{sc}": "v", r"\bar V": "dv", r"A^\top": "A", r"\bar Y": "dy", r"\bar A": "dA",
         r"V^\top": "v"},
        "dA[2] = dy[2] * v[0] + dy[3] * v[1]; dv[0] = A[0] * dy[0] + A[2] * dy[2]",
        row=None, when="len(dy) == 2",
    ),
    "attention-softmax": Joined(
        {r"\bar S_{tj}": "dS", "A_{tj}": "A", r"\bar A_{tj}": "dA", "A_{ts}": "A",
         r"\bar A_{ts}": "dA", r"\bar S": "dS", "A": "A", r"\bar A": "dA"},
        "dS[2] = A[2] * (dA[2] - (A[2] * dA[2] + A[3] * dA[3]))",
        row=None, when="len(dy) == 2",
    ),
    "queries-keys": Joined(
        {r"\bar q_{tc}": "dq", "C": "C", r"\bar S_{ts}": "dS", "k_{sc}": "k", r"\bar k_{sc}": "dk",
         "q_{tc}": "q", r"\bar Q": "dq", r"\bar S": "dS", "K": "k", r"\bar K": "dk",
         r"\bar S^\top": "dS", "Q": "q"},
        "dq[2] = (dS[2] * k[0] + dS[3] * k[2]) / sqrt(C);"
        " dk[0] = (dS[0] * q[0] + dS[2] * q[2]) / sqrt(C)",
        more=("C",), row=None, when="len(dy) == 2",
    ),
    "residual": Joined(
        {r"\bar X": "da", r"\bar Q": "dq", r"W_q^\top": "self.Wq", r"\bar K": "dk",
         r"W_k^\top": "self.Wk", r"\bar V": "dv", r"W_v^\top": "self.Wv"},
        "da[3][0] = (dq @ self.Wq.T)[3][0] + (dk @ self.Wk.T)[3][0] + (dv @ self.Wv.T)[3][0]",
        more=("dq @ self.Wq.T", "dk @ self.Wk.T", "dv @ self.Wv.T"), row=3,
    ),
    "embedding": Joined(
        {r"\bar W_e": "=onehot.T @ dx", r"\bar x_{bt}": "dx", r"\bar W_p": "=result",
         r"O^\top": "onehot", r"\bar X_0": "dx"},
        "(onehot.T @ dx)[0] = dx[0] + dx[4]",
        row=None, when="len(dx) == 3",
    ),
}  # fmt: skip

# ------------------------------------------------------------------ exceptions

UNFILLED = {
    "policy-gradient": "a sum over every trajectory; its row shows what G_0 does to one",
    "mean-score": "0 for any numbers",
    "baseline": "a mean over every trajectory, and its code returns a function",
    "performance": "a sum over every trajectory of at most 60 steps",
    "joint-loss": "its two halves are Eq. 36 and 33, each with a step of its own",
    "response-score": "a sum over all 15 responses",
}
# What is no quantity: functions and operators, indices and arguments.
NO_QUANTITY = "log min max exp tanh clip sign diag sigmoid Pr ∇ ∂ 𝔼 𝟏 i j k l t s a y τ θ"
NOT_THERE = "the code computes something else of this equation"
SHAPE = "a shape"
UNMARKED = {  # letters of an equation that lead nowhere
    "objective": {"J": "the mean is taken over every trajectory, in lab.proof.mdp.objective"},
    "policy-gradient": {"J p π": "the mean is taken elsewhere, in lab.proof.mdp.estimates"},
    "reward-to-go": {"J π": "the mean is taken elsewhere, in lab.proof.mdp.estimates"},
    "baseline": {"J π": "the mean is taken elsewhere, in lab.proof.mdp.estimates"},
    "action-values": {"G": "its mean is Q"},
    "td-error": {"V": "what it is taken of says which: s and s' are marked"},
    "normalize": {"N g ζ π": "what follows for the gradient is no code"},
    "log-softmax": {"e": "the number"},
    "softmax-jacobian": {"z": "what the derivative is by"},
    "score": {"K": SHAPE},
    "vpg-logits": {"K": SHAPE},
    "softmax-backward": {"N K": SHAPE},
    "entropy": {"z": "what the derivative is by"},
    "gaussian": {"π": "the policy and the number"},
    "gaussian-entropy": {"e π": "the numbers", "μ": "its slope is 0"},
    "activation": {"Y": "the code has h alone"},
    "ratio": {"L": NOT_THERE, "e": "the number"},
    "ppo": {"K": SHAPE},
    "kl": {"K": SHAPE, "z": "what the derivative is by"},
    "joint-loss": {"L c ℋ": NOT_THERE, "X Z W v": "no network here shares a trunk"},
    "diagnostics": {"N c": "counted in ppo.clip_statistics"},
    "tabular-gradient": {"I": "np.eye", "n K": SHAPE, "b": "an index"},
    "leave-one-out": {"J π": "the mean is taken elsewhere, in lab.language.tokens.group_gradient"},
    "group-deviation": {"π": "the mean is taken elsewhere, in lab.language.tokens.group_gradient"},
    "response-length": {"A G π": "the mean is taken elsewhere"},
    "sequence-ratio": {"J": "the mean is taken elsewhere"},
    "kl-reward": {"J KL": "what it is the gradient of"},
    "kl-losses": {"KL": "what it is the gradient of"},
    "tilted": {"J KL π": NOT_THERE, "e": "the number"},
    "rms-norm": {"D": SHAPE},
    "residual": {"f x": "any way beside another, in the code a norm's and what follows it"},
    "embedding": {"v": "an index"},
}
