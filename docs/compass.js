/*
  The widget of Chapter A: play episodes of the two-state world MDP-2 under the uniform policy, see each
  one's estimate of the policy gradient as an arrow, and their mean walk to the true one. Load it
  after explorer.js; its functions are lesson.mdp, twins of lab/proof/mdp.py.

      compass.sample(n, estimator, seed)    n episodes -> mean of their estimates (4)
                                            estimator: "whole" Eq. 5, "to-go" Eq. 7, "baseline" Eq. 8
      compass.exact()                       the true gradient (4) of what is played
      compass.setReward(state, action, r)   of the world; compass.setHorizon(steps) cuts its episodes

  The four numbers are the slopes in the logits, row by row. One seed plays the same episodes whatever
  the estimator. Episodes run to their end unless they are cut; sample and exact always share the
  goal J. When all is drawn, the widget's #compass-plane has data-shown, the number of its episodes.
*/
"use strict";

(() => {
const L = globalThis.lesson, { mdp } = L;
const { $, Sheet, calm, theme, clamp, text, show, say, choice, scale } = L.kit;

const NAMES = { whole: "whole return", "to-go": "reward-to-go", baseline: "minus V(s)" };
const UNIFORM = [0, 0, 0, 0], PLANE = [1, 3];  // the logits of action 1: what is drawn
const LONG = 60;  // steps of the longest trajectory listed: one in 2^60 is longer
const CUT = 6;  // as the text's figures cut
const MOST = 20_000;  // episodes of one picture
const told = new EventTarget();  // "world": rewards or horizon have changed

let world = mdp.two_states(), horizon = Infinity;
const pi = mdp.policy(UNIFORM), step_scores = mdp.scores(pi);

/** name -> estimator. The baseline is V of the uncut game, as in the text. */
function weigher(name) {
  const all = {
    whole: mdp.whole_return, "to-go": mdp.reward_to_go, baseline: mdp.less_baseline(mdp.values(world, pi)),
  };
  if (!Object.hasOwn(all, name)) throw new RangeError(`no estimator "${name}"`);
  return all[name];
}

function exact() {
  if (horizon === Infinity) return mdp.softmax_gradient(world, UNIFORM).flat();
  return mdp.moments(...mdp.estimates(world, UNIFORM, horizon, mdp.reward_to_go))[0];
}

function sample(n, estimator, seed) {
  if (!(Number.isInteger(n) && n > 0)) throw new RangeError("at least one episode");
  const chance = L.generator(seed), weigh = weigher(estimator), total = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    mdp.estimate(world, step_scores, mdp.play(world, pi, chance, horizon), weigh)
      .forEach((x, p) => { total[p] += x; });
  }
  return total.map((x) => x / n);
}

function setReward(state, action, value) {
  if (![0, 1].includes(state) || ![0, 1].includes(action) || !Number.isFinite(value)) {
    throw new RangeError("a state, an action, a finite reward");
  }
  world = { ...world, rewards: world.rewards.map((row) => [...row]) };
  world.rewards[state][action] = value;
  told.dispatchEvent(new Event("world"));
}

function setHorizon(steps) {
  if (!(steps >= 1)) throw new RangeError("at least one step");
  horizon = steps;
  told.dispatchEvent(new Event("world"));
}

globalThis.compass = { sample, exact, setReward, setHorizon };

L.widgets.compass = (element) => {
  const every = [[0, 0], [0, 1], [1, 0], [1, 1]], begun = mdp.two_states();
  element.innerHTML = `
  <div class="two compass">
    <figure class="pin">
      <div class="row">${[1, 16, 1000].map((n) => `<button type="button" id="compass-${n}" ${
        n === 1 ? 'class="main"' : ""}>${"+" + text(n, 0)}${n === 1 ? " episode" : ""}</button>`).join("")}
        <button type="button" id="compass-again">Start again</button></div>
      <fieldset><legend class="hidden">What an action is credited with</legend>
        ${Object.entries(NAMES).map(([value, name], i) => `<label class="choice"><input type="radio"
          name="compass-credit" value="${value}" ${i ? "" : "checked"}><span>${name}</span></label>`).join("")}
      </fieldset>
      <svg id="compass-plane" role="img"></svg>
      <figcaption class="small soft">Dots: episodes, the larger the more often played; rare
        ones lie outside. Zigzag: the running mean. Dashed: two standard deviations of it.</figcaption>
    </figure>
    <div class="stack">
      <div class="world"><svg id="compass-world" role="img"></svg>
        ${every.map(([s, a]) => `<label class="r${s}${a}">action ${a} earns <input type="number" step="0.1"
          min="-9" max="9" id="compass-r${s}${a}" aria-label="Reward of action ${a} in state ${s}"></label>`).join("")}
        <button type="button" id="compass-reset" aria-label="Reset the rewards">Reset</button></div>
      <p class="say small" id="compass-say" role="status"></p>
      <p class="small soft">Policy: ½, ½ in both states. Thickness: |slope|. Shaded: the latest episode’s way.</p>
      <table class="small"><thead><tr><th scope="col">slope for action 1 …</th><th scope="col">in state 0</th>
        <th scope="col">in state 1</th></tr></thead><tbody>
        ${[["true", "true ∇<i>J</i>"], ["mean", "mean so far"], ["error", "its error"],
          ["se", "standard error, exact"]].map(([id, name]) => `<tr><th scope="row">${name}</th>
          ${[0, 1].map((s) => `<td id="compass-${id}${s}"></td>`).join("")}</tr>`).join("")}</tbody></table>
      <p class="small soft">Total variance of one episode, exact: ${Object.keys(NAMES).map((name) =>
        `${NAMES[name]} <b id="compass-var-${name}"></b>`).join(", ")}. It is the sum over all four logits: twice
        the table’s two. Reward-to-go need not help: see the second reading. <label class="cut"><input type="checkbox"
          id="compass-cut"> Cut episodes after six steps, as the text’s figure and its variances do;
          otherwise they run to their end, as in its table.</label></p>
      <p class="small soft">Four logits, two numbers: in each state <i>e</i><sub>0</sub> − <i>π</i> =
        −(<i>e</i><sub>1</sub> − <i>π</i>), so action 0’s slope is minus action 1’s, and the plane says all.</p>
    </div>
  </div>`;
  const credit = choice("compass-credit", () => { judge(); settle(); });
  const [plane, again] = [$("compass-plane"), $("compass-again")];
  let seed = 1, chance, played, distinct;  // played: which of the `distinct` trajectories, in order
  let truth, first;  // the true gradient, of this world and of the text's
  let cloud, reach;  // the exact covariance of one episode; slopes that the picture has room for
  let estimate, means, shown = 0, ticket = 0, single = false;  // of the chosen estimator; shown: episodes drawn

  function restart() {
    [chance, played, distinct] = [L.generator(seed), [], new Map()];
    judge();
    settle();
  }

  function play(n, still = calm.matches) {
    if (played.length + n > MOST) return;  // its button is not told before the picture stands still
    for (let i = 0; i < n; i++) {
      const one = mdp.play(world, pi, chance, horizon), key = one.actions.join("");
      if (!distinct.has(key)) distinct.set(key, { one, at: distinct.size });
      played.push(distinct.get(key).at);
    }
    const from = shown;
    single = n === 1;
    judge();
    if (still || single) settle();
    else walk(from);
  }

  const turned = () => first.some((v, p) => Math.abs(v - truth[p]) > 1e-12);

  /** The estimates of the episodes played, their running means, and what is exactly known. */
  function judge() {
    const weigh = weigher(credit()), sum = [0, 0];
    estimate = [...distinct.values()].map(({ one }) => mdp.estimate(world, step_scores, one, weigh));
    means = played.map((k, i) => PLANE.map((p, c) => (sum[c] += estimate[k][p]) / (i + 1)));
    truth = exact();
    first ??= truth;
    reach = PLANE.map((p) => [0, truth[p], first[p]]);
    for (const name in NAMES) {
      const [p, points] = mdp.estimates(world, UNIFORM, Math.min(horizon, LONG), weigher(name));
      const [mean, variance] = mdp.moments(p, points);
      show($(`compass-var-${name}`), variance, 3);
      for (const [i, point] of points.entries()) {
        if (p[i] > 1 / 40) PLANE.forEach((at, c) => { reach[c].push(point[at]); });
      }
      if (name !== credit()) continue;
      const [x, y] = PLANE.map((at) => points.map((point) => point[at] - mean[at]));
      const about = (a, b) => p.reduce((total, chance, i) => total + chance * a[i] * b[i], 0);
      cloud = { xx: about(x, x), xy: about(x, y), yy: about(y, y) };
    }
  }

  /** Draw the mean's way from one number of episodes to all of them, at first step by step. */
  function walk(from) {
    const own = ++ticket, begin = performance.now();
    const tick = (now) => {
      if (own !== ticket) return;
      const share = clamp((now - begin) / 1600, 0, 1);
      if (share === 1) return settle();
      shown = Math.max(1, Math.round(from + (played.length - from) * share ** 3));
      progress();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  function settle() {
    ticket++;
    shown = played.length;
    render();
    const last = shown && latest(), signed = (x) => (x > 0 ? "+" : "") + text(x, x % 1 ? 1 : 0);
    const [x, y] = shown ? PLANE.map((p) => text(estimate[played[shown - 1]][p], 3)) : [];
    say($("compass-say"), shown
      ? `<b>${text(shown, 0)} ${shown > 1 ? "episodes" : "episode"}.</b> The latest: ${last.rewards.map((r, t) =>
        `action ${last.actions[t]} for ${signed(r)}`).join(", ")}${last.finished ? "" : ", cut"}. Whole return ${
        text(mdp.returns(last.rewards, world.gamma)[0], 3)}; its arrow (${NAMES[credit()]}): (${x}, ${y}).`
      : `<b>No episode yet.</b> ${turned() ? `${horizon === CUT ? "The cut world: ∇<i>J</i> of six steps" : "The true arrow has moved"};
        pale is the one of the text’s world, uncut.`
        : "Play one: how far is its arrow from the true one?"}`);
    for (const n of [1, 16, 1000]) $(`compass-${n}`).disabled = played.length + n > MOST;
  }

  function render() {
    drawWorld();
    progress();
  }

  function progress() {
    drawPlane();
    PLANE.forEach((p, s) => {
      const m = shown ? means[shown - 1][s] : NaN, variance = s ? cloud.yy : cloud.xx;
      show($(`compass-true${s}`), truth[p], 4);
      show($(`compass-mean${s}`), m, 4);
      show($(`compass-error${s}`), m - truth[p], 4);
      show($(`compass-se${s}`), shown ? Math.sqrt(variance / shown) : NaN, 4);
    });
  }

  function drawPlane() {
    const sheet = new Sheet(plane, (width, em) => Math.min(.82 * width, 31 * em, .5 * innerHeight)), { em } = sheet;
    const hue = theme().others[1 + Object.keys(NAMES).indexOf(credit())];
    const [low, high] = [sheet.height - 2.6 * em, .6 * em], [left, right] = [3.9 * em, sheet.width - .6 * em];
    // one scale for both slopes and all estimators; the middle of what there is to see
    const [[x0, x1], [y0, y1]] = reach.map((all) => [Math.min(...all), Math.max(...all)]);
    const unit = Math.min((right - left) / Math.max(x1 - x0, .1), (low - high) / Math.max(y1 - y0, .1)) / 1.2;
    const around = (from, to, p, q) => {
      const half = Math.abs(q - p) / unit / 2, middle = (from + to) / 2;
      return scale(middle - half, middle + half, p, q);
    };
    const x = around(x0, x1, left, right), y = around(y0, y1, low, high), to = ([u, v]) => [x(u), y(v)];
    const step = [.5, 1, 2, 5, 10].find((v) => v * unit > 3 * em) ?? 20;
    const ticks = (axis) => Array.from({ length: 41 }, (_, i) => (i - 20) * step)
      .filter((v) => Math.abs(axis(v) - (axis.from + axis.to) / 2) <= Math.abs(axis.to - axis.from) / 2);
    sheet.axes(x, y, { xTicks: ticks(x), yTicks: ticks(y),
      xName: "state 0: action 1 rarer ← → likelier", yName: "state 1: rarer ← → likelier" });
    sheet.box(left, low, right, high, {}, sheet.put("clipPath", { id: "compass-area" }, sheet.put("defs")));
    const inside = sheet.put("g", { "clip-path": "url(#compass-area)" });
    sheet.line(x(0), low, x(0), high, { class: "frame" }, inside);
    sheet.line(left, y(0), right, y(0), { class: "frame" }, inside);
    const arrow = (tip, width, attributes) => {
      const [dx, dy] = [tip[0] - x(0), tip[1] - y(0)], size = Math.hypot(dx, dy) || 1e-9, back = 3.2 * width;
      const [u, v] = [dx / size * back, dy / size * back], [px, py] = tip;
      const d = `M${x(0)} ${y(0)}L${px} ${py}M${px - u - .6 * v} ${py - v + .6 * u}L${px} ${py}L${
        px - u + .6 * v} ${py - v - .6 * u}`;
      return sheet.put("path", { d, class: "pen", ...attributes, style: `stroke-width: ${width}px; ${
        attributes.style ?? ""}` }, inside);
    };
    const counts = estimate.map(() => 0), mean = shown ? means[shown - 1] : null;
    for (const k of played.slice(0, shown)) counts[k]++;
    counts.forEach((count, k) => {  // episodes that went alike lie on one another: the more, the larger
      if (!count) return;
      const tip = to(PLANE.map((p) => estimate[k][p])), last = single && k === played[shown - 1];
      arrow(tip, last ? .16 * em : .09 * em, { opacity: last ? .9 : .45, style: `stroke: ${hue}` });
      sheet.dot(...tip, .2 + 1.3 * Math.sqrt(count / shown), { fill: hue, opacity: .35, class: "episode",
        "data-count": count, "data-x": estimate[k][1], "data-y": estimate[k][3] }, inside);
    });
    if (mean) {
      const a = Math.sqrt(cloud.xx), b = a && cloud.xy / a, c = Math.sqrt(Math.max(0, cloud.yy - b * b));
      const ring = Array.from({ length: 73 }, (_, i) => [Math.cos(i * Math.PI / 36), Math.sin(i * Math.PI / 36)]);
      const size = 2 / Math.sqrt(shown);
      sheet.path(ring.map(([u, v]) => to([truth[1] + size * a * u, truth[3] + size * (b * u + c * v)])), {
        id: "compass-ring", fill: "none", stroke: "var(--soft)", "stroke-dasharray": "3 4", "stroke-width": 1.5 }, inside);
      const stride = Math.ceil(shown / 400), way = means.slice(0, shown).filter((_, i) => i < 50 || i % stride === 0);
      sheet.path([...way, mean].map(to), { fill: "none", stroke: hue, "stroke-width": .12 * em, opacity: .8 }, inside);
    }
    if (turned()) {
      arrow(to([first[1], first[3]]), .2 * em, { style: "stroke: var(--soft)", opacity: .6 });
    }
    arrow(to([truth[1], truth[3]]), .42 * em, { id: "compass-truth" });
    if (mean) arrow(to(mean), .24 * em, { id: "compass-arrow", style: `stroke: ${hue}` });
    const beside = (at, content, fill, side) => sheet.words(to(at)[0] + side * .9 * em, to(at)[1] + .1 * em, content,
      { class: "halo", "text-anchor": side < 0 ? "end" : "start", style: `fill: ${fill}; font-weight: 600` });
    const side = mean && mean[0] > truth[1] ? -1 : 1;
    beside([truth[1], truth[3]], "true ∇J", "var(--ink)", side);
    if (mean) beside(mean, shown > 1 ? `mean of ${text(shown, 0)}` : "1 episode", hue, -side);
    const pair = ([u, v]) => `(${text(u, 3)}, ${text(v, 3)})`;
    plane.setAttribute("aria-label", `Slopes for action 1 in state 0 and in state 1. The true gradient: ${
      pair([truth[1], truth[3]])}. ` + (mean ? `Mean of ${text(shown, 0)} episodes, ${NAMES[credit()]}: ${pair(mean)}.`
      : "No episode yet."));
    if (shown === played.length) plane.dataset.shown = shown;
    else delete plane.dataset.shown;
  }

  const latest = () => [...distinct.values()][played[shown - 1]].one;

  /** The two states, and four arrows: blue where the true gradient wants more, the thicker the more. */
  function drawWorld() {
    const sheet = new Sheet($("compass-world"), 21), { em, width } = sheet, y = 10.6 * em, r = 2.3 * em;
    const nodes = [.32 * width, .68 * width], ends = [.07 * width, .93 * width];
    const ways = [`M${nodes[0] - r} ${y}H${ends[0] + 1.9 * em}`,
      `M${nodes[0] + .7 * r} ${y - .9 * r}Q${width / 2} ${y - 2.4 * r} ${nodes[1] - .7 * r} ${y - .9 * r}`,
      `M${nodes[1] - .7 * r} ${y + .9 * r}Q${width / 2} ${y + 2.4 * r} ${nodes[0] + .7 * r} ${y + .9 * r}`,
      `M${nodes[1] + r} ${y}H${ends[1] - 1.9 * em}`];
    const places = [[0, 7.2 * em, "start"], [width / 2, 4.4 * em, "middle"], [width / 2, 20.4 * em, "middle"],
      [width, 7.2 * em, "end"]];
    const way = shown ? latest().states.map((s, t) => 2 * s + latest().actions[t]) : [];
    ways.forEach((d, at) => way.includes(at) && sheet.put("path", { d, class: "pen latest",
      style: "stroke: var(--soft); stroke-width: 1.3em; opacity: .3" }));
    truth.forEach((slope, at) => {
      const colour = Math.abs(slope) < 1e-12 ? "soft" : slope > 0 ? "more" : "less";
      const line = sheet.put("path", { d: ways[at], class: "pen", "data-slope": slope,
        style: `stroke: var(--${colour}); stroke-width: ${clamp(.12 + .9 * Math.abs(slope), .12, .7)}em` });
      const end = line.getPointAtLength(line.getTotalLength()), near = line.getPointAtLength(line.getTotalLength() - em);
      const [u, v] = [.8 * (end.x - near.x), .8 * (end.y - near.y)];
      sheet.path([[end.x - u - .6 * v, end.y - v + .6 * u], [end.x, end.y], [end.x - u + .6 * v, end.y - v - .6 * u]],
        { class: "pen", style: `stroke: var(--${colour})` });
      const [left, top, anchor] = places[at];
      sheet.words(left, top, `∂J/∂θ${["₀₀", "₀₁", "₁₀", "₁₁"][at]} ${slope > 0 ? "+" : ""}${text(slope, 3)}`,
        { class: "halo", "text-anchor": anchor, style: `fill: var(--${colour}); font-weight: 600` });
    });
    nodes.forEach((x, s) => {
      sheet.dot(x, y, 2.3, { style: "fill: var(--page); stroke: var(--ink); stroke-width: .12em" });
      sheet.words(x, y + (s ? .35 : -.05) * em, `state ${s}`, { class: "strong" });
    });
    sheet.words(nodes[0], y + 1.15 * em, "start");
    ends.forEach((x) => {
      sheet.box(x - 1.6 * em, y - 1.1 * em, x + 1.6 * em, y + 1.1 * em, { style: "fill: var(--faint); stroke: var(--soft)" });
      sheet.words(x, y + .35 * em, "end", { class: "strong" });
    });
    $("compass-world").setAttribute("aria-label", "The world, from state 0. " + every.map(([s, a], at) =>
      `State ${s}, action ${a}: reward ${text(world.rewards[s][a], 1)}, ${s === a ? "the end" : `to state ${1 - s}`
      }; slope of its logit ${text(truth[at], 3)}.`).join(" "));
  }

  for (const n of [1, 16, 1000]) $(`compass-${n}`).addEventListener("click", () => play(n));
  again.addEventListener("click", () => { seed++; restart(); });
  const field = (s, a) => $(`compass-r${s}${a}`);
  for (const [s, a] of every) {
    field(s, a).addEventListener("input", () => {
      const value = field(s, a).valueAsNumber;
      if (Math.abs(value) <= 9) setReward(s, a, value);  // while it is half typed, nothing happens
      else if (value) say($("compass-say"), `<b>Refused:</b> a reward goes from −9 to 9.`);
    });
    field(s, a).addEventListener("change", ({ target }) => { target.value = world.rewards[s][a]; });
  }
  $("compass-reset").addEventListener("click", () => {
    for (const [s, a] of every) setReward(s, a, begun.rewards[s][a]);
    field(0, 0).focus();  // the button is gone
  });
  $("compass-cut").addEventListener("change", ({ target }) => setHorizon(target.checked ? CUT : Infinity));
  function follow() {
    for (const [s, a] of every) {
      if (document.activeElement !== field(s, a)) field(s, a).value = world.rewards[s][a];
    }
    $("compass-cut").checked = horizon === CUT;
    const reset = $("compass-reset");
    reset.hidden = reset.disabled = every.every(([s, a]) => world.rewards[s][a] === begun.rewards[s][a]);
    restart();  // what was played in another world says nothing about this one
  }
  told.addEventListener("world", follow);
  follow();
  play(16, true);
  return render;
};
})();
