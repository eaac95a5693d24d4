/*
  The widgets of the page that trains. Load lesson.js and explorer-data.js first; explorer.css beside it.

      <div data-lesson="train"></div>       is found and filled when the page has loaded, or
      lesson.mount("train", element)        fills an element now

  Widgets: train, credit, logits, clip. Each works alone (in the book, say); side by side they are one
  story: the clip shows rows of the training's latest rollout, the credit an episode that its cart has
  just played. A page with a Content-Security-Policy needs `worker-src blob:` for the training; one with a
  fixed header says its height in the CSS variable --pin-top, so that pictures stop below it.

  Every number that a widget shows stands in it at full precision too, as data-value. After each
  iteration #status has data-iteration, data-env-steps, data-greedy-return and data-solved-at.

  In the order of the file: helpers · live training · train · credit · logits · clip · mounting
*/
"use strict";

(() => {
const L = globalThis.lesson, { settings, colours, python, seeds, recorded } = L.data;

// ==================================================================== helpers

const $ = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
let atNight = dark.matches;  // kept: Chromium tells nobody of a change whose .matches was read already
dark.addEventListener("change", () => { atNight = dark.matches; });  // first of its listeners
const theme = () => (atNight ? colours.dark : colours.light);
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const grid = (x, step) => Number((Math.round(x / step) * step).toFixed(6));
const mean = (x) => x.reduce((sum, v) => sum + v, 0) / x.length;

{  // the colours of all the lesson's pictures, as CSS variables
  const css = (colours) => Object.entries(colours).filter(([, v]) => typeof v === "string")
    .map(([name, v]) => `--${name.replace("_", "-")}:${v}`).join(";");
  document.head.insertAdjacentHTML("beforeend", `<style>:root{${css(colours.light)}}
    @media (prefers-color-scheme: dark){:root{${css(colours.dark)}}}</style>`);
}

/** A number as people read it: fixed digits and a true minus sign. */
function text(x, digits = 2) {
  if (x === null || !Number.isFinite(x)) return "–";
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const s = Math.abs(x).toLocaleString("en", fixed);
  return x < 0 && /[1-9]/.test(s) ? "−" + s : s;
}
/** A tick's value, with a digit behind the point only if it needs one. */
const short = (v) => text(v, v % 1 ? 1 : 0);

/** Put a number into an element: rounded to read, whole in data-value. */
function show(element, x, digits, unit = "") {
  element.dataset.value = String(x);
  element.textContent = text(x, digits) + unit;
}

/** Change an element's content only where it changes, for the sake of screen readers. */
function say(element, html) {
  if (element.said !== html) element.innerHTML = element.said = html;
}

/** Fill a <dl> with named numbers: [[id, label in HTML, digits], …]. */
function numbers(list, rows) {
  const pair = ([id, label]) => `<div><dt>${label}</dt><dd id="${id}"></dd></div>`;
  list.innerHTML = rows.map(pair).join("");
  const digits = new Map(rows.map(([id, , digits]) => [id, digits]));
  return (id, x) => show($(id), x, digits.get(id));
}

/** The markup of a range input with its name and its number. */
const range = (id, name, min, max, step, value) => `<label class="control"><span>${name}</span>
  <input type="range" id="${id}" min="${min}" max="${max}" step="${step}" value="${value}">
  <span class="value" id="${id}-out"></span></label>`;

/** That input, alive. get() and set(x); set does not call back. say: its value as text. */
function slider(id, digits, onInput, say = (x) => text(x, digits)) {
  const input = $(id), output = $(id + "-out");
  let value = Number(input.value);
  const paint = () => {
    output.dataset.value = String(value);
    output.textContent = say(value);
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => { value = Number(input.value); paint(); onInput(value); });
  paint();
  return {
    get: () => value,
    set: (x) => { value = x; input.value = x; paint(); },
    limits: (min, max) => { input.min = min; input.max = max; },
  };
}

/** Radio buttons: their markup, and a function that gives the chosen one. */
const radios = (name, values) => values.map((value, i) => `<label class="choice">
  <input type="radio" name="${name}" value="${value}" ${i ? "" : "checked"}><span>${
  value.length < 4 ? value.toUpperCase() : value}</span></label>`).join("");
function choice(name, onChange) {
  const inputs = [...document.getElementsByName(name)];
  inputs.forEach((input) => input.addEventListener("change", () => onChange(input.value)));
  return () => inputs.find((input) => input.checked).value;
}

/** Call move(x, y) in the element's own pixels: while a mouse presses, where a finger taps, and while
    a finger drags what has the class "grip". A finger elsewhere scrolls the page. */
function draggable(element, move) {
  const tell = (event) => {
    const box = element.getBoundingClientRect();
    move(event.clientX - box.left, event.clientY - box.top);
  };
  element.addEventListener("pointerdown", (event) => {
    const held = event.pointerType !== "touch" || event.target.closest(".grip, .scrub");
    if (event.button !== 0 || !held) return;
    element.setPointerCapture(event.pointerId);
    tell(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) tell(event);
  });
  element.addEventListener("click", (event) => { if (event.detail) tell(event); });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** Arrow keys on a two-dimensional slider: nudge(dx, dy, with Shift: small steps). */
function arrows(element, nudge) {
  element.addEventListener("keydown", (event) => {
    if (!ARROWS[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    nudge(...ARROWS[event.key], event.shiftKey);
  });
}

const ICONS = { Pause: "M3 1.5h3.6v13H3zm6.4 0H13v13H9.4z" };
/** Write a word with its icon on a button. */
function label(button, word, what = "") {
  if (button.word === word) return;
  button.word = word;
  button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true" class="icon"><path
    fill="currentColor" d="${ICONS[word.split(" ")[0]] ?? "M3 1.5v13l11-6.5z"}"/></svg>${word}`;
  if (what) button.setAttribute("aria-label", `${word} ${what}`);
}

/** A play button over frames 0 … last(). With reduced motion it shows a few stills instead. */
function player(button, what, last, framesPerSecond, get, set) {
  let playing = false, begun = 0, from = 0;
  const paint = () => label(button, playing ? "Pause" : "Play", what);
  const stop = () => { playing = false; paint(); };
  const tick = (now) => {
    if (!playing) return;
    const coarse = calm.matches ? Math.ceil(framesPerSecond() / 2) : 1;
    const passed = Math.floor((now - begun) / 1000 * framesPerSecond() / coarse) * coarse;
    const frame = Math.min(last(), from + Math.max(0, passed));
    if (frame !== get()) set(frame);
    if (frame >= last()) stop();
    else requestAnimationFrame(tick);
  };
  button.addEventListener("click", () => {
    if (playing) return stop();
    if (get() >= last()) set(0);
    [playing, begun, from] = [true, performance.now(), get()];
    paint();
    requestAnimationFrame(tick);
  });
  paint();
  return { stop };
}

/** A linear scale from [a, b] to pixels [p, q], with its inverse. */
function scale(a, b, p, q) {
  const to = (x) => p + (x - a) / (b - a) * (q - p);
  [to.from, to.to] = [p, q];
  to.invert = (pixel) => a + (pixel - p) / (q - p) * (b - a);
  return to;
}

/** An <svg>, emptied, and a hand that draws in it. Lengths are pixels; `em` is its font's size. */
class Sheet {
  /** height: a number of em, or a function of (width, em) that gives pixels. */
  constructor(svg, height) {
    this.svg = svg;
    this.em = parseFloat(getComputedStyle(svg).fontSize);
    this.width = svg.parentElement.clientWidth;
    this.height = typeof height === "function" ? height(this.width, this.em) : height * this.em;
    svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    svg.style.height = this.height + "px";
    svg.replaceChildren();
  }

  put(tag, attributes, parent = this.svg) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    parent.append(element);
    return element;
  }

  words(x, y, content, attributes = {}) {
    const element = this.put("text", { x, y, "text-anchor": "middle", ...attributes });
    element.textContent = content;
    return element;
  }

  line(x1, y1, x2, y2, attributes, parent) {
    return this.put("line", { x1, y1, x2, y2, ...attributes }, parent);
  }

  /** A rectangle between two opposite corners. */
  box(x1, y1, x2, y2, attributes, parent) {
    const [x, y] = [Math.min(x1, x2), Math.min(y1, y2)];
    const [width, height] = [Math.abs(x2 - x1), Math.abs(y2 - y1)];
    return this.put("rect", { x, y, width, height, ...attributes }, parent);
  }

  dot(cx, cy, r, attributes, parent) {
    return this.put("circle", { cx, cy, r: r * this.em, ...attributes }, parent);
  }

  path(points, attributes, parent) {
    const d = "M" + points.map((point) => point.join(" ")).join("L");
    return this.put("path", { d, ...attributes }, parent);
  }

  /** A level arrow that starts at (x, y); a negative length points left. */
  arrow(x, y, length, attributes) {
    const [tip, back] = [x + length, .55 * this.em];
    const wing = tip - Math.sign(length) * back;
    const d = `M${x} ${y}H${tip}M${wing} ${y - back}L${tip} ${y}L${wing} ${y + back}`;
    return this.put("path", { d, class: "pen", ...attributes });
  }

  /** Frame, ticks and names of the plane between two scales. */
  axes(x, y, { xTicks, yTicks, xName, yName }) {
    const { em, height } = this;
    this.box(x.from, y.from, x.to, y.to, { class: "frame" });
    for (const v of xTicks) this.words(x(v), height - 1.35 * em, short(v));
    for (const v of yTicks) {
      this.words(x.from - .5 * em, y(v) + .33 * em, short(v), { "text-anchor": "end" });
    }
    this.words((x.from + x.to) / 2, height - .1 * em, xName, { class: "strong" });
    const upright = `translate(${.75 * em} ${(y.from + y.to) / 2}) rotate(-90)`;
    this.words(0, 0, yName, { class: "strong", transform: upright });
  }
}

/** Size and family of the letters in pictures. */
function type() {
  if (type.known) return type.known;
  const style = getComputedStyle(document.querySelector(".lesson"));
  return type.known = { em: .8 * parseFloat(style.fontSize), font: style.fontFamily };
}

/** A <canvas>, emptied, and a pencil whose unit is the CSS pixel. */
function pencil(canvas) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const { em, font } = type();
  pen.font = `${em}px ${font}`;
  const line = (points, colour, thick = 1, dash = []) => {
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.setLineDash(dash);
    pen.beginPath();
    let down = false;  // a null lifts the pen
    for (const point of points) {
      if (!point) down = false;
      else if (down) pen.lineTo(...point);
      else { pen.moveTo(...point); down = true; }
    }
    pen.stroke();
    pen.setLineDash([]);
  };
  const words = (content, x, y, align = "left", colour = theme().soft) => {
    pen.fillStyle = colour;
    pen.textAlign = align;
    pen.fillText(content, x, y);
  };
  return { pen, width, height, em, line, words };
}

/** A cart and its pole: state [x, ẋ, angle, spin]; push −1 left, 1 right, 0 none. */
function drawCart({ pen, width, height, em, line }, [x, , angle], { push = 0, ink, pole }) {
  const across = scale(-2.7, 2.7, 0, width);
  const metre = Math.min(width / 5.4, (height - 2 * em) / 1.45);
  const floor = height - 1.4 * em;
  const [w, h] = [.5 * metre, .22 * metre];
  const [middle, top] = [across(x), floor - h];
  pen.fillStyle = ink;
  pen.fillRect(middle - w / 2, top, w, h);
  pen.lineCap = "round";
  line([[middle, top], [middle + metre * Math.sin(angle), top - metre * Math.cos(angle)]], pole,
    Math.max(3, .09 * metre));
  pen.lineCap = "butt";
  if (push) {
    const start = middle + push * (w / 2 + .4 * em), y = top + h / 2, tip = start + push * 1.6 * em;
    const colour = push > 0 ? theme().more : theme().less;
    line([[start, y], [tip, y]], colour, .22 * em);
    line([[tip - push * .6 * em, y - .6 * em], [tip, y], [tip - push * .6 * em, y + .6 * em]], colour,
      .22 * em);
  }
  return { across, middle, floor, metre };
}

/** A widget draws itself anew when its width or the page's colours change. */
function redrawn(element, draw) {
  let width = element.clientWidth;
  dark.addEventListener("change", draw);
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    type.known = null;
    if (width) draw();
  }).observe(element);
}

// ============================================================== live training

/** What the widgets tell each other: "rows" of a minibatch, an "episode" that was played. */
const live = new EventTarget();
const announce = (name, detail) => live.dispatchEvent(Object.assign(new Event(name), { detail }));

/** Runs in a worker: trains while it is told to, and reports after each iteration. */
function work(L) {
  let trainer, id, until, pause, evaluations, going = false, chain = 0;
  const next = new MessageChannel();  // a timeout of 0 would wait for 4 ms
  next.port1.onmessage = ({ data }) => turn(data);
  const again = (own) => (pause ? setTimeout(turn, pause, own) : next.port2.postMessage(own));

  /** Greedy returns when due, every 2,000 steps (10,000 once solved: five hundred steps an episode are
      more work than the training) and at the end: a glance at 20 episodes, and if that looks solved,
      or at the end, all the 100 that "solved" asks for. */
  function evaluation(over) {
    const due = Math.floor(trainer.env_steps / (evaluations.solved_at === null ? 2000 : 10000));
    if (!over && due === evaluations.due) return {};
    evaluations.due = due;
    const average = (x) => x.reduce((sum, v) => sum + v, 0) / x.length;
    let greedy = average(L.evaluate(trainer.policy, 20, trainer.judging));
    if (over || (evaluations.solved_at === null && greedy >= L.SOLVED)) {
      greedy = average(L.evaluate(trainer.policy, 100, trainer.judging));
      if (greedy >= L.SOLVED) evaluations.solved_at ??= trainer.env_steps;
    }
    return { greedy };
  }

  const over = () => trainer.env_steps >= until;
  const report = (statistics) => postMessage({
    ...statistics, over: over(), solved_at: evaluations.solved_at, id,
    policy: trainer.policy.parameters, value: trainer.value.parameters,
  });

  function iterate() {
    if (over()) return;
    const statistics = trainer.iterate();
    report({ ...statistics, ...evaluation(over()) });
  }

  function turn(own) {
    if (!going || own !== chain) return;  // paused, or paused and started anew
    iterate();
    if (over()) going = false;
    else again(own);
  }

  self.onmessage = ({ data: { begin, config, going: go, pause: wait, once } }) => {
    if (begin) {
      trainer = new L.Trainer(...begin.arguments);
      [id, until] = [begin.id, begin.until ?? trainer.config.total_steps];
      evaluations = { due: 0, solved_at: null };
      report({ iteration: 0, env_steps: 0 });
    }
    if (config) Object.assign(trainer.config, config);
    if (wait !== undefined) pause = wait;
    if (once) iterate();
    if (go !== undefined) {
      const start = go && !going;
      going = go;
      if (start) again(++chain);
    }
  };
}

function startWorker(onReport) {
  const source = `"use strict"; (${work})((${makeLesson})());`;
  // Never revoked: a busy Chromium may not have read it yet, and then the worker never starts.
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => onReport(data);
  return worker;
}

const widgets = L.widgets = {};  // name -> its function: fills an element, gives back how to draw it anew

// ====================================================================== train

const equation = (name) => {
  const n = name.slice(4);  // "Eq. 37"
  return `<a href="../README.md#eq-${n}" data-eq="${n}">${name}</a>`;
};

widgets.train = (element) => {
  element.innerHTML = `
  <div class="two">
    <div class="pin">
      <div class="row">
        <button class="main" type="button" id="train"></button>
        <button type="button" id="iterate">One iteration</button>
        <button type="button" id="again" title="with another seed">Start again</button>
      </div>
      <p id="status"></p><p class="hidden" id="news" role="status"></p>
      <figure>
        <div class="over"><span id="cart-now"></span><span id="cart-value"></span></div>
        <canvas id="carts" tabindex="0" role="application"
          aria-label="The cart and its pole. Hold the left or right arrow key to push."></canvas>
      </figure>
      <figure>
        <canvas id="curve" role="img" aria-label="The learning curve"></canvas>
        <figcaption class="small soft" id="curve-key"></figcaption>
      </figure>
    </div>
    <div class="stack">
      <div class="row">
        <button type="button" id="push-left">← Push</button>
        <button type="button" id="push-right">Push →</button>
        <button type="button" id="carts-play"></button>
        <span class="soft small">or drag the cart itself</span>
      </div>
      <figure>
        <div class="portrait"><div class="plane">
          <canvas id="portrait" class="drag" role="slider" tabindex="0"
            aria-valuemin="-12" aria-valuemax="12" aria-valuenow="0"
            aria-label="The pole’s angle with left and right arrow keys, its angular velocity with up and down"></canvas>
        </div></div>
        <figcaption class="small soft">
          <span class="row"><span>left</span><span class="ramp"></span><span>right</span></span>
          The policy: which way does it push, at the cart’s place and speed? The large ring is the cart,
          the small ones the pale carts. Put the cart anywhere in it. Arrows may point the other way: an
          action is drawn by its probability, so in the pale parts it is nearly a coin’s toss.
        </figcaption>
      </figure>
      <div class="panels">
        <figure><canvas id="lengths" role="img" aria-label="The gradient’s length"></canvas>
          <figcaption class="small soft">gradient’s length, before the clip at
            ½: <b id="gradient-norm"></b></figcaption></figure>
        <figure><canvas id="fractions" role="img" aria-label="Clip and dead fraction"></canvas>
          <figcaption class="small soft">share of rows whose ratio left 1 ± <i>ε</i>:
            <b id="clip-fraction"></b>; dashed, rows without a gradient: <b id="dead-fraction"></b></figcaption></figure>
      </div>
      <div class="controls">
        <fieldset><legend>Algorithm</legend>${radios("algorithm", ["ppo", "vpg"])}</fieldset>
        <label class="control"><span>Pace</span><select id="pace">
          <option value="0">as fast as it can</option><option value="100">ten iterations a second</option>
          <option value="700">slow motion</option></select></label>
        <label class="control"><span>Seed</span>
          <input type="number" id="seed" min="0" max="999999" step="1" value="0"></label>
        ${range("epsilon", "Clip range <i>ε</i>", .05, .5, .01, .2)}
        ${range("lambda", "Trace <i>λ</i>", 0, 1, .01, .95)}
        ${range("gamma", "Discount <i>γ</i>", .8, 1, .005, .99)}
        ${range("step-size", "Step size <i>α</i>", -4, -1, .1, -2)}
        ${range("epochs", "Epochs", 1, 20, 1, 6)}
      </div>
    </div>
  </div>`;

  const sizes = (outputs) => [4, settings.ppo.hidden_sizes[0], outputs];
  const policy = new L.Network(sizes(2)), value = new L.Network(sizes(1));
  const chance = L.generator(Date.now() % 1e9);
  const worker = startWorker(report);
  const algorithm = choice("algorithm", () => { defaults(); begin(); });

  // ------------------------------------------------------------- the training
  const tell = () => worker.postMessage({ config: config() });
  const knobs = {
    clip_range: slider("epsilon", 2, tell), gae_lambda: slider("lambda", 2, tell),
    gamma: slider("gamma", 3, tell), epochs: slider("epochs", 0, tell),
    learning_rate: slider("step-size", 0, tell, (x) => String(Number((10 ** x).toPrecision(2)))),
  };
  function config() {
    const changed = {};
    for (const name in knobs) changed[name] = knobs[name].get();
    changed.learning_rate = changed.value_learning_rate = 10 ** changed.learning_rate;
    return { ...settings[algorithm()], ...changed };
  }
  function defaults() {
    for (const name in knobs) {
      const lesson = settings[algorithm()][name];
      if (lesson !== undefined) knobs[name].set(name === "learning_rate" ? Math.log10(lesson) : lesson);
    }
    const clipless = algorithm() === "vpg";  // one step on each rollout, no ratio, no clip
    for (const id of ["epsilon", "epochs"]) $(id).disabled = clipless;
  }

  let going = false, id = 0, run, former = null;
  function begin() {
    if (run?.iteration && run.line) former = run;
    const total = settings[algorithm()].total_steps;
    run = { total, algorithm: algorithm(), began: [], lengths: [], greedy: [], norms: [],
      fractions: [], line: null, steps: 0, iteration: 0, over: false, solved_at: null };
    Object.assign($("status").dataset, { iteration: 0, envSteps: 0, greedyReturn: "", solvedAt: "" });
    worker.postMessage({
      begin: { arguments: [algorithm(), config(), Number($("seed").value) || 0], id: ++id },
    });
    if (going) worker.postMessage({ going });
    paint();
  }
  function go(on) {
    if (on && (run.over || !run.iteration)) begin();
    going = on;
    worker.postMessage({ going, pause: Number($("pace").value) });
    paint();
  }

  /** What the worker has to say after an iteration. */
  function report(news) {
    if (news.id !== id) return;  // of a training that was begun before
    policy.parameters.set(news.policy);
    value.parameters.set(news.value);
    stale.portrait = stale.curve = true;
    if (!news.iteration) return paint();
    Object.assign(run, { iteration: news.iteration, steps: news.env_steps, over: news.over,
      solved_at: news.solved_at, news });
    for (const [began, length] of news.episodes) { run.began.push(began); run.lengths.push(length); }
    run.norms.push(news.gradient_norm);
    run.fractions.push([news.clip_fraction, news.dead_fraction]);
    if (news.greedy !== undefined) run.greedy.push([news.env_steps, news.greedy]);
    const newest = run.greedy.at(-1);
    Object.assign($("status").dataset, {
      iteration: news.iteration, envSteps: news.env_steps, greedyReturn: newest ? newest[1] : "",
      solvedAt: news.solved_at ?? "",
    });
    announce("rows", news);
    if (news.over) going = false;
    paint();
  }

  function paint() {
    label($("train"), going ? "Pause" : run.iteration && !run.over ? "Go on" : "Train");
    const newest = run.greedy.at(-1);
    $("status").textContent = `${text(run.steps, 0)} steps` +
      (newest ? ` · greedy ${text(newest[1], 0)} of 500` : "") +
      (run.solved_at ? ` · solved at ${text(run.solved_at, 0)}` : "");
    const news = run.over ? "The training has ended." : run.solved_at ? "Solved."
      : going ? "Training." : run.iteration ? "Paused." : "Ready.";
    say($("news"), news);
  }

  // --------------------------------------------------------------- the pictures
  const stale = { portrait: true, curve: true };

  function drawCurve() {
    stale.curve = false;
    const { total, algorithm } = run, look = theme(), sheet = pencil($("curve"));
    const { pen, width, height, em, line, words } = sheet;
    const x = scale(0, total, 2.6 * em, width - .8 * em), y = scale(0, 500, height - 1.7 * em, .7 * em);
    const level = (v, colour, dash) => line([[x(0), y(v)], [x(total), y(v)]], colour, 1, dash);
    level(0, look.soft);
    level(250, look.faint);
    level(500, look.faint);
    level(L.SOLVED, look.ink, [3, 4]);
    for (const v of [0, 250, 500]) words(v, x(0) - .5 * em, y(v) + .35 * em, "right");
    for (let v = 0; v <= total; v += 50000) {
      words(text(v, 0), Math.min(x(v), width - .2 * em), height - .3 * em, v < total ? "center" : "right");
    }
    words("475: solved", x(total), y(L.SOLVED) + 1.2 * em, "right", look.ink);
    const windows = (means, of = total) => means.map((v, k) =>
      v !== null && [x((k + .5) * of / means.length), y(v)]);
    line(windows(python[algorithm].whole.curve), look.soft, 1.5, [6, 4]);
    if (former?.total === total) line(windows(former.line), look[`${former.algorithm}`] + "66", 2);
    pen.fillStyle = look.soft + "88";
    run.began.forEach((step, i) => pen.fillRect(x(step) - 1.2, y(run.lengths[i]) - 1.2, 2.4, 2.4));
    run.line = L.returns_when_begun(run.began, run.lengths, run.lengths, 32, total);
    // The last stretches are not settled while the training runs: episodes begun there go on.
    const open = run.steps < total ? run.steps - 32 * Math.max(0, ...run.lengths) : total;
    const settled = run.line.map((v, k) => ((k + 1) * total / 100 <= open ? v : null));
    line(windows(settled), look[algorithm], 2.5);
    pen.strokeStyle = look.ink;
    pen.fillStyle = look.card;
    pen.lineWidth = 1.5;
    for (const [step, v] of run.greedy) {
      pen.beginPath();
      pen.arc(Math.min(x(step), x(total)), y(v), 2.8, 0, 7);
      pen.fill();
      pen.stroke();
    }
    $("curve").setAttribute("aria-label", `The learning curve: ${$("status").textContent}`);

    const shown = [["lengths", (v) => (Math.log10(Math.max(v, 1e-3)) + 3) / 5, .5],
      ["fractions", (v) => v, 0]];
    for (const [id, share, mark] of shown) {
      const { width, height, em, line, words } = pencil($(id));
      const count = Math.ceil(total / (32 * settings[algorithm].num_steps));
      const x = scale(0, count, 2.4 * em, width - 2), y = scale(0, 1, height - 3, 4);
      line([[x(0), y(0)], [x(count), y(0)]], look.soft);
      const ticks = id === "lengths" ? [[1, "100"], [.6, "1"], [.2, ".01"]]
        : [[1, "1"], [.5, "½"], [0, "0"]];
      for (const [at, name] of ticks) {
        words(name, x(0) - .4 * em, clamp(y(at) + .35 * em, .8 * em, height), "right");
      }
      if (mark) line([[x(0), y(share(mark))], [x(count), y(share(mark))]], look.ink, 1, [3, 4]);
      const along = (series, colour, dash) =>
        line(series.map((v, i) => [x(i + 1), y(clamp(share(v), 0, 1))]), colour, 2, dash);
      if (id === "lengths") along(run.norms, look[algorithm]);
      else {
        along(run.fractions.map(([clip]) => clip), look[algorithm]);
        along(run.fractions.map(([, dead]) => dead), look.ink, [2, 2]);
      }
    }
    const last = run.fractions.at(-1) ?? [NaN, NaN];
    show($("gradient-norm"), run.norms.at(-1) ?? NaN, 3);
    show($("clip-fraction"), last[0], 3);
    show($("dead-fraction"), last[1], 3);
    const hue = `<span class="key line" style="background:var(--${algorithm})"></span>`;
    say($("curve-key"), `<span class="key dot" style="background:var(--soft)"></span>an episode, where it
      began · ${hue}mean of those begun together · <span class="key ring"></span>greedy policy ·
      dashed: Python’s ${seeds} seeds${former?.total === total ? " · pale: the training before" : ""}`);
  }

  const [MAX_ANGLE, MAX_SPIN, CELLS, PIXELS] = [12, 2.5, 24, 96], DEGREE = Math.PI / 180;
  const slice = [0, 0];  // place and speed in the portrait: the cart's, its speed smoothed
  /** The logits' difference is smooth: known on a coarse grid and interpolated, it is the picture. */
  function drawPortrait() {
    stale.portrait = false;
    slice.drawn = [...slice];
    const canvas = $("portrait");
    const pen = canvas.getContext("2d", { willReadFrequently: true });  // numbers in, no GPU
    if (canvas.width !== PIXELS) canvas.width = canvas.height = PIXELS;
    const states = new Float64Array(4 * (CELLS + 1) ** 2);
    for (let i = 0, at = 0; i <= CELLS; i++) {
      for (let j = 0; j <= CELLS; j++) {
        states[at++] = slice[0];
        states[at++] = slice[1];
        states[at++] = (2 * j / CELLS - 1) * MAX_ANGLE * DEGREE;
        states[at++] = (1 - 2 * i / CELLS) * MAX_SPIN;
      }
    }
    const logits = policy.forward(states)[0];
    const difference = (i, j) => logits[2 * (i * (CELLS + 1) + j) + 1] - logits[2 * (i * (CELLS + 1) + j)];
    const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const [left, middle, right] = [theme().less, theme().card, theme().more].map(rgb);
    const picture = pen.createImageData(PIXELS, PIXELS);
    for (let place = 0; place < PIXELS * PIXELS; place++) {
      const row = Math.floor(place / PIXELS) * CELLS / (PIXELS - 1);
      const column = place % PIXELS * CELLS / (PIXELS - 1);
      const i = Math.min(Math.floor(row), CELLS - 1), j = Math.min(Math.floor(column), CELLS - 1);
      const [u, v] = [row - i, column - j];
      const d = (1 - u) * ((1 - v) * difference(i, j) + v * difference(i, j + 1))
        + u * ((1 - v) * difference(i + 1, j) + v * difference(i + 1, j + 1));
      const p = 1 / (1 + Math.exp(-d)), end = p < .5 ? left : right, share = Math.abs(2 * p - 1);
      for (let c = 0; c < 3; c++) {
        picture.data[4 * place + c] = middle[c] + (end[c] - middle[c]) * share;
      }
      picture.data[4 * place + 3] = 255;
    }
    pen.putImageData(picture, 0, 0);
  }

  // ------------------------------------------------------------------- the carts
  const fresh = () => ({ state: L.cartpole_reset(chance), steps: 0, rows: [], still: 0, push: 0, end: "" });
  const carts = Array.from({ length: 6 }, fresh);  // the first is the one that can be pushed
  let playing = !calm.matches, hand = 0, pointer = null, owed = 0, before = 0;

  const plane = element.querySelector(".plane");
  const dots = carts.map(() => plane.appendChild(document.createElement("div"))).reverse();
  const tick = (at, name, way) => plane.insertAdjacentHTML("beforeend",
    `<span class="tick ${way}" style="${way.includes("below") ? "left" : "top"}:${at}%">${name}</span>`);
  [[-12, 0], [-6, 25], [0, 50], [6, 75], [12, 100]].forEach(([v, at]) => tick(at, short(v) + "°", "below"));
  [[2, 10], [1, 30], [0, 50], [-1, 70], [-2, 90]].forEach(([v, at]) => tick(at, short(v), "beside"));
  tick(50, "pole’s angle", "name below");
  tick(50, "angular velocity, rad/s", "name beside");
  dots.forEach((dot) => plane.append(dot));  // the cart's own ring is the last one
  dots.reverse();

  function stepCart(cart, force) {
    if (cart.still) {  // it has ended; a moment to see how
      if (--cart.still === 0) Object.assign(cart, fresh());
      return;
    }
    const log_probs = L.distributions(policy, [cart.state])[0], action = L.sample(log_probs, chance);
    const [next, terminated] = L.cartpole_step(cart.state, action, force);
    cart.rows.push({ obs: cart.state, action });
    Object.assign(cart, { state: next, push: 2 * action - 1, right: Math.exp(log_probs[1]) });
    cart.steps++;
    cart.end = terminated ? "terminated" : cart.steps >= L.MOST_STEPS ? "truncated" : "";
    if (!cart.end) return;
    cart.still = cart === carts[0] ? 60 : 15;
    if (cart === carts[0]) {
      announce("episode", {
        obs: [...cart.rows.map((row) => row.obs), next], actions: cart.rows.map((row) => row.action),
        end: cart.end, iteration: run.iteration, value: value.parameters.slice(),
      });
    }
  }

  function drawCarts() {
    const look = theme(), sheet = pencil($("carts")), { width, height, em, line, words } = sheet;
    const across = scale(-2.7, 2.7, 0, width), floor = height - 1.4 * em;
    line([[across(-2.4), floor], [across(2.4), floor]], look.soft, 1.5);
    for (const edge of [-2.4, 0, 2.4]) {
      line([[across(edge), floor], [across(edge), floor + .35 * em]], look.soft, 1.5);
      words(short(edge) + (edge ? "" : " m"), across(edge), height - .15 * em, "center");
    }
    for (const cart of carts.slice(1)) drawCart(sheet, cart.state, { ink: look.faint, pole: look.faint });
    const own = carts[0];
    const { middle, metre } = drawCart(sheet, own.state, {
      push: own.still ? 0 : own.push, ink: look.ink, pole: own.end === "terminated" ? look.less : look.ink,
    });
    $("carts").dataset.x = own.state[0];
    const force = handForce();
    if (force) {  // the hand: a rope from the cart's side
      const y = floor - .11 * metre, side = middle + Math.sign(force) * .25 * metre;
      const end = side + force / 12 * 6 * em;
      line([[side, y], [end, y]], look.ink, .2 * em);
      sheet.pen.beginPath();
      sheet.pen.arc(end, y, .45 * em, 0, 7);
      sheet.pen.fillStyle = look.ink;
      sheet.pen.fill();
    }
    if (own.end || own.steps % 5 === 0) tellCart(own);
    const side = plane.clientWidth / 2;
    carts.forEach(({ state: [, , angle, spin] }, i) => {
      const u = clamp(angle / DEGREE / MAX_ANGLE, -1, 1), v = clamp(spin / MAX_SPIN, -1, 1);
      dots[i].style.transform = `translate(${u * side}px, ${-v * side}px)`;
    });
  }

  /** Where an episode ends, Eq. 12: V struck out at a termination, kept at a truncation. */
  function tellCart({ state, steps, end }) {
    const V = `<i>V</i>(<i>s</i>) = ${text(value.forward(Float64Array.from(state))[0][0], 1)}`;
    say($("cart-value"), !run.iteration ? "untrained: it pushes at random"
      : end === "terminated" ? `no future: <s>${V}</s> counts as 0`
      : end ? `cut off: ${V} still counts` : `expects ${V}`);
    say($("cart-now"), end === "terminated" ? `fell after ${steps} steps`
      : end ? `stood for ${steps} steps` : `step ${steps}`);
  }

  const handForce = () => {
    if (pointer === null) return 12 * hand;
    const across = scale(-2.7, 2.7, 0, $("carts").clientWidth);
    return clamp(15 * (across.invert(pointer) - carts[0].state[0]), -12, 12);
  };

  let seen = true, portraitAt = 0, curveAt = 0;
  new IntersectionObserver((entries) => { seen = entries.at(-1).isIntersecting; }).observe(element);
  function frame(now) {
    if (!element.isConnected) return worker.terminate();
    requestAnimationFrame(frame);
    const passed = Math.min(now - before, 60);
    before = now;
    if (playing || hand || pointer !== null) {
      owed += passed;
      const moved = owed >= 20;
      for (; owed >= 20; owed -= 20) {  // 50 steps a second, as in Gymnasium
        carts.forEach((cart, i) => stepCart(cart, i ? 0 : handForce()));
        slice[0] = carts[0].state[0];
        slice[1] += .1 * (carts[0].state[1] - slice[1]);
      }
      if (moved && seen) drawCarts();
    }
    const drifted = Math.abs(slice[0] - slice.drawn[0]) + Math.abs(slice[1] - slice.drawn[1]) > .05;
    if (!seen) return;
    if ((stale.portrait || drifted) && now - portraitAt > 100) {
      portraitAt = now;
      drawPortrait();
      describe();
    }
    if (stale.curve && now - curveAt > 200) {
      curveAt = now;
      drawCurve();
    }
  }

  // ---------------------------------------------------------------------- hands
  const paintPlay = () => label($("carts-play"), `${playing ? "Pause" : "Play"} carts`);
  $("carts-play").addEventListener("click", () => { playing = !playing; paintPlay(); });
  $("carts").addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    $("carts").setPointerCapture(event.pointerId);
    pointer = event.offsetX;
  });
  $("carts").addEventListener("pointermove", (event) => {
    if (pointer !== null) pointer = event.clientX - $("carts").getBoundingClientRect().left;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    $("carts").addEventListener(end, () => { pointer = null; });
  }
  $("carts").addEventListener("keydown", (event) => {
    const [way] = ARROWS[event.key] ?? [0];
    if (!way) return;
    event.preventDefault();
    hand = way;
  });
  for (const end of ["keyup", "blur"]) $("carts").addEventListener(end, () => { hand = 0; });
  for (const [id, way] of [["push-left", -1], ["push-right", 1]]) {
    const press = (force) => () => { hand = force; };
    $(id).addEventListener("pointerdown", press(way));
    for (const end of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) {
      $(id).addEventListener(end, press(0));
    }
    $(id).addEventListener("keydown", (event) => { if (" Enter".includes(event.key)) hand = way; });
  }
  /** Put the cart's pole somewhere: degrees, rad/s. */
  function put(angle, spin) {
    const [x, x_dot] = carts[0].state;
    carts[0] = { ...fresh(), state: [clamp(x, -1, 1), x_dot,
      clamp(angle, -11.9, 11.9) * DEGREE, clamp(spin, -MAX_SPIN, MAX_SPIN)] };
    drawCarts();
    describe();
  }
  function describe() {
    const [, , angle, spin] = carts[0].state, right = Math.exp(L.distributions(policy, [carts[0].state])[0][1]);
    $("portrait").dataset.right = right;
    $("portrait").setAttribute("aria-valuenow", text(angle / DEGREE, 1).replace("−", "-"));
    $("portrait").setAttribute("aria-valuetext", `angle ${text(angle / DEGREE, 1)} degrees, ` +
      `angular velocity ${text(spin)}: pushes right with probability ${text(right)}`);
  }
  draggable($("portrait"), (px, py) => {
    const side = plane.clientWidth;
    put((2 * px / side - 1) * MAX_ANGLE, (1 - 2 * py / side) * MAX_SPIN);
  });
  arrows($("portrait"), (dx, dy, small) => {
    const [, , angle, spin] = carts[0].state;
    put(angle / DEGREE + dx * (small ? .1 : 1), spin + dy * (small ? .05 : .25));
  });

  $("train").addEventListener("click", () => go(!going));
  $("iterate").addEventListener("click", () => {
    if (going) go(false);
    if (run.over) begin();
    worker.postMessage({ once: true });
  });
  $("again").addEventListener("click", () => {
    $("seed").value = (Number($("seed").value) || 0) + 1;
    begin();
  });
  $("seed").addEventListener("change", begin);
  $("pace").addEventListener("change", () => worker.postMessage({ pause: Number($("pace").value) }));

  defaults();
  begin();
  paintPlay();
  drawPortrait();
  drawCarts();
  requestAnimationFrame(frame);
  return () => { stale.portrait = stale.curve = true; drawCarts(); };
};

// ===================================================================== credit

widgets.credit = (element) => {
  element.innerHTML = `
  <div class="two">
    <div class="pin stack">
      <figure><svg id="timeline" class="scrub" role="img"
        aria-label="Value, surprise and credit"></svg></figure>
    </div>
    <div class="stack">
      <div class="row"><button type="button" id="credit-latest">Latest episode</button>
        <span class="small soft" id="credit-source"></span></div>
      <figure><canvas id="stage" style="height:7.5rem" role="img" aria-label="The cart"></canvas></figure>
      <div class="row">
        <button class="main" type="button" id="credit-play"></button>
        <label class="grow"><span>Step</span>
          <input type="range" id="credit-step" min="0" max="1" step="1" value="0">
          <span class="value" id="credit-step-out"></span></label>
      </div>
      <div>
        ${range("credit-lambda", "Trace <i>λ</i>", 0, 1, .01, .95)}
        ${range("credit-gamma", "Discount <i>γ</i>", .8, 1, .005, .99)}
        <fieldset><legend>The last step</legend>${radios("ending", ["terminated", "truncated"])}</fieldset>
      </div>
      <p class="small" id="ending-say" role="status"></p>
      <p class="small well" id="credit-say"></p>
      <dl class="numbers" id="credit-numbers"></dl>
      <p class="small soft"><span class="key" style="background:var(--more)"></span>better than expected,
        <span class="key" style="background:var(--less)"></span>worse. The <i>δ</i> that count for the step
        under the cursor stand out, each by its weight (<i>γλ</i>)<sup><i>k</i></sup>. Thin line: the credit
        with the lesson’s <i>λ</i> = 0.95 and <i>γ</i> = 0.99.</p>
    </div>
  </div>`;

  const own = settings.ppo;
  const tell = numbers($("credit-numbers"), [
    ["credit-value", "value <i>V</i>(<i>s<sub>t</sub></i>)", 3],
    ["credit-next", "value <i>V</i>(<i>s</i><sub><i>t</i>+1</sub>)", 3],
    ["credit-delta", "surprise <i>δ<sub>t</sub></i>", 3],
    ["credit-advantage", "credit <i>Â<sub>t</sub></i>", 3],
  ]);
  let episode, T, values, credit, usual, draw, scales, latest, touched = false;
  const touch = (then) => () => { touched = true; then(); };
  const step = slider("credit-step", 0, touch(() => { playing.stop(); moveCursor(); }));
  const gamma = slider("credit-gamma", 3, touch(() => render()));
  const lambda = slider("credit-lambda", 2, touch(() => render()));
  const ending = choice("ending", touch(() => render()));
  const playing = player($("credit-play"), "the episode", () => T - 1, () => 12.5, step.get,
    (t) => { touched = true; step.set(t); moveCursor(); });

  /** Surprises and credit of the episode. */
  function credits(g, l, terminated) {
    const ends = values.slice(1).map((_, t) => t === T - 1);
    const rewards = ends.map(() => 1), dead = ends.map((end) => end && terminated);
    const estimate = (l) => L.gae(rewards, values.slice(0, T), values.slice(1), dead, ends, g, l);
    return { deltas: estimate(0), advantages: estimate(l) };  // λ = 0 is δ itself
  }

  /** Show an episode: { obs (T+1 states), actions, end, iteration, value (parameters) or values }. */
  function take(played) {
    episode = played;
    T = episode.actions.length;
    const network = played.value && new L.Network([4, own.hidden_sizes[0], 1], played.value);
    values = played.values ?? [...network.forward(Float64Array.from(episode.obs.flat()))[0]];
    usual = credits(own.gamma, own.gae_lambda, episode.end === "terminated").advantages;
    document.getElementsByName("ending").forEach((input) => { input.checked = input.value === episode.end; });
    step.limits(0, T - 1);
    step.set(Math.max(0, T - 12));
    $("credit-source").textContent = `${T} steps of the policy after iteration ${episode.iteration}, as
      the value network of that moment saw them${played.values ? " (recorded in Python)" : ""}.`;
    render();
  }

  function render() {
    const terminated = ending() === "terminated";
    credit = credits(gamma.get(), lambda.get(), terminated);
    // One scale for all λ and both ends, so that what moves is the credit.
    const all = [0, .5, .9, own.gae_lambda, 1].flatMap((l) => [true, false].flatMap((end) =>
      [own.gamma, gamma.get()].map((g) => credits(g, l, end))));
    const limits = (name) => {
      const series = all.flatMap((one) => one[name]);
      return [Math.min(-1, ...series), Math.max(1, ...series)];
    };
    scales = { deltas: limits("deltas"), advantages: limits("advantages") };
    Object.assign(element.dataset, {
      deltas: JSON.stringify(credit.deltas), advantages: JSON.stringify(credit.advantages),
      values: JSON.stringify(values),
    });
    say($("ending-say"), terminated
      ? `<b>The pole fell.</b> There is no future: the last <i>δ</i> loses all that <i>V</i> still
        promised. <s><i>V</i>(<i>s</i>′) = ${text(values[T], 1)}</s> counts as 0.`
      : `<b>A time limit cut the episode off.</b> The future exists, only unseen: <i>V</i>(<i>s</i>′) =
        ${text(values[T], 1)} stands for it, and nobody is blamed.`);
    drawTimeline();
    moveCursor();
  }

  function drawTimeline() {
    const highest = Math.max(1, ...values);
    const tall = innerWidth < 600 ? .62 : 1;
    const lanes = [
      ["V", "V", "what the value network expects", values.slice(0, T), 6.5, [Math.min(0, ...values), highest]],
      ["delta", "δ", "surprise", credit.deltas, 8, scales.deltas],
      ["A", "Â", "credit", credit.advantages, 9, scales.advantages],
    ];
    const gap = 2;  // em between two lanes, for the title
    const sheet = new Sheet($("timeline"),
      lanes.reduce((sum, lane) => sum + tall * lane[4] + gap, 0) + 1.7);
    const { em } = sheet;
    const x = scale(0, T, 2.9 * em, sheet.width - .4 * em);
    draw = { sheet, x, scales: {}, spans: [], bars: [] };
    let top = 0;
    for (const [id, symbol, words, series, size, [least, most]] of lanes) {
      top += gap * em;
      const bottom = top + tall * size * em, y = scale(least, most, bottom, top);
      const title = sheet.words(x(0), top - .5 * em, "", { "text-anchor": "start" });
      sheet.put("tspan", { class: "strong" }, title).textContent = symbol;
      sheet.put("tspan", { dx: ".5em" }, title).textContent = words;
      sheet.line(x(0), y(0), x(T), y(0), { class: "zero" });
      for (const v of [least, 0, most]) {
        if (v && (Math.abs(v) < .5 || Math.abs(y(v) - y(0)) < 1.1 * em)) continue;
        sheet.words(x(0) - .5 * em, y(v) + .33 * em, text(v, 0), { "text-anchor": "end" });
      }
      if (id === "V") {
        const points = series.map((v, t) => [x(t + .5), y(v)]);
        sheet.path(points, { class: "pen", style: "stroke-width: .18em" });
      } else {
        const group = sheet.put("g", { id: `timeline-${id}` });
        const half = Math.max(.4, .36 * (x(1) - x(0)));
        series.forEach((v, t) => {
          const fill = v >= 0 ? "var(--more)" : "var(--less)";
          sheet.box(x(t + .5) - half, y(0), x(t + .5) + half, y(v), { fill }, group);
        });
        if (id === "delta") draw.bars = [...group.children];
        else sheet.path(usual.map((v, t) => [x(t + .5), y(v)]), { fill: "none", stroke: "var(--ink)" });
      }
      draw.scales[id] = y;
      draw.spans.push([top, bottom]);
      top = bottom;
    }
    const every = [5, 10, 20, 50, 100].find((n) => x(n) - x(0) > 3.5 * em) ?? 200;
    for (let t = 0; x(t) < x(T) - 4.5 * em; t += every) sheet.words(x(t + .5), sheet.height - .2 * em, t);
    sheet.words(x(T), sheet.height - .2 * em, "step t", { class: "strong", "text-anchor": "end" });
    draw.cursor = sheet.put("path", { class: "cursor" });
    const dot = () => sheet.dot(0, 0, .4, { class: "handle" });
    draw.dots = { V: dot(), A: dot() };
  }

  function moveCursor() {
    const t = step.get(), { deltas, advantages } = credit, last = t === T - 1;
    tell("credit-value", values[t]);
    tell("credit-next", values[t + 1]);
    tell("credit-delta", deltas[t]);
    tell("credit-advantage", advantages[t]);
    const factor = (x) => (x < 0 ? `(${text(x)})` : text(x));
    const bootstrap = last && ending() === "terminated" ? "0"
      : `${text(gamma.get(), 3)} · ${factor(values[t + 1])}`;
    const decay = text(gamma.get() * lambda.get(), 3);
    const trace = last ? "" : ` + <i>γλ Â</i><sub>${t + 1}</sub> = ${text(deltas[t])}
      + ${decay} · ${factor(advantages[t + 1])}`;
    $("credit-say").innerHTML =
      `<i>δ</i><sub>${t}</sub> = <i>r</i> + <i>γV</i>(<i>s</i>′) − <i>V</i>(<i>s</i>)
      = 1 + ${bootstrap} − ${factor(values[t])} = <b>${text(deltas[t])}</b><br>
      <i>Â</i><sub>${t}</sub> = <i>δ</i>${trace} = <b>${text(advantages[t])}</b>`;
    const weight = gamma.get() * lambda.get();
    draw.bars.forEach((bar, k) => {
      bar.setAttribute("opacity", k < t ? .16 : .22 + .78 * weight ** (k - t));
    });
    const now = draw.x(t + .5);
    draw.cursor.setAttribute("d", draw.spans.map(([a, b]) => `M${now} ${a}V${b}`).join(""));
    for (const [id, series] of [["V", values], ["A", advantages]]) {
      draw.dots[id].setAttribute("cx", now);
      draw.dots[id].setAttribute("cy", draw.scales[id](series[t]));
    }
    $("timeline").setAttribute("aria-label",
      `Value, surprise and credit over ${T} steps. At step ${t}: ` +
      `value ${text(values[t])}, surprise ${text(deltas[t])}, credit ${text(advantages[t])}.`);
    // The last frame shows where the last push led.
    const state = episode.obs[last ? T : t], push = last ? 0 : 2 * episode.actions[t] - 1, look = theme();
    const sheet = pencil($("stage"));
    const { across, floor } = drawCart(sheet, state, {
      push, ink: look.ink, pole: last && episode.end === "terminated" ? look.less : look.ink });
    sheet.line([[across(-2.4), floor], [across(2.4), floor]], look.soft, 1.5);
    $("stage").setAttribute("aria-label", `Cart at ${text(state[0])}, pole at ` +
      `${text(state[2] * 180 / Math.PI, 1)} degrees${push ? `, pushed ${push > 0 ? "right" : "left"}` : ""}.`);
  }

  draggable($("timeline"), (px) => {
    touched = true;
    playing.stop();
    step.set(clamp(Math.floor(draw.x.invert(px)), 0, T - 1));
    moveCursor();
  });
  // Follows the cart until somebody looks closer; the button follows again.
  live.addEventListener("episode", ({ detail }) => {
    if (!detail.iteration) return;  // nothing learned yet, nothing to be surprised about
    latest = detail;
    if (!touched && element.clientWidth) take(latest);
  });
  $("credit-latest").addEventListener("click", () => { touched = false; playing.stop(); take(latest); });

  // Until the cart has learned something.
  take(latest = { ...recorded.episode, iteration: recorded.iteration });
  return render;
};

// ===================================================================== logits

widgets.logits = (element) => {
  const [FAR, UNIT] = [8, 2];  // how far logits go; what the bars of the three middle panels reach
  const panels = [
    ["pi", "<i>π</i> = softmax(<i>z</i>)", "the policy now", 0, 1],
    ["score", "<i>e<sub>a</sub></i> − <i>π</i>", "the way to make the action likelier", -UNIT, UNIT],
    ["gradient", "−<i>Â</i> (<i>e<sub>a</sub></i> − <i>π</i>)", "the loss’s gradient", -UNIT, UNIT],
    ["step", "−<i>α</i> · gradient", "the step, downhill", -UNIT, UNIT],
    ["znew", "<i>z</i> + step", "the new logits", -FAR - 3, FAR + 3],
    ["pinew", "softmax(<i>z</i> + step)", "the new policy; the mark is the old one", 0, 1],
  ];
  const panel = ([id, title, note]) => `<div class="well" id="panel-${id}">
    <h3>${title}</h3><div class="small soft">${note}</div>
    <div class="bars">${[0, 1, 2].map((k) => `<div class="bar">
      <span><span class="hidden">action </span>${k}</span>
      <span class="track"><span class="fill"></span>${id === "pinew" ? '<span class="ghost"></span>' : ""}</span>
      <span class="value" id="${id}${k}"></span></div>`).join("")}</div></div>`;
  element.innerHTML = `
  <div class="stack">
    <div class="pin stack">
      <div class="row"><button class="main" type="button" id="take-step">Take the step</button>
        <button type="button" id="logits-reset">Start again</button></div>
      ${panel(panels.at(-1))}
      <p class="say small" id="logits-say" role="status"></p>
    </div>
    <div class="controls">
      ${[.5, -.4, 0].map((z, k) =>
        range(`z${k}`, `Logit <i>z</i><sub>${k}</sub>`, -FAR, FAR, .1, z)).join("")}
      ${range("logits-advantage", "Advantage <i>Â</i>", -2, 2, .1, 1)}
      ${range("alpha", "Step size <i>α</i>", 0, 1.5, .05, 1)}
      <fieldset id="taken"><legend>Action taken</legend>${radios("taken", ["0", "1", "2"])}</fieldset>
    </div>
    <div class="panels">${panels.slice(0, -1).map(panel).join("")}</div>
    <dl class="numbers" id="logits-numbers"></dl>
  </div>`;
  document.getElementsByName("taken")[1].checked = true;
  const tell = numbers($("logits-numbers"), [
    ["logits-logp", "log <i>π</i>(<i>a</i>) before", 4],
    ["logits-logp-new", "log <i>π</i>(<i>a</i>) after", 4],
    ["logits-loss", "loss −<i>Â</i> log <i>π</i>(<i>a</i>)", 4],
    ["logits-entropy", "entropy before, nats", 4], ["logits-entropy-new", "entropy after, nats", 4],
  ]);
  const begun = [.5, -.4, 0];
  const z = begun.map((_, k) => slider("z" + k, 2, () => render()));
  const advantage = slider("logits-advantage", 1, () => render());
  const alpha = slider("alpha", 2, () => render());
  const taken = choice("taken", () => render());
  let next;

  function bars(id, values, ghosts) {
    const [, , , low, high] = panels.find((panel) => panel[0] === id);
    const share = (x) => clamp((x - low) / (high - low), 0, 1);
    element.querySelectorAll(`#panel-${id} .bar`).forEach((bar, k) => {
      const colour = low === 0 ? "soft" : values[k] < 0 ? "less" : "more";
      bar.style.setProperty("--colour", `var(--${colour})`);
      bar.style.setProperty("--zero", share(0));
      bar.style.setProperty("--from", Math.min(share(0), share(values[k])));
      bar.style.setProperty("--size", Math.abs(share(values[k]) - share(0)));
      if (ghosts) {
        bar.style.setProperty("--at", share(ghosts[k]));
        bar.style.setProperty("--colour", `var(--${values[k] < ghosts[k] ? "less" : "more"})`);
      }
      show($(id + k), values[k], 3);
    });
  }

  function render() {
    const logits = z.map((slider) => slider.get()), A = advantage.get(), a = Number(taken());
    const log_probs = L.log_softmax(logits), pi = log_probs.map(Math.exp);
    const gradient = L.categorical_log_prob_backward(-A, a, pi);  // the loss is −Â log π(a), so u = −Â
    const step = gradient.map((g) => -alpha.get() * g);
    next = logits.map((value, k) => value + step[k]);
    const new_log_probs = L.log_softmax(next), new_pi = new_log_probs.map(Math.exp);
    bars("pi", pi);
    bars("score", L.categorical_log_prob_backward(1, a, pi));
    bars("gradient", gradient);
    bars("step", step);
    bars("znew", next);
    bars("pinew", new_pi, pi);
    tell("logits-logp", log_probs[a]);
    tell("logits-logp-new", new_log_probs[a]);
    tell("logits-loss", -A * log_probs[a]);
    tell("logits-entropy", L.categorical_entropy(log_probs));
    tell("logits-entropy-new", L.categorical_entropy(new_log_probs));
    const beyond = next.some((value) => Math.abs(value) > FAR);
    $("take-step").disabled = beyond;
    const change = `<i>π</i>(${a}) goes from ${text(pi[a], 3)} to ${text(new_pi[a], 3)}`;
    say($("logits-say"), A === 0 || alpha.get() === 0
      ? "<b>Nothing moves.</b> Without advantage or step size there is no step."
      : beyond
        ? `<b>Off the scale: stop.</b> The action is nearly certain${A < 0 ? ` not to be taken, and its slope
          is still ${text(gradient[a], 2)}. A negative advantage never fades; it pushes the logits for
          ever. That is what PPO’s clip is for.` : " already."}`
        : A > 0
          ? `<b>Better than expected.</b> The taken action’s logit rises; the others fall, each by how
            likely it was. ${change}. The surer the policy is already, the smaller the step.`
          : `<b>Worse than expected.</b> The taken action’s logit falls; the others rise, each by how
            likely it was. ${change}. Take more steps: do they fade?`);
  }
  const put = (logits) => { z.forEach((slider, k) => slider.set(logits[k])); render(); };
  $("take-step").addEventListener("click", () => put(next));
  $("logits-reset").addEventListener("click", () => put(begun));
  render();
  return render;
};

// ======================================================================= clip

// README, "The clip": six cases, and nothing to learn where the advantage is zero.
const CASES = {
  "good-below": ["Case 1 of 6: good, but drifted away.",
    `The action was good, yet the policy has become less fond of it. Full slope: the loss pulls the
    ratio back up, however far it is out of the band.`],
  "good-inside": ["Case 2 of 6: good, in the band.",
    "The two bids are equal. The loss makes the action likelier, just as plain policy gradient would."],
  "good-above": ["Case 3 of 6: good, and gone far enough.",
    `The clipped bid is the smaller one and does not move with <i>ρ</i>. The slope is gone: no pay for
    going further.`],
  "bad-below": ["Case 4 of 6: bad, and gone far enough.",
    `The action is already less likely by more than <i>ε</i>. The clipped bid counts, flat. The slope is
    gone.`],
  "bad-inside": ["Case 5 of 6: bad, in the band.",
    "The two bids are equal. The loss makes the action rarer, just as plain policy gradient would."],
  "bad-above": ["Case 6 of 6: bad, but drifted towards.",
    "The action was bad, yet the policy has become fonder of it. The clip does nothing: full slope, back down."],
  "zero": ["No advantage.",
    `The action was exactly as good as expected. Value and slope are zero, wherever the ratio is.`],
};

widgets.clip = (element) => {
  element.innerHTML = `
  <div class="two">
    <div class="pin">
      <figure>
        <svg id="plane" class="drag" role="slider" tabindex="0"
          aria-label="Ratio with left and right arrow keys, advantage with up and down"
          aria-valuemin="0.05" aria-valuemax="2.5" aria-valuenow="1.3"></svg>
        <p class="say small" id="clip-say" role="status"></p>
      </figure>
    </div>
    <div class="stack">
      <figure>
        <svg id="objective" role="img" aria-label="The clipped objective over the ratio"></svg>
        <figcaption class="small soft">The objective over <i>ρ</i> at this advantage. Dashed: without the
          clip. The short line through the point is its slope.</figcaption>
      </figure>
      <div>
        ${range("clip-ratio", "Ratio <i>ρ</i>", .05, 2.5, .01, 1.3)}
        ${range("clip-advantage", "Advantage <i>Â</i>", -3, 3, .01, 1.2)}
        ${range("clip-epsilon", "Clip range <i>ε</i>", .05, .5, .01, .2)}
      </div>
      <p class="small soft"><span class="key" style="background:var(--more)"></span>slope up,
        <span class="key" style="background:var(--less)"></span>slope down, the paler the gentler; hatched:
        no slope. <span id="clip-rows"></span></p>
      <dl class="numbers" id="clip-numbers"></dl>
    </div>
  </div>`;
  const ratio = slider("clip-ratio", 2, () => render());
  const advantage = slider("clip-advantage", 2, () => render());
  const epsilon = slider("clip-epsilon", 2, () => { touched = true; render(); });
  const tell = numbers($("clip-numbers"), [
    ["clip-plain", "plain bid <i>ρÂ</i>", 4], ["clip-clipped", "clipped bid", 4],
    ["clip-objective", "objective: the smaller", 4], ["clip-slope", "slope in <i>ρ</i>", 4],
    ["clip-loss", "loss of this row", 4], ["clip-dlogp", "<i>∂</i>loss/<i>∂</i> log <i>π</i>", 4],
  ]);
  const [MAX_RATIO, MAX_A] = [2.5, 3];
  let toRatio, toAdvantage, rows = [], touched = false;  // rows of the training that runs above

  function render() {
    const [rho, A, eps] = [ratio.get(), advantage.get(), epsilon.get()];
    const [low, high] = [grid(1 - eps, .01), grid(1 + eps, .01)];
    const [loss, [dlog_prob]] = L.clipped_surrogate([Math.log(rho)], [0], [A], eps);
    const row = { objective: -loss, slope: -dlog_prob / rho };
    tell("clip-plain", rho * A);
    tell("clip-clipped", clamp(rho, low, high) * A);
    tell("clip-objective", row.objective);
    tell("clip-slope", row.slope);
    tell("clip-loss", loss);
    tell("clip-dlogp", dlog_prob);
    const where = rho < low ? "below" : rho > high ? "above" : "inside";
    const name = A === 0 ? "zero" : `${A > 0 ? "good" : "bad"}-${where}`;
    $("clip-say").dataset.case = name;
    say($("clip-say"), `<b>${CASES[name][0]}</b> ${CASES[name][1]}`);
    drawPlane(rho, A, low, high, row, name);
    drawObjective(rho, A, low, high, row);
  }

  const ratioTicks = [0, .5, 1, 1.5, 2, 2.5];
  const shape = (width, em) => Math.min(.78 * width, 24 * em, .42 * innerHeight);

  // The plane: where a row pulls its ratio up or down, how strongly, and where not at all.
  function drawPlane(rho, A, low, high, row, name) {
    const sheet = new Sheet($("plane"), shape), { em, svg } = sheet;
    const x = toRatio = scale(0, MAX_RATIO, 3 * em, sheet.width - .6 * em);
    const y = toAdvantage = scale(-MAX_A, MAX_A, sheet.height - 2.6 * em, .6 * em);
    const defs = sheet.put("defs");
    for (const [id, name, top, bottom] of [["up", "more", .85, .1], ["down", "less", .1, .85]]) {
      const fade = sheet.put("linearGradient", { id: "fade-" + id, x1: 0, x2: 0, y1: 0, y2: 1 }, defs);
      for (const [offset, opacity] of [[0, top], [1, bottom]]) {
        const ink = { "stop-color": `var(--${name})`, "stop-opacity": opacity };
        sheet.put("stop", { offset, ...ink }, fade);
      }
    }
    const hatch = sheet.put("pattern", {
      id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
    }, defs);
    sheet.box(0, 0, 8, 8, { fill: "var(--page)" }, hatch);
    sheet.line(0, 0, 0, 8, { stroke: "var(--faint)", "stroke-width": 3 }, hatch);
    sheet.box(x(0), y(0), x(high), y(MAX_A), { fill: "url(#fade-up)" });
    sheet.box(x(high), y(0), x(MAX_RATIO), y(MAX_A), { fill: "url(#hatch)" });
    sheet.box(x(low), y(0), x(MAX_RATIO), y(-MAX_A), { fill: "url(#fade-down)" });
    sheet.box(x(0), y(0), x(low), y(-MAX_A), { fill: "url(#hatch)" });
    for (const edge of [low, high]) {
      const dashed = { stroke: "var(--ink)", "stroke-dasharray": "3 4", opacity: .6 };
      sheet.line(x(edge), y(-MAX_A), x(edge), y(MAX_A), dashed);
    }
    sheet.line(x(0), y(0), x(MAX_RATIO), y(0), { class: "zero" });
    sheet.put("path", {
      id: "rows", d: rows.map(([r, a]) => `M${x(clamp(r, 0, MAX_RATIO)).toFixed(1)} ${
        y(clamp(a, -MAX_A, MAX_A)).toFixed(1)}h0`).join(""),
      class: "pen", style: "stroke-width: .3em", opacity: .75,
    });
    sheet.axes(x, y, {
      xTicks: ratioTicks, yTicks: [-3, -2, -1, 0, 1, 2, 3], xName: "ratio ρ", yName: "advantage Â",
    });
    const silent = (ratio, A) => sheet.words(x(ratio), y(A), "no slope", { class: "strong halo" });
    silent((high + MAX_RATIO) / 2, 1.5);
    if (x(low) - x(0) > 6 * em) silent(low / 2, -1.5);
    if (row.slope !== 0) {  // the pull on the ratio
      const way = Math.sign(A), colour = way > 0 ? "more" : "less";
      const length = (1 + 1.2 * Math.abs(A)) * em;
      sheet.arrow(x(rho) + way * .9 * em, y(A), way * length,
        { style: "stroke: var(--card); stroke-width: .5em" });
      sheet.arrow(x(rho) + way * .9 * em, y(A), way * length, { style: `stroke: var(--${colour})` });
    }
    sheet.dot(x(rho), y(A), .75, { class: "handle" });
    sheet.dot(x(rho), y(A), 2, { class: "grip" });
    svg.setAttribute("aria-valuenow", rho);
    svg.setAttribute("aria-valuetext", `ratio ${text(rho)}, advantage ${text(A)}: ${CASES[name][0]}`);
  }

  function drawObjective(rho, A, low, high, row) {
    const sheet = new Sheet($("objective"), shape), { em, svg } = sheet;
    const up = A >= 0, reach = 4;  // one scale, whatever the advantage
    const x = scale(0, MAX_RATIO, 3 * em, sheet.width - .6 * em);
    const y = scale(-reach, reach, sheet.height - 2.6 * em, .6 * em);
    sheet.box(x(low), y(-reach), x(high), y(reach), { fill: "var(--page)" });
    sheet.words(x(1), up ? y(-reach) - .6 * em : y(reach) + 1.2 * em, "band");
    sheet.line(x(0), y(0), x(MAX_RATIO), y(0), { class: "zero" });
    sheet.axes(x, y, { xTicks: ratioTicks, yTicks: [-4, -2, 0, 2, 4], xName: "ratio ρ", yName: "objective" });
    const window = sheet.put("clipPath", { id: "objective-area" }, sheet.put("defs"));
    sheet.box(x(0), y(-reach), x(MAX_RATIO), y(reach), {}, window);
    const curves = sheet.put("g", { "clip-path": "url(#objective-area)" });
    sheet.line(x(0), y(0), x(MAX_RATIO), y(MAX_RATIO * A), {
      stroke: "var(--soft)", "stroke-width": .14 * em, "stroke-dasharray": `${.4 * em} ${.4 * em}`,
    }, curves);
    const height = (ratio) => y(Math.min(ratio * A, clamp(ratio, low, high) * A));
    sheet.path([0, low, high, MAX_RATIO].map((ratio) => [x(ratio), height(ratio)]), {
      class: "pen", style: `stroke: var(--${up ? "more" : "less"}); stroke-width: .26em`,
    }, curves);
    const [px, py] = [x(rho), y(row.objective)];
    const [ux, uy] = [x(1) - x(0), (y(1) - y(0)) * row.slope];  // one unit of ρ along the slope
    const share = 2.6 * em / Math.hypot(ux, uy);
    const [dx, dy] = [ux * share, uy * share];
    sheet.line(px - dx, py - dy, px + dx, py + dy, { class: "pen" }, curves);
    sheet.dot(px, py, .55, { class: "handle" }, curves);
    svg.setAttribute("aria-label",
      `The clipped objective over the ratio, at advantage ${text(A)}. ` +
      `At ratio ${text(rho)} it is ${text(row.objective)} with slope ${text(row.slope)}.`);
  }

  const move = (rho, A) => {
    ratio.set(clamp(grid(rho, .01), .05, MAX_RATIO));
    advantage.set(clamp(grid(A, .01), -MAX_A, MAX_A));
    render();
  };
  draggable($("plane"), (px, py) => move(toRatio.invert(px), toAdvantage.invert(py)));
  arrows($("plane"), (dx, dy, small) => {
    const step = small ? .01 : .1;
    move(ratio.get() + dx * step, advantage.get() + dy * step);
  });

  let seen = false, drawn = 0, news = recorded;
  new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    if (seen) follow();
  }).observe(element);
  function follow() {
    drawn = performance.now();
    const { ratios, advantages, clip_range, iteration, dead_fraction } = news, all = ratios.length;
    rows = Array.from({ length: Math.min(256, all) }, (_, i) => Math.floor(i * all / Math.min(256, all)))
      .map((i) => [ratios[i], advantages[i]]);
    if (!touched && Number.isFinite(clip_range)) epsilon.set(clamp(grid(clip_range, .01), .05, .5));
    const whose = news === recorded ? `${all} rows of a recorded update, Python’s iteration ${iteration}`
      : `${rows.length} of the ${all} rows of iteration ${iteration}`;
    $("clip-rows").textContent =
      `Dots: ${whose}, after its update; ${Math.round(dead_fraction * all)} of all had lost their slope.`;
    render();
  }
  live.addEventListener("rows", ({ detail }) => {
    news = detail;
    if (seen && performance.now() - drawn > 250) follow();
  });
  follow();
  return render;
};

// =================================================================== mounting

// What the widgets in other files are made of (each adds itself to lesson.widgets).
L.kit = {
  $, calm, theme, clamp, grid, mean, text, short, show, say, numbers, range, slider, radios, choice,
  draggable, arrows, label, player, scale, Sheet, pencil, drawCart, redrawn, live, announce, startWorker, equation, home,
};

/** On GitHub Pages the lesson is not beside the page, but in the repository's README. */
function home(element) {
  const pages = location.hostname.match(/^([\w-]+)\.github\.io$/);
  if (!pages) return;
  const repository = `https://github.com/${pages[1]}/${location.pathname.split("/")[1]}`;
  for (const link of element.querySelectorAll('a[href^="../README.md"]')) {
    link.href = repository + new URL(link.href).hash;
  }
}

L.mount = (name, element) => {
  element.classList.add("lesson");
  redrawn(element, widgets[name](element));
  home(element);
};

document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll("[data-lesson]")) L.mount(element.dataset.lesson, element);
  home(document);
});
})();
