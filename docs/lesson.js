/*
  The lesson in JavaScript: PPO and VPG on CartPole, every gradient by hand, for the page that trains.

  Functions have the names, the arguments and the order of results of their Python twins (nn.py,
  distributions.py, advantages.py, vpg.py, ppo.py, training.py), so that the two can be read side by
  side; what Python returns as a tuple is an array here. tests/test_explorer.py holds each against
  its twin to 1e-9. Everything is one function, because a worker is made of its source:

      window.lesson = makeLesson()      the pure functions, Network, Adam, Trainer, evaluate

  In the order of the file: chance · nn · distributions · advantages · losses · CartPole · two states ·
  training.
  Shapes: B rows of a minibatch, I inputs, O outputs, K actions, T steps, N environments; a matrix
  is one flat array, row after row. Numbers are float64 (the Python lesson trains in float32).
*/
"use strict";

function makeLesson() {
  // ------------------------------------------------------------------- chance

  /** A stream of random numbers (sfc32): random() in [0, 1), normal(), below(n). */
  function generator(seed, stream = 0) {
    let [a, b, c, d] = [seed >>> 0, stream, Math.floor(seed / 2 ** 32), 1];
    const random = () => {
      const t = ((a + b) | 0) + d | 0;
      d = d + 1 | 0;
      a = b ^ (b >>> 9);
      b = c + (c << 3) | 0;
      c = (c << 21 | c >>> 11) + t | 0;
      return (t >>> 0) / 2 ** 32;
    };
    for (let i = 0; i < 20; i++) random();
    const normal = () =>
      Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return { random, normal, below: (n) => Math.floor(n * random()) };
  }

  /** The numbers 0 … n − 1 in random order. */
  function permutation(n, chance) {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = chance.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** The row numbers 0 … num_rows − 1 in random order, dealt into parts of at most `size`. */
  function minibatches(num_rows, size, chance) {
    const order = permutation(num_rows, chance), count = Math.ceil(num_rows / size);
    const short = Math.floor(num_rows / count);  // parts differ by one row at most
    return Array.from({ length: count }, (_, part) =>
      order.splice(0, short + (part < num_rows % count)));
  }

  const mean = (x) => x.reduce((sum, v) => sum + v, 0) / x.length;

  // ----------------------------------------------------------------------- nn

  // The two loops over a layer are where the time goes: they take four inputs at a time, which is
  // twice as fast, and what is left one by one.

  /** x (B,I), W (I,O), b (O)  ->  y (B,O), Eq. 27. */
  function linear_forward(x, W, b) {
    const O = b.length, I = W.length / O, B = x.length / I, y = new Float64Array(B * O);
    // Eq. 27: Y = X W + 1 b
    for (let n = 0, i; n < B; n++) {
      const to = n * O;
      for (let o = 0; o < O; o++) y[to + o] = b[o];
      for (i = 0; i + 3 < I; i += 4) {
        const at = n * I + i, w = i * O, x0 = x[at], x1 = x[at + 1], x2 = x[at + 2], x3 = x[at + 3];
        for (let o = 0; o < O; o++) {
          y[to + o] += x0 * W[w + o] + x1 * W[w + O + o] + x2 * W[w + 2 * O + o] + x3 * W[w + 3 * O + o];
        }
      }
      for (; i < I; i++) for (let o = 0; o < O; o++) y[to + o] += x[n * I + i] * W[i * O + o];
    }
    return y;
  }

  /** dy (B,O), x (B,I), W (I,O), B  ->  dx (B,I), dW (I,O), db (O); dy carries the loss's 1/B.
      first  of all layers: nothing is behind it, so nobody asks for its dx */
  function linear_backward(dy, x, W, B, first = false) {
    const I = x.length / B, O = dy.length / B;
    const dx = new Float64Array(first ? 0 : B * I);
    const dW = new Float64Array(I * O), db = new Float64Array(O);
    // Eq. 27: X̄ = Ȳ Wᵀ    W̄ = Xᵀ Ȳ    b̄ = 1ᵀ Ȳ
    for (let n = 0, i; n < B; n++) {
      const from = n * O;
      for (i = 0; i + 3 < I; i += 4) {
        const at = n * I + i, w = i * O, x0 = x[at], x1 = x[at + 1], x2 = x[at + 2], x3 = x[at + 3];
        let d0 = 0, d1 = 0, d2 = 0, d3 = 0;
        for (let o = 0; o < O; o++) {
          const u = dy[from + o], w0 = w + o, w1 = w0 + O, w2 = w1 + O, w3 = w2 + O;
          dW[w0] += x0 * u; dW[w1] += x1 * u; dW[w2] += x2 * u; dW[w3] += x3 * u;
          if (first) continue;
          d0 += u * W[w0]; d1 += u * W[w1]; d2 += u * W[w2]; d3 += u * W[w3];
        }
        if (first) continue;
        dx[at] = d0; dx[at + 1] = d1; dx[at + 2] = d2; dx[at + 3] = d3;
      }
      for (; i < I; i++) {
        for (let o = 0; o < O; o++) {
          dW[i * O + o] += x[n * I + i] * dy[from + o];
          if (!first) dx[n * I + i] += dy[from + o] * W[i * O + o];
        }
      }
      for (let o = 0; o < O; o++) db[o] += dy[from + o];
    }
    return [dx, dW, db];
  }

  /** h = tanh(z), Eq. 28, into `h`, which may be z itself. (Twice as fast as Math.tanh, and as exact
      for numbers that are not tiny.) */
  function tanh_forward(z, h = new Float64Array(z.length)) {
    for (let i = 0; i < h.length; i++) h[i] = 1 - 2 / (Math.exp(2 * z[i]) + 1);
    return h;
  }

  /** dz, given dh and the *output* h, Eq. 28, into `dz`, which may be dh itself. */
  function tanh_backward(dh, h, dz = new Float64Array(h.length)) {
    // Eq. 28: Ȳ = H̄ ⊙ (1 − H ⊙ H)
    for (let i = 0; i < dz.length; i++) dz[i] = dh[i] * (1 - h[i] * h[i]);
    return dz;
  }

  /** W (I,O) with orthogonal columns or rows of length gain; normal() gives the random numbers. */
  function orthogonal([I, O], gain, normal) {
    const [long, short] = [Math.max(I, O), Math.min(I, O)];
    const Q = Float64Array.from({ length: long * short }, normal);
    // Eq. 30: QR = N(0,1) with R's diagonal positive, by Gram and Schmidt, twice for the digits
    for (let k = 0; k < short; k++) {
      for (let again = 0; again < 2; again++) {
        for (let j = 0; j < k; j++) {
          let dot = 0;
          for (let r = 0; r < long; r++) dot += Q[r * short + j] * Q[r * short + k];
          for (let r = 0; r < long; r++) Q[r * short + k] -= dot * Q[r * short + j];
        }
      }
      let square = 0;
      for (let r = 0; r < long; r++) square += Q[r * short + k] ** 2;
      for (let r = 0; r < long; r++) Q[r * short + k] /= Math.sqrt(square);
    }
    // Eq. 30: W = gain Q or gain Qᵀ
    return Q.map((_, at) => gain * (I >= O ? Q[at] : Q[(at % O) * short + Math.floor(at / O)]));
  }

  /** Linear, tanh, linear (Eq. 29); `parameters` holds W₁, b₁, W₂, b₂, and the layers are views. */
  class Network {
    constructor(sizes, parameters) {
      const [I, H, O] = this.sizes = sizes;
      this.parameters = parameters ?? new Float64Array((I + 1) * H + (H + 1) * O);
      let start = 0;
      const view = (n) => this.parameters.subarray(start, start += n);
      [this.W1, this.b1, this.W2, this.b2] = [view(I * H), view(H), view(H * O), view(O)];
    }

    begin(output_gain, normal) {
      const [I, H, O] = this.sizes;
      this.W1.set(orthogonal([I, H], Math.SQRT2, normal));
      this.W2.set(orthogonal([H, O], output_gain, normal));
      return this;
    }

    /** x (B,I)  ->  y (B,O), cache. */
    forward(x) {
      const z = linear_forward(x, this.W1, this.b1), h = tanh_forward(z, z);
      return [linear_forward(h, this.W2, this.b2), [x, h]];
    }

    /** dy (B,O), the cache of its `forward`  ->  gradient (P). */
    backward(dy, [x, h]) {
      const B = x.length / this.sizes[0];
      // Eq. 29: W̄ₗ = Hₗ₋₁ᵀ Ȳₗ    b̄ₗ = 1ᵀ Ȳₗ    H̄ₗ₋₁ = Ȳₗ Wₗᵀ    Ȳₗ₋₁ = H̄ₗ₋₁ ⊙ φ'(Yₗ₋₁)
      const [dh, dW2, db2] = linear_backward(dy, h, this.W2, B);
      const [, dW1, db1] = linear_backward(tanh_backward(dh, h, dh), x, this.W1, B, true);
      const gradient = new Float64Array(this.parameters.length);
      let start = 0;
      for (const part of [dW1, db1, dW2, db2]) {
        gradient.set(part, start);
        start += part.length;
      }
      return gradient;
    }
  }

  /** Shorten gradient (P) in place to max_norm; its length before. */
  function clip_global_norm(gradient, max_norm) {
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
    // Eq. 32: g ← g min(1, c / (n + 1e-6))
    if (norm > max_norm - 1e-6) {
      for (let p = 0; p < gradient.length; p++) gradient[p] *= max_norm / (norm + 1e-6);
    }
    return norm;
  }

  class Adam {
    constructor(size, learning_rate) {
      Object.assign(this, { learning_rate, betas: [0.9, 0.999], eps: 1e-8, t: 0 });
      [this.m, this.v] = [new Float64Array(size), new Float64Array(size)];
    }

    /** Move parameters (P) in place, against gradient (P). */
    step(parameters, gradient) {
      const { m, v, betas: [beta1, beta2] } = this;
      this.t++;
      const [grown1, grown2] = [1 - beta1 ** this.t, 1 - beta2 ** this.t];
      for (let p = 0; p < m.length; p++) {
        // Eq. 31: m ← β₁ m + (1 − β₁) g    v ← β₂ v + (1 − β₂) g²
        m[p] += (1 - beta1) * (gradient[p] - m[p]);
        v[p] += (1 - beta2) * (gradient[p] * gradient[p] - v[p]);
        // Eq. 31: θ ← θ − α m̂ / (√v̂ + ε), m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
        parameters[p] -= this.learning_rate * m[p] / grown1 / (Math.sqrt(v[p] / grown2) + this.eps);
      }
    }
  }

  /** One step downhill: clip the gradient's length, then Adam. */
  function descend(parameters, gradient, adam, max_norm) {
    const norm = clip_global_norm(gradient, max_norm);
    adam.step(parameters, gradient);
    return norm;
  }

  // ------------------------------------------------------ distributions, a row at a time

  /** logits (K) -> log-probabilities (K). Eq. 17: log πₖ = zₖ − M − log Σⱼ exp(zⱼ − M) */
  function log_softmax(logits) {
    const M = logits.reduce((a, b) => Math.max(a, b));
    const log_sum = Math.log(logits.reduce((sum, z) => sum + Math.exp(z - M), 0));
    return logits.map((z) => z - M - log_sum);
  }

  /** dLoss/dlogits (K) of one row. Eq. 19, 20: Z̄ᵢ = (∂L/∂log π(aᵢ)) (e_aᵢ − πᵢ) */
  function categorical_log_prob_backward(dlog_prob, action, probs) {
    return probs.map((p, k) => dlog_prob * ((k === action) - p));
  }

  /** Entropy in nats: H = −Σₖ πₖ log πₖ. */
  const categorical_entropy = (log_probs) =>
    -log_probs.reduce((sum, l) => sum + Math.exp(l) * l, 0);

  /** dLoss/dlogits (K) of one row. Eq. 21, 22: ∂H/∂zⱼ = −πⱼ (log πⱼ + H) */
  function categorical_entropy_backward(dentropy, entropy, log_probs) {
    return log_probs.map((l) => -dentropy * Math.exp(l) * (l + entropy));
  }

  /** log ratios (B) -> two estimates of KL(old‖new), each (B). Eq. 45: k₁ = −ℓ, k₃ = ρ − 1 − ℓ */
  function kl_estimates(log_ratios) {
    return [log_ratios.map((l) => -l), log_ratios.map((l) => Math.expm1(l) - l)];
  }

  // --------------------------------------------------------------- advantages

  /** Advantages (T) of one environment; next_values[t] is V of the true successor of step t. */
  function gae(rewards, values, next_values, terminated, ended, gamma, gae_lambda) {
    // Eq. 12: δₜ = rₜ + γ (1 − dₜ) V(s'ₜ) − V(sₜ). Termination alone removes V(s'ₜ).
    const advantages = rewards.map((r, t) =>
      r + gamma * (terminated[t] ? 0 : next_values[t]) - values[t]);
    // Eq. 13: Âₜ = δₜ + γλ (1 − uₜ) Âₜ₊₁. Either kind of end cuts the trace.
    for (let t = rewards.length - 2; t >= 0; t--) {
      if (!ended[t]) advantages[t] += gamma * gae_lambda * advantages[t + 1];
    }
    return advantages;
  }

  /** Mean 0, deviation 1. Eq. 16: Ãᵢ = (Âᵢ − m) / (σ + ε) */
  function normalize(advantages, eps = 1e-8) {
    if (advantages.length < 2) return advantages;
    const m = mean(advantages);
    const deviation = Math.sqrt(mean(advantages.map((a) => (a - m) ** 2)));
    return advantages.map((a) => (a - m) / (deviation + eps));
  }

  // ------------------------------------------------- losses: (B) … -> loss, its slopes (B)

  /** The policy gradient's loss. Eq. 10: L = −(1/N) Σ Âᵢ log π(aᵢ|sᵢ), ∂L/∂log π(aᵢ) = −Âᵢ/N */
  function policy_loss(log_probs, advantages) {
    const B = log_probs.length;
    return [-mean(log_probs.map((l, i) => advantages[i] * l)), advantages.map((A) => -A / B)];
  }

  /** Half the mean squared error. Eq. 33: L = (1/2N) Σ (vᵢ − yᵢ)², ∂L/∂vᵢ = (vᵢ − yᵢ)/N */
  function value_loss(values, targets) {
    const errors = values.map((v, i) => v - targets[i]);
    return [0.5 * mean(errors.map((e) => e * e)), errors.map((e) => e / errors.length)];
  }

  /** PPO's clipped loss; `strict` is the bug of Eq. 37's trap, `<` for `<=`. */
  function clipped_surrogate(log_probs, old_log_probs, advantages, clip_range, strict = false) {
    const B = log_probs.length;
    // Eq. 35: ρᵢ = exp(log π(aᵢ|sᵢ) − log πᵒˡᵈ(aᵢ|sᵢ))
    const ratios = log_probs.map((l, i) => Math.exp(l - old_log_probs[i]));
    const plain = ratios.map((ratio, i) => ratio * advantages[i]);
    const clipped = ratios.map((ratio, i) =>
      Math.min(Math.max(ratio, 1 - clip_range), 1 + clip_range) * advantages[i]);
    // Eq. 36: L = −(1/N) Σ min(ρᵢ Âᵢ, clip(ρᵢ, 1 − ε, 1 + ε) Âᵢ)
    const loss = -mean(plain.map((bid, i) => Math.min(bid, clipped[i])));
    // Eq. 37: cᵢ = 1 wherever the plain branch is the smaller one *or they tie*
    const alive = plain.map((bid, i) => (strict ? bid < clipped[i] : bid <= clipped[i]));
    // Eq. 35, 37, 38: ∂ρ/∂log π = ρ, so ∂L/∂log π(aᵢ) = −cᵢ ρᵢ Âᵢ / N
    return [loss, plain.map((bid, i) => (alive[i] ? -bid / B : 0))];
  }

  // ----------------------------------------------------------------- CartPole

  const [MOST_STEPS, TRACK, FALLEN, SOLVED] = [500, 2.4, 12 * 2 * Math.PI / 360, 475];

  /** Gymnasium's CartPole-v1, one Euler step: state (4), action 0 or 1 -> state (4), terminated.
      push  a hand's force in newtons, besides the action's own 10 */
  function cartpole_step([x, x_dot, theta, theta_dot], action, push = 0) {
    const force = (action === 1 ? 10 : -10) + push;
    const [cos, sin] = [Math.cos(theta), Math.sin(theta)];
    // masses 1 and 0.1, half the pole 0.5 long, 50 steps a second
    const temp = (force + 0.05 * theta_dot ** 2 * sin) / 1.1;
    const theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4 / 3 - 0.1 * cos ** 2 / 1.1));
    const x_acc = temp - 0.05 * theta_acc * cos / 1.1;
    const next = [x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot,
      theta_dot + 0.02 * theta_acc];
    return [next, Math.abs(next[0]) > TRACK || Math.abs(next[2]) > FALLEN];
  }

  const cartpole_reset = (chance) => [0, 0, 0, 0].map(() => 0.1 * chance.random() - 0.05);

  // ----------------------------------------------------------------- two states

  /** lab/proof/mdp.py for its tabular policies: theta (4), the logits row by row. `play` and `estimate`
      alone have no twin there. M trajectories; lists of lists instead of arrays. */
  const mdp = (() => {
    const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
    const sum = (x) => x.reduce((total, v) => total + v, 0);

    function two_states(last_reward = 3) {
      const transitions = [[[0, 0], [0, 1]], [[1, 0], [0, 0]]];
      return { rewards: [[1, -1], [0, last_reward]], transitions, start: [1, 0], gamma: 0.9 };
    }

    /** theta (4) -> probabilities (2,2). */
    const policy = (theta) =>
      [0, 2].map((at) => log_softmax(theta.slice(at, at + 2)).map(Math.exp));

    /** pi (2,2) -> the gradient of every log-probability (2,2,4): e_a − π in the state's own logits. */
    const scores = (pi) => pi.map((row, s) => row.map((_, a) =>
      pi.flatMap((other, r) => other.map((p, b) => (r === s) * ((b === a) - p)))));

    /** x of (I − γ P) x = y, or with `transposed` of (I − γ Pᵀ) x = y: two unknowns, by Cramer's rule. */
    function solve({ transitions, gamma }, pi, y, transposed) {
      const [[a, b], [c, d]] = pi.map((row, s) => [0, 1].map((t) =>
        (s === t) - gamma * dot(row, transitions[s].map((onward) => onward[t]))));
      const [right, left] = transposed ? [c, b] : [b, c], D = a * d - b * c;
      return [(y[0] * d - right * y[1]) / D, (a * y[1] - left * y[0]) / D];
    }

    // Eq. 47: V = (I − γ P_π)⁻¹ r_π    ηᵀ = p₀ᵀ (I − γ P_π)⁻¹
    const values = (mdp, pi) => solve(mdp, pi, pi.map((row, s) => dot(row, mdp.rewards[s])), false);
    const visitation = (mdp, pi) => solve(mdp, pi, mdp.start, true);

    /** pi (2,2) -> A (2,2). Eq. 9: Q(s,a) = r(s,a) + γ Σ P(s'|s,a) V(s'), A = Q − V */
    function advantages(mdp, pi) {
      const V = values(mdp, pi);
      return mdp.rewards.map((row, s) => row.map((r, a) =>
        r + mdp.gamma * dot(mdp.transitions[s][a], V) - V[s]));
    }

    /** theta (4) -> the true gradient (2,2). Eq. 47: ∂J/∂θ_sb = η(s) π(b|s) A(s,b) */
    function softmax_gradient(mdp, theta) {
      const pi = policy(theta), eta = visitation(mdp, pi);
      return advantages(mdp, pi).map((row, s) => row.map((A, b) => eta[s] * pi[s][b] * A));
    }

    function trajectory(mdp, states, actions, finished) {
      return { states, actions, rewards: actions.map((a, t) => mdp.rewards[states[t]][a]), finished };
    }

    /** Every possible trajectory of at most `horizon` steps: M × { states, actions, rewards, finished }. */
    function trajectories(mdp, horizon) {
      const found = [];
      const extend = (states, actions) => mdp.transitions[states.at(-1)].forEach((onward, action) => {
        const taken = [...actions, action], on = sum(onward);
        if (on < 1) found.push(trajectory(mdp, states, taken, true));
        if (on && taken.length === horizon) found.push(trajectory(mdp, states, taken, false));
        else if (on) onward.forEach((p, there) => p && extend([...states, there], taken));
      });
      mdp.start.forEach((p, state) => p && extend([state], []));
      return found;
    }

    /** How likely this trajectory is. Eq. 1: p(τ) = p₀(s₀) Π π(aₜ|sₜ) P(sₜ₊₁|sₜ,aₜ) */
    function density(mdp, pi, { states, actions, finished }) {
      return actions.reduce((chance, a, t) => {
        const onward = mdp.transitions[states[t]][a], on = sum(onward);
        return chance * pi[states[t]][a] *
          (t + 1 < actions.length ? onward[states[t + 1]] : finished ? 1 - on : on);
      }, mdp.start[states[0]]);
    }

    /** One of 0 … n − 1 with probabilities (n); n with what they lack to 1. */
    function draw(probabilities, chance) {
      let u = chance.random(), i = 0;
      while (i < probabilities.length && u >= probabilities[i]) u -= probabilities[i++];
      return i;
    }

    /** Play one episode -> a trajectory, cut off after `horizon` steps. */
    function play(mdp, pi, chance, horizon = Infinity) {
      const states = [], actions = [];
      let state = draw(mdp.start, chance);
      while (state < pi.length && actions.length < horizon) {
        const action = Math.min(draw(pi[state], chance), pi[state].length - 1);
        states.push(state);
        actions.push(action);
        state = draw(mdp.transitions[state][action], chance);
      }
      return trajectory(mdp, states, actions, state === pi.length);
    }

    /** rewards (T) -> G (T). Eq. 2: Gₜ = Σ γᵏ⁻ᵗ rₖ over k ≥ t */
    const returns = (rewards, gamma) =>
      rewards.reduceRight((G, r) => [r + gamma * (G[0] ?? 0), ...G], []);

    // Estimators: the weights w (T) of one trajectory's scores; the estimate is Σ wₜ ∇log π(aₜ|sₜ).

    /** Eq. 5: every action is credited with the whole episode. */
    const whole_return = ({ gamma }, { rewards }) => returns(rewards, gamma).map((_, t, G) => G[0]);
    /** Eq. 7: every action is credited with what came after it. */
    const reward_to_go = ({ gamma }, { rewards }) => returns(rewards, gamma).map((G, t) => gamma ** t * G);
    /** Eq. 8: the same less what was to be expected; baseline (2) -> an estimator. */
    const less_baseline = (baseline) => ({ gamma }, { rewards, states }) =>
      returns(rewards, gamma).map((G, t) => gamma ** t * (G - baseline[states[t]]));

    /** What an estimator says on one trajectory (4); step_scores are `scores`. */
    function estimate(mdp, step_scores, one, weigh) {
      const w = weigh(mdp, one), total = [0, 0, 0, 0];
      one.states.forEach((s, t) => step_scores[s][one.actions[t]].forEach((x, p) => { total[p] += w[t] * x; }));
      return total;
    }

    /** The same on every trajectory -> probabilities (M), estimates (M,4). */
    function estimates(mdp, theta, horizon, weigh) {
      const pi = policy(theta), step_scores = scores(pi), every = trajectories(mdp, horizon);
      return [every.map((one) => density(mdp, pi, one)),
        every.map((one) => estimate(mdp, step_scores, one, weigh))];
    }

    /** Exact mean (P) and total variance tr Var of points (M,P) with probabilities (M). */
    function moments(probabilities, points) {
      const mean = points[0].map((_, p) => dot(probabilities, points.map((point) => point[p])));
      return [mean, dot(probabilities, points.map((point) => sum(point.map((x, p) => (x - mean[p]) ** 2))))];
    }

    return {
      two_states, policy, scores, values, visitation, advantages, softmax_gradient, trajectories, density,
      play, returns, whole_return, reward_to_go, less_baseline, estimate, estimates, moments,
    };
  })();

  // ----------------------------------------------------------------- training

  /** Rows of equal length, one after the other in one Float64Array. */
  function flat(rows) {
    const size = rows.length && rows[0].length, all = new Float64Array(rows.length * size);
    for (let n = 0; n < rows.length; n++) {
      for (let i = 0; i < size; i++) all[n * size + i] = rows[n][i];
    }
    return all;
  }

  /** Log-probabilities of left and right in each of these states (4): rows of 2. */
  function distributions(policy, states) {
    const logits = policy.forward(flat(states))[0];
    return states.map((_, n) => log_softmax([logits[2 * n], logits[2 * n + 1]]));
  }

  /** Inverse CDF: a uniform number picks an action with its probability. */
  const sample = (log_probs, chance) => (chance.random() >= Math.exp(log_probs[0]) ? 1 : 0);

  /** Greedy returns of `episodes` fresh episodes, played side by side. */
  function evaluate(policy, episodes, chance) {
    const returns = new Array(episodes).fill(0);
    let running = returns.map((_, n) => [n, cartpole_reset(chance)]);
    for (let t = 0; t < MOST_STEPS && running.length; t++) {
      const logits = policy.forward(flat(running.map(([, state]) => state)))[0];
      running = running.map(([n, state], i) => {
        returns[n]++;
        return [n, ...cartpole_step(state, logits[2 * i + 1] > logits[2 * i] ? 1 : 0)];
      }).filter(([, , terminated]) => !terminated);
    }
    return returns;
  }

  /** How the update changed the policy: (B) (B) (B) ε -> clip fraction, dead fraction; Eq. 45. */
  function clip_statistics(log_probs, old_log_probs, advantages, clip_range) {
    let outside = 0, dead = 0;
    log_probs.forEach((l, i) => {
      const ratio = Math.exp(l - old_log_probs[i]);
      const [above, below] = [ratio > 1 + clip_range, ratio < 1 - clip_range];
      outside += above || below;
      dead += (above && advantages[i] > 0) || (below && advantages[i] < 0);
    });
    return [outside / log_probs.length, dead / log_probs.length];
  }

  /** Trains, an iteration a call. algorithm "ppo" or "vpg"; config as in Python; seed a whole number;
      broken  the bugs that are switched on: { clip, terminal, mean, sign, baseline, unclipped, rows } */
  class Trainer {
    constructor(algorithm, config, seed, broken = {}) {
      Object.assign(this, { algorithm, config, broken });
      // Independent streams, so that a change to one part leaves the others' luck alone.
      [this.weights, this.acting, this.shuffling, this.starting, this.judging] =
        [0, 1, 2, 3, 4].map((stream) => generator(seed, stream));
      const [H] = config.hidden_sizes;
      this.policy = new Network([4, H, 2]).begin(0.01, this.weights.normal);
      this.value = new Network([4, H, 1]).begin(1, this.weights.normal);
      this.policy_adam = new Adam(this.policy.parameters.length, config.learning_rate);
      this.value_adam = new Adam(this.value.parameters.length, config.value_learning_rate);
      this.envs = Array.from({ length: config.num_envs }, () => this.reset());
      this.iteration = this.env_steps = 0;
    }

    reset() {
      return { state: cartpole_reset(this.starting), steps: 0, began: this.env_steps };
    }

    /** T steps of N environments -> for each environment its rows; finished episodes. */
    collect() {
      const episodes = [], taken = this.env_steps;
      const rollouts = this.envs.map(() => []);
      for (let t = 0; t < this.config.num_steps; t++) {
        const all_log_probs = distributions(this.policy, this.envs.map((env) => env.state));
        this.envs.forEach((env, n) => {
          if (env.over) {  // as in Gymnasium, the call after an end only begins anew: no row
            this.envs[n] = this.reset();
            return;
          }
          const log_probs = all_log_probs[n];
          const action = sample(log_probs, this.acting);
          const [next, terminated] = cartpole_step(env.state, action);
          env.steps++;
          this.env_steps++;
          env.over = terminated || env.steps >= MOST_STEPS;
          rollouts[n].push({
            obs: env.state, next, action, log_prob: log_probs[action], terminated, ended: env.over,
          });
          env.state = next;
          if (env.over) episodes.push([env.began, env.steps]);  // its return is its length
        });
      }
      return { rollouts, episodes, steps: this.env_steps - taken };
    }

    /** Credit every step: obs, actions, log_probs, advantages, targets of B rows. */
    credit(rollouts) {
      const { gamma, gae_lambda } = this.config, { terminal, baseline, rows } = this.broken;
      const batch = { obs: [], actions: [], log_probs: [], values: [], advantages: [], targets: [] };
      for (const steps of rollouts) {
        const of = (states) => [...this.value.forward(flat(states))[0]];
        const values = of(steps.map((row) => row.obs));
        const advantages = gae(
          steps.map(() => 1), values, of(steps.map((row) => row.next)),
          steps.map((row) => row.terminated && !terminal),  // broken: Eq. 12 without its (1 − d)
          steps.map((row) => row.ended), gamma, gae_lambda);
        batch.obs.push(...steps.map((row) => row.obs));
        batch.actions.push(...steps.map((row) => row.action));
        batch.log_probs.push(...steps.map((row) => row.log_prob));
        batch.values.push(...values);
        batch.advantages.push(...advantages);
        batch.targets.push(...advantages.map((A, t) => A + values[t]));  // Eq. 15: yₜ = Âₜ + V(sₜ)
      }
      if (baseline) {  // broken: neither V nor the mean is subtracted
        const m = mean(batch.targets), spread = (y) => (y - m) ** 2;
        const deviation = Math.sqrt(mean(batch.targets.map(spread)));
        batch.advantages = batch.targets.map((y) => y / (deviation + 1e-8));
      } else {
        batch.advantages = normalize(batch.advantages);
      }
      if (rows) batch.advantages.reverse();  // broken: each row has another row's advantage
      return batch;
    }

    /** Log-probabilities and entropies of these rows under the policy of now, and its cache. */
    forward(batch) {
      const [logits, cache] = this.policy.forward(flat(batch.obs));
      const rows = batch.actions.map((_, i) => log_softmax([logits[2 * i], logits[2 * i + 1]]));
      return { rows, log_probs: rows.map((row, i) => row[batch.actions[i]]), cache };
    }

    /** Forward, the loss, back through the network, downhill; the gradient's length before. */
    policy_step(batch, loss) {
      const B = batch.actions.length, { entropy_coefficient, max_grad_norm } = this.config;
      const { rows, log_probs, cache } = this.forward(batch);
      const [, dlog_probs] = loss(log_probs);
      const { mean: summed, sign } = this.broken;
      const scale = (summed ? B : 1) * (sign ? -1 : 1);  // broken: no 1/N; uphill on the loss
      const dlogits = flat(rows.map((row, i) => {
        const probs = row.map(Math.exp);
        // Eq. 19: Z̄ᵢ = (∂L/∂log π(aᵢ)) (e_aᵢ − πᵢ), and Eq. 44's entropy bonus by Eq. 22
        const dz = categorical_log_prob_backward(scale * dlog_probs[i], batch.actions[i], probs);
        const dh = categorical_entropy_backward(-entropy_coefficient / B,
          categorical_entropy(row), row);
        return dz.map((u, k) => u + dh[k]);
      }));
      const gradient = this.policy.backward(dlogits, cache);
      return descend(this.policy.parameters, gradient, this.policy_adam, max_grad_norm);
    }

    value_step(batch) {
      const [values, cache] = this.value.forward(flat(batch.obs));
      const [, dvalues] = value_loss(values, batch.targets);
      const gradient = this.value.backward(dvalues, cache);
      descend(this.value.parameters, gradient, this.value_adam, this.config.max_grad_norm);
    }

    /** PPO: epochs of minibatches, each a step for policy and value. -> mean gradient length */
    update_ppo(batch, clip_range) {
      const { epochs, minibatch_size } = this.config, B = batch.actions.length, norms = [];
      for (let epoch = 0; epoch < epochs; epoch++) {
        for (const rows of minibatches(B, minibatch_size, this.shuffling)) {
          const minibatch = {};
          for (const name in batch) minibatch[name] = rows.map((i) => batch[name][i]);
          norms.push(this.policy_step(minibatch, (log_probs) => clipped_surrogate(log_probs,
            minibatch.log_probs, minibatch.advantages, clip_range, this.broken.clip)));
          this.value_step(minibatch);
        }
      }
      return mean(norms);
    }

    /** VPG: one step for the policy, several for the value function. -> gradient length */
    update_vpg(batch) {
      const norm = this.policy_step(batch,
        (log_probs) => policy_loss(log_probs, batch.advantages));
      for (let step = 0; step < this.config.value_steps; step++) this.value_step(batch);
      return norm;
    }

    /** One iteration: collect, credit, update, measure. Its statistics, and rows to look at. */
    iterate() {
      const { config, algorithm, broken } = this;
      const left = Math.max(0, 1 - this.env_steps / config.total_steps);  // of the training
      this.policy_adam.learning_rate = config.learning_rate * left;
      this.value_adam.learning_rate = config.value_learning_rate * left;
      const { rollouts, episodes, steps } = this.collect();
      const batch = this.credit(rollouts);
      const clip_range = algorithm === "vpg" || broken.unclipped ? Infinity
        : config.clip_range * left;
      const gradient_norm = algorithm === "ppo" ? this.update_ppo(batch, clip_range)
        : this.update_vpg(batch);
      this.iteration++;
      const { rows, log_probs } = this.forward(batch);
      const log_ratios = log_probs.map((l, i) => l - batch.log_probs[i]);
      const [clip_fraction, dead_fraction] =
        clip_statistics(log_probs, batch.log_probs, batch.advantages, clip_range);
      return {
        iteration: this.iteration, env_steps: this.env_steps, steps, episodes, gradient_norm,
        clip_range, clip_fraction, dead_fraction, entropy: mean(rows.map(categorical_entropy)),
        approx_kl: mean(kl_estimates(log_ratios)[1]),
        ratios: log_ratios.map(Math.exp), advantages: batch.advantages,
      };
    }
  }

  /** Mean return of the episodes begun in each of `windows` equal stretches of the training; null
      where none began, and at the end, where of the running ones only the short are known. */
  function returns_when_begun(began, returns, lengths, num_envs, total_steps, windows = 100) {
    const width = total_steps / windows;
    const settled = total_steps - num_envs * Math.max(0, ...lengths);
    const [sums, counts] = [new Array(windows).fill(0), new Array(windows).fill(0)];
    began.forEach((step, i) => {
      const k = Math.floor(step / width);
      if (k < windows) { sums[k] += returns[i]; counts[k]++; }
    });
    return sums.map((sum, k) =>
      counts[k] && (k + 1) * width <= settled ? sum / counts[k] : null);
  }

  return {
    generator, permutation, minibatches,
    linear_forward, linear_backward, tanh_forward, tanh_backward, orthogonal, Network,
    clip_global_norm, Adam, descend,
    log_softmax, categorical_log_prob_backward, categorical_entropy, categorical_entropy_backward,
    kl_estimates, gae, normalize, policy_loss, value_loss, clipped_surrogate,
    cartpole_step, cartpole_reset, MOST_STEPS, TRACK, FALLEN, SOLVED,
    distributions, sample, evaluate, clip_statistics, Trainer, returns_when_begun, mdp,
  };
}

globalThis.lesson = makeLesson();
