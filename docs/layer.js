/*
  The layer: the network of `python run.py trace`, alive. Load it after explorer.js.

  Three rows go through four inputs, two hidden units and two actions to PPO's clipped loss, and its
  gradient comes back to 16 parameters; each gradient stands by what it is the gradient of. What
  has a frame can be dragged, and everything is computed anew by lesson.js.

      window.layer.set(name, row, column, value)   false, and nothing happens, where that makes no sense
      window.layer.get(name)                       an array's rows
      window.layer.step()                          Eq. 32, then Eq. 31
      window.layer.reset()

  Names are those of the trace. A cell has data-name, data-row, data-col and, whole, data-value; a
  vector is one row or one column. [data-products] lists what the looked-at gradient is the sum of.
*/
"use strict";

(() => {
const L = globalThis.lesson, { text, say, clamp, grid } = L.kit;
const [B, I, H, K] = [3, 4, 2, 2];  // rows, inputs, hidden units, actions
const ROWS = ["row 0", "row 1", "row 2"], SEEN = ["position", "velocity", "angle", "turning"];
const UNITS = ["unit 0", "unit 1"], MOVES = ["left", "right"], ONE = [""];
const bar = (letter, n = "") => `${letter}\u0304${n && `<sub>${n}</sub>`}`;
const sub = (letter, n) => `${letter}<sub>${n}</sub>`;

// name: what its rows and its columns are called, symbol, formula, digits
const ARRAYS = {
  x: [ROWS, SEEN, sub("H", 0), "what was seen", 2],
  W1: [SEEN, UNITS, sub("W", 1), "weights", 2],
  b1: [ONE, UNITS, sub("b", 1), "", 2],
  h1: [ROWS, UNITS, sub("H", 1), `tanh(${sub("H", 0)}${sub("W", 1)} + ${sub("b", 1)})`, 3],
  W2: [UNITS, MOVES, sub("W", 2), "weights", 2],
  b2: [ONE, MOVES, sub("b", 2), "", 2],
  logits: [ROWS, MOVES, "Z", `${sub("H", 1)}${sub("W", 2)} + ${sub("b", 2)}`, 3],
  probs: [ROWS, MOVES, "π", "softmax Z", 3],
  action: [ROWS, ONE, "a", "did", 0],
  advantage: [ROWS, ONE, "Â", "credit", 2],
  old_log_prob: [ROWS, ONE, "log π", "then", 2],
  ratio: [ROWS, ONE, "ρ", "now : then", 3],
  alive: [ROWS, ONE, "c", "heard", 0],
  clip_range: [ONE, ONE, "ε", "ρ’s band, around 1", 2],
  loss: [ONE, ONE, "L", "loss", 4],
  dlogits: [ROWS, MOVES, bar("Z"), "−cρÂ/3 · (<i>e</i><sub>a</sub> − π)", 3],
  dW2: [UNITS, MOVES, bar("W", 2), `${sub("H", 1)}<sup>⊤</sup> ${bar("Z")}`, 3],
  db2: [ONE, MOVES, bar("b", 2), "", 3],
  dh1: [ROWS, UNITS, bar("H", 1), `${bar("Z")} ${sub("W", 2)}<sup>⊤</sup>`, 3],
  dz1: [ROWS, UNITS, bar("Y", 1), `${bar("H", 1)} ⊙ (1 − ${sub("H", 1)}⊙${sub("H", 1)})`, 3],
  dW1: [SEEN, UNITS, bar("W", 1), `${sub("H", 0)}<sup>⊤</sup> ${bar("Y", 1)}`, 3],
  db1: [ONE, UNITS, bar("b", 1), "", 3],
};
const PARAMETERS = ["W1", "b1", "W2", "b2"], GRADIENTS = ["dlogits", "dW2", "db2", "dh1", "dz1", "dW1", "db1"];
// What can be dragged, and from where to where; `set` takes more, as far as no number overflows.
const LIMITS = {
  x: [-3, 3], W1: [-3, 3], b1: [-3, 3], W2: [-3, 3], b2: [-3, 3], advantage: [-3, 3], action: [0, 1],
  old_log_prob: [-5, 0], ratio: [.05, 4], clip_range: [.01, .9],
};
const MAKES_SENSE = {
  old_log_prob: (v) => v <= 0 && v >= -20, action: (v) => v === 0 || v === 1,
  clip_range: (v) => v > 0 && v <= 100, ratio: (v) => v > 0,
};
const THREAD = ["dW1", 3, 0];  // the one that the trace works out

/** Everything that follows from the inputs: name -> flat array. */
function compute({ x, network, action, advantage, old_log_prob, clip_range }) {
  const { W1, b1, W2, b2 } = network, [logits, [, h1]] = network.forward(x);
  const rows = ROWS.map((_, i) => L.log_softmax([...logits.subarray(K * i, K * i + K)]));
  const log_probs = rows.map((row, i) => row[action[i]]);
  const [loss, slopes] = L.clipped_surrogate(log_probs, old_log_prob, advantage, clip_range[0]);
  const all_probs = rows.map((row) => row.map(Math.exp));
  const dlogits = Float64Array.from(all_probs.flatMap((row, i) =>
    L.categorical_log_prob_backward(slopes[i], action[i], row)));
  const [dh1, dW2, db2] = L.linear_backward(dlogits, h1, W2, B);
  const dz1 = L.tanh_backward(dh1, h1);
  const [, dW1, db1] = L.linear_backward(dz1, x, W1, B, true);
  return {
    x, W1, b1, h1, W2, b2, logits, probs: all_probs.flat(), action, advantage, old_log_prob, clip_range,
    ratio: log_probs.map((l, i) => Math.exp(l - old_log_prob[i])),
    // only a dead row has no slope in spite of its advantage
    alive: slopes.map((slope, i) => Number(slope !== 0 || advantage[i] === 0)),
    loss: [loss], dlogits, dW2, db2, dh1, dz1, dW1, db1, slopes, log_probs,
    gradient: Float64Array.from([dW1, db1, dW2, db2].flatMap((part) => [...part])),
  };
}

L.widgets.layer = (element) => {
  const given = L.data.trace;
  let inputs, adam, now, begun, steps;

  function restore() {
    inputs = {
      x: Float64Array.from(given.obs.flat()), action: [...given.actions], advantage: [...given.advantages],
      network: new L.Network([I, H, K], Float64Array.from(given.parameters)),
      old_log_prob: [...given.old_log_probs], clip_range: [given.clip_range],
    };
    adam = new L.Adam(given.parameters.length, given.learning_rate);
    Object.assign(adam, { betas: given.betas, eps: given.eps });
    steps = 0;
    begun = compute(inputs);
    for (const name in begun) if (LIMITS[name]) begun[name] = [...begun[name]];  // as it was, whatever is dragged
  }

  const times = (n, factors) => Array.from({ length: n }, (_, i) => factors(i));
  /** What a cell is the sum of: for each term its factors, [name, row, column] or [number, digits or words, cells …]. */
  const TERMS = {
    dlogits: (i, k) => [[[now.slopes[i], 4, ["alive", i, 0], ["ratio", i, 0], ["advantage", i, 0]],
      [(now.action[i] === k) - now.probs[K * i + k], 4, ["action", i, 0], ["probs", i, k]]]],
    dW2: (j, k) => times(B, (i) => [["h1", i, j], ["dlogits", i, k]]),
    db2: (_, k) => times(B, (i) => [["dlogits", i, k]]),
    dh1: (i, j) => times(K, (k) => [["dlogits", i, k], ["W2", j, k]]),
    dz1: (i, j) => [[["dh1", i, j], [1 - now.h1[H * i + j] ** 2, 4, ["h1", i, j]]]],
    dW1: (p, j) => times(B, (i) => [["x", i, p], ["dz1", i, j]]),
    db1: (_, j) => times(B, (i) => [["dz1", i, j]]),
    h1: (i, j) => [...times(I, (p) => [["x", i, p], ["W1", p, j]]), [["b1", 0, j]]],  // and their tanh
    logits: (i, k) => [...times(H, (j) => [["h1", i, j], ["W2", j, k]]), [["b2", 0, k]]],
    loss: () => times(B, (i) => {
      const [A, ratio, eps] = [now.advantage[i], now.ratio[i], now.clip_range[0]];
      const bids = [ratio * A, clamp(ratio, 1 - eps, 1 + eps) * A].map((bid) => text(bid));
      return [[L.clipped_surrogate([now.log_probs[i]], [now.old_log_prob[i]], [A], eps)[0] / B,
        `−⅓ min(${bids.join(", ")})`, ["ratio", i, 0], ["advantage", i, 0]]];
    }),
  };

  // ------------------------------------------------------------------ markup

  const heads = (columns) => columns.map((head) => `<i>${MOVES.includes(head) ? arrow(head === "right") : head}</i>`);
  const arrow = (right) => (right ? "→" : "←");
  const place = (name, r, c) => [ARRAYS[name][0][r], ARRAYS[name][1][c]].filter(Boolean).join(", ");
  function cell(name, r, c) {
    const tag = LIMITS[name] ? "span role=slider tabindex=0" : !TERMS[name] ? "span"
      : `button type=button tabindex=${r || c ? -1 : 0}`;
    return `<${tag} class="cell" data-name="${name}" data-row="${r}" data-col="${c}"></${tag.split(" ")[0]}>`;
  }
  function array(name) {
    const [rows, columns, symbol, formula] = ARRAYS[name];
    const carts = name === "x", lead = (r) => (carts ? `<i>${r}${cart}</i>` : "");
    const cells = rows.map((_, r) => lead(r) + columns.map((_, c) => cell(name, r, c)).join("")).join("");
    const head = columns === ONE ? "<i></i>" : (carts ? "<i></i>" : "") + heads(columns).join("");
    return `<div class="array${rows === ROWS ? " batch" : ""}" role="group" aria-label="${name}"
      style="--columns:${columns.length + carts}"><p><b>${symbol}</b> <span>${formula}</span></p>
      ${rows === ONE ? "" : head}${cells}</div>`;
  }
  const block = (side, n, ...names) => `<div class="${side}" style="--n:${n}">${names.map(array).join("")}</div>`;
  const cart = `<svg viewBox="-14 -23 28 28" aria-hidden="true"><path class="floor" d="M-14 3.5H14"/>
    <g><rect x="-5" y="-2" width="10" height="5"/><path d="M0 -2V-20"/></g></svg>`;

  element.innerHTML = `<div class="layer"><div class="layer-net">
    <button type="button" class="over-it" id="layer-skip">Past the numbers</button>
    <p class="way ahead"><b>forward</b></p><p class="way behind"><b>back</b></p>
    ${block("fore", 1, "x")}${block("fore", 2, "W1", "b1")}${block("fore", 3, "h1")}
    ${block("fore", 4, "W2", "b2")}${block("fore", 5, "logits", "probs")}
    ${block("fore", 6, "action", "advantage", "old_log_prob", "ratio", "alive", "clip_range").replace(/<\/div>$/,
      `<p class="formula small soft">ρ = π now / π then; c = 0 when PPO’s clip silences a row (Chapter F);
        <span>L = −⅓ Σ min(ρÂ, clip(ρ)Â)</span></p></div>`)}
    ${block("back", 5, "dlogits")}${block("back", 4, "dW2", "db2")}${block("back", 3, "dh1", "dz1")}
    ${block("back", 2, "dW1", "db1")}
    <div class="dock"><div class="turn"><div class="loss">${array("loss")}</div>
      <div class="row"><button type="button" class="main" id="layer-step">Adam’s step</button>
        <button type="button" id="layer-reset">Reset</button></div>
      <p class="say small" id="layer-say" role="status"></p></div>
      <div class="products" data-products></div></div>
    <ul class="legend small soft"><li><span class="cell sample">0.35</span> drag it</li>
      <li><span class="cell up">▴</span> gradient: a step raises it</li>
      <li><span class="cell down">▾</span> gradient: a step lowers it</li>
      <li><span class="cell silent">0</span> silent: nothing comes back</li></ul></div></div>`;
  const root = element.firstElementChild, products = root.querySelector("[data-products]");
  const $ = (css) => root.querySelector(css);
  const cells = Object.fromEntries(Object.keys(ARRAYS).map((name) =>
    [name, [...root.querySelectorAll(`[data-name="${name}"]`)]]));
  const at = (name, r, c = 0) => cells[name][r * ARRAYS[name][1].length + c];
  const where = ({ dataset: { name, row, col } }) => [name, Number(row), Number(col)];

  // -------------------------------------------------------------------- show

  const WORDS = { action: (v) => arrow(v === 1), alive: (v) => (v ? "yes" : "no") };
  const digits = (name, v, more = 0) => (v === 0 && GRADIENTS.includes(name) ? "0" : text(v, ARRAYS[name][4] + more));
  const written = (name, v) => WORDS[name]?.(v) ?? digits(name, v);

  /** The mark of what rises or falls: of a gradient, what a step would do; of an input, what has been done. */
  function mark(one, way, share = null) {
    one.classList.toggle("up", way > 0);
    one.classList.toggle("down", way < 0);
    if (share !== null) one.style.setProperty("--share", share);
  }

  function paint() {
    for (const name in ARRAYS) {
      const [rows, columns] = ARRAYS[name], values = now[name], gradient = GRADIENTS.includes(name);
      const most = Math.max(...values.map(Math.abs), 1e-12);
      cells[name].forEach((one, k) => {
        const r = Math.floor(k / columns.length), v = values[k], words = written(name, v);
        one.dataset.value = String(v);
        one.firstChild ? one.firstChild.data = words : one.append(words);
        const silent = rows === ROWS && now.slopes[r] === 0 && (gradient || name === "alive");
        one.classList.toggle("silent", silent);
        if (gradient) mark(one, /[1-9]/.test(words) ? -v : 0, Math.abs(v) / most);  // "0.000" has no mark
        else if (LIMITS[name] && name !== "ratio") mark(one, v - begun[name][k]);
        else if (name === "loss") mark(one, v - begun.loss[0]);
        else if (name === "probs") one.style.setProperty("--share", v);
        label(one, name, place(name, r, k % columns.length), v, name === "action" ? MOVES[v] : words, silent);
      });
    }
    const eps = now.clip_range[0], share = (ratio) => clamp(ratio / 2, 0, 1);
    cells.ratio.forEach((one, i) => {
      one.style.setProperty("--low", share(1 - eps));
      one.style.setProperty("--high", share(1 + eps));
      one.style.setProperty("--at", share(now.ratio[i]));
    });
    root.querySelectorAll("svg g").forEach((g, i) => {
      const [position, , angle] = now.x.subarray(I * i);
      g.setAttribute("transform", `translate(${clamp(position, -1.5, 1.5) * 5.8} 0)`);
      g.lastElementChild.setAttribute("transform", `rotate(${angle * 180 / Math.PI} 0 -2)`);
    });
    explain();
  }

  function label(one, name, spot, v, words, silent) {
    if (TERMS[name]) one.setAttribute("aria-label", `${name} ${spot}: ${words}${silent ? ", silent" : ""}`);
    if (!LIMITS[name]) return;
    const [low, high] = LIMITS[name];
    one.setAttribute("aria-label", `${name} ${spot}`.trim());
    one.setAttribute("aria-valuemin", Math.min(low, v));
    one.setAttribute("aria-valuemax", Math.max(high, v));
    one.setAttribute("aria-valuenow", v);
    one.setAttribute("aria-valuetext", `${words}, loss ${text(now.loss[0], 4)}`);
  }

  // ---------------------------------------------------------------- products

  let looked = THREAD, pinned = THREAD, let_go = null;  // let_go: where a drag ended, until the mouse goes on

  function explain() {
    const [shown, row, col] = looked, name = PARAMETERS.includes(shown) ? "d" + shown : shown;
    const terms = TERMS[name](row, col), lit = new Set();
    const value = (name, r, c) => now[name][r * ARRAYS[name][1].length + c];
    const factor = (one) => {
      if (typeof one[0] === "number") {
        one.slice(2).forEach((place) => lit.add(at(...place)));
        return [one[0], typeof one[1] === "string" ? one[1] : text(one[0], one[1])];
      }
      lit.add(at(...one));
      return [value(...one), digits(one[0], value(...one), Number(GRADIENTS.includes(one[0])))];
    };
    const sums = [], lines = terms.map((factors) => {
      const numbers = factors.map(factor), product = numbers.reduce((p, [v]) => p * v, 1);
      sums.push(product);
      const [first, ...rest] = numbers.map(([, words]) => words);
      const right = rest.map((words) => ` × ${words.startsWith("−") ? `(${words})` : words}`).join("");
      return `<li${product === 0 ? ' class="soft"' : ""}><span>${first}${right}</span>
        <span data-value="${product}">${digits(name, product, 1)}</span></li>`;
    });
    const total = value(name, row, col), gradient = GRADIENTS.includes(name);
    const verdict = gradient ? total === 0 ? "no push" : `a step ${total < 0 ? "raises" : "lowers"} it`
      : name === "h1" ? "tanh of the sum" : "sum";
    say(products, `<p><b>${ARRAYS[name][2]}</b> <span>${place(name, row, col)}</span></p><ul>${lines.join("")}</ul>
      <p class="sum"><span>${verdict}</span>
      <b class="${!gradient || total === 0 ? "" : total < 0 ? "up" : "down"}">${digits(name, total, 1)}</b></p>`);
    products.dataset.products = JSON.stringify(sums);
    for (const own of root.querySelectorAll(".part, .own")) own.classList.remove("part", "own");
    lit.forEach((one) => one.classList.add("part"));
    at(name, row, col).classList.add("own");
    at(shown, row, col).classList.add("own");
  }

  /** Look at this cell, if it is a sum or has a gradient. */
  function look(one, pin = false) {
    const place = one && where(one);
    if (place && !TERMS[place[0]] && !PARAMETERS.includes(place[0])) return;
    if (pin && place) pinned = place;
    looked = place || pinned;
    explain();
  }

  // ------------------------------------------------------------------ change

  /** Change a number: whether that made sense. */
  function set(name, row, col, value) {
    if (!Object.hasOwn(LIMITS, name) || !Number.isFinite(value) || Math.abs(value) > 100) return false;
    const [rows, columns] = ARRAYS[name].map((part) => part.length), k = row * columns + col;
    if (!Number.isInteger(row) || !Number.isInteger(col)) return false;
    if (row < 0 || row >= rows || col < 0 || col >= columns) return false;
    if (MAKES_SENSE[name] && !MAKES_SENSE[name](value)) return false;
    if (name === "ratio") return set("old_log_prob", row, 0, now.log_probs[row] - Math.log(value));
    (PARAMETERS.includes(name) ? inputs.network : inputs)[name][k] = value;
    now = compute(inputs);
    paint();
    return true;
  }

  function step() {
    const before = now, old = inputs.network.parameters.slice(), { gradient } = now;
    L.descend(inputs.network.parameters, gradient.slice(), adam, given.max_grad_norm);
    now = compute(inputs);
    steps++;
    paint();
    const foretold = gradient.reduce((sum, g, p) => sum + g * (inputs.network.parameters[p] - old[p]), 0);
    const moved = gradient.filter((_, p) => inputs.network.parameters[p] !== old[p]).length;
    const still = gradient.every((g) => g === 0);
    tell(`<b>Step ${steps}</b>, α = ${given.learning_rate}. ${still && moved ? "The gradient is zero: only Adam’s momentum moves them."
      : moved ? `${moved} of ${gradient.length} numbers moved.` : "Nothing moves: no gradient, no momentum."} The loss: ${text(before.loss[0], 4)} → ${text(now.loss[0], 4)}, by
      ${text(now.loss[0] - before.loss[0], 4)}; the gradient had foretold ${text(foretold, 4)}.${woke(before)}`);
  }

  function reset() {
    restore();
    now = compute(inputs);
    paint();
    tell(`Row 0 is <b>silent</b>: it was good, and its ratio is beyond the band already. Rows 1 and 2 speak.`);
  }

  const tell = (html) => say($("#layer-say"), html);
  const woke = (before) => ROWS.map((row, i) => before.alive[i] === now.alive[i] ? "" : now.alive[i]
    ? ` <b>${row} wakes:</b> its gradient flows.` : ` <b>${row} falls silent.</b>`).join("");

  /** After a hand has moved a number: what that did, beside what the gradient had said. */
  function report([name, row, col], before, old) {
    const k = row * ARRAYS[name][1].length + col, moved = now[name][k] - old;
    if (!moved) return;
    const change = now.loss[0] - before.loss[0];
    const loss = `the loss ${Math.abs(change) < 5e-5 ? "stays" : sign(change, 4)}`;
    const foretold = PARAMETERS.includes(name) && moved * before["d" + name][k];
    const said = name === "ratio" ? "; the old log π changed, not the network" : foretold === false ? ""
      : `; its gradient said ${sign(foretold, 4)}${Math.abs(moved) > .2 ? ", a straight-line forecast: small moves agree" : ""}`;
    tell(`<b>${ARRAYS[name][2]}</b> ${place(name, row, col)} ${
      name === "action" ? `is now ${MOVES[now.action[row]]}` : sign(moved, 2)}: ${loss}${said}.${woke(before)}`);
  }
  const sign = (v, digits) => (v > 0 ? "+" : "") + text(v, digits);

  /** A hand's move, within the limits of hands. */
  function put(place, value) {
    let [low, high] = LIMITS[place[0]];
    // nothing was less likely than 1 then, so the ratio is not below π
    if (place[0] === "ratio") low = Math.max(low, Math.ceil(100 * Math.exp(now.log_probs[place[1]])) / 100);
    set(...place, clamp(grid(value, place[0] === "action" ? 1 : .01), low, high));
  }

  const held = (event) => event.target.closest?.("[role=slider]");
  root.addEventListener("pointerdown", (event) => {
    const one = held(event);
    if (!one || event.button !== 0) return;
    const place = where(one), before = now, old = Number(one.dataset.value), unit = place[0] === "action" ? 1 / 30 : .01;
    one.setPointerCapture(event.pointerId);
    look(one, true);
    const move = ({ clientX }) => { put(place, old + (clientX - event.clientX) * unit); report(place, before, old); };
    const end = (last) => {
      let_go = last;
      one.removeEventListener("pointermove", move);
      if (place[0] === "action" && last.type === "pointerup" && now.action[place[1]] === old) {
        put(place, 1 - old);  // a tap turns it
        report(place, before, old);
      }
    };
    one.addEventListener("pointermove", move);
    for (const type of ["pointerup", "pointercancel"]) one.addEventListener(type, end, { once: true });
  });
  const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -1e4, End: 1e4 };
  root.addEventListener("keydown", (event) => {
    const one = event.target.closest(".cell"), by = KEYS[event.key];
    if (!one || !by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const place = where(one), old = Number(one.dataset.value), before = now;
    if (held(event)) {
      put(place, old + by * (place[0] === "action" ? 1 : event.shiftKey ? .01 : .05));
      report(place, before, old);
      return;
    }
    const [rows, columns] = ARRAYS[place[0]], across = /Left|Right|Home|End/.test(event.key);
    const next = at(place[0], clamp(place[1] + (across ? 0 : -by), 0, rows.length - 1),
      clamp(place[2] + (across ? by : 0), 0, columns.length - 1));
    for (const other of cells[place[0]]) other.tabIndex = other === next ? 0 : -1;
    next.focus();
  });
  root.addEventListener("focusin", (event) => look(event.target.closest(".cell[data-name]"), true));
  root.addEventListener("click", (event) => look(event.target.closest(".cell[data-name]"), true));
  root.addEventListener("pointerover", (event) => {
    if (let_go && Math.hypot(event.clientX - let_go.clientX, event.clientY - let_go.clientY) < 40) return;
    let_go = null;
    if (event.pointerType !== "touch" && !event.buttons) look(event.target.closest(".cell[data-name]"));
  });
  root.addEventListener("pointerleave", () => look(null));
  $("#layer-step").addEventListener("click", step);
  $("#layer-reset").addEventListener("click", reset);
  $("#layer-skip").addEventListener("click", () => $("#layer-step").focus());

  globalThis.layer = {
    set, step, reset,
    get(name) {
      if (!Object.hasOwn(ARRAYS, name)) return undefined;
      const columns = ARRAYS[name][1].length, values = [...now[name]];
      return ARRAYS[name][0].map((_, r) => values.slice(r * columns, r * columns + columns));
    },
  };
  reset();
  return paint;
};
})();
