/*
  The widget "experiments" of the page that trains: seven bugs of the text, one card each. A guess
  starts it; then a healthy and a broken training run side by side, from the same weights and with the
  same luck, each in a worker of its own, and the card says what came of it, here and in Python.

      <div data-lesson="experiments"></div>      as in explorer.js, which is loaded before

  Each card is a [data-experiment], its buttons [data-guess]; a finished one has data-outcome,
  data-python and data-seconds. The rule that names an outcome is lesson.outcome.
*/
"use strict";

(() => {
const L = globalThis.lesson, { settings, python, seeds, lines } = L.data;
const { $, calm, clamp, theme, mean, text, say, label, scale, pencil, drawCart, startWorker, equation, home } = L.kit;

// Between the steps at which half of Python's seeds are solved when all is well (18,226), and when V
// goes on through the fall (27,288): so far one must train to tell "learns" from "late".
const STEPS = L.EXPERIMENT_STEPS = 24_000;
const BEGINNER = python.ppo.clip.curve[0];  // there nothing ever moves, so this is an untrained policy
const RECENT = 100;  // episodes

/** What came of a training, by one rule for this page and for Python's seeds.
    solved  whether it ever was, within STEPS; level: the mean return of its latest episodes */
L.outcome = (solved, level) =>
  (level < .8 * BEGINNER ? "worse" : level <= 2 * BEGINNER ? "never" : solved ? "learns" : "late");

/** The median seed's, of Python's whole trainings: { outcome, solved, level }. */
function inPython(bug) {
  const { at, solved, curve } = python.ppo[bug], level = curve.filter((v) => v !== null).at(-1);
  return { outcome: L.outcome(at !== null && at <= STEPS, level), solved, level };
}

const GUESSES = {  // what the button says, and the verdict
  learns: ["It learns, as early as ever", "it learns, about as early as the healthy one"],
  late: ["Late, or only in part", "it gets better, but late, or only in part"],
  never: ["Never: stays a beginner", "it never learns"],
  worse: ["It gets worse", "it gets worse than a beginner"],
};

// [name, what Trainer and Python's data call it, equation, line, what to ask, what it was]
const EXPERIMENTS = [
  ["clip", "clip", "Eq. 37", "<code>&lt;</code> for <code>&lt;=</code> in the clip",
    "One character. At an update’s first step every ratio is 1. Which rows have a gradient then?",
    `At ratio 1 the two bids of the clip tie. <code>&lt;</code> calls a tie clipped, so no row has a
    gradient, so no ratio ever leaves 1. Not slow: still, for ever.`],
  ["terminal", "terminal", "Eq. 12", "bootstrap through the fall",
    "The pole falls, and V of the fallen state counts as if the game went on. What is bad about falling?",
    `Without its (1 − d) the step into the fall is worth as much as any other. Only while V is still on
    its way up do longer episodes look better: it learns late, and some seeds never do.`],
  ["mean", "mean", "Eq. 10", "no 1/<i>N</i>: a sum instead of the mean",
    "The gradient gets some 256 times as long. Ruin?",
    `Its length is two orders of magnitude too large, and hardly anything happens: the norm’s clip
    (Eq. 32) cuts it, and Adam (Eq. 31) divides by its size. Plain gradient descent would explode.`],
  ["sign", "sign", "Eq. 10", "the sign of the advantage",
    "Downhill is now uphill. Does it stay as it is?",
    `What went worse than expected becomes likelier. It learns as eagerly as ever: to fall as fast as
    physics allows.`],
  ["baseline", "baseline", "Eq. 8", "no baseline, and no mean subtracted",
    "Every action gets a positive credit: all are made likelier. Can it tell good from bad?",
    `On average the gradient is the same, so it does learn; but its noise is larger, and few
    trainings get all the way and stay there.`],
  ["no-clip", "unclipped", "Eq. 36", "no clip",
    "Six epochs on the same rows, and nothing says stop. Faster, or a crash?",
    `It may get to 475 as early, for the steps are larger. But single updates go too far: when
    Python’s healthy seeds stand to the end, these still fall (dashed).`],
  ["rows", "rows", "Eq. 38", "advantages of the wrong rows",
    "All shapes fit, the loss looks as always. What is the gradient’s mean now?",
    `Each score is multiplied with another row’s advantage: noise of the usual length. Nothing crashes,
    no number looks odd, and the policy wanders about, most often to where it falls sooner.`],
];

L.widgets.experiments = (element) => {
  const SIDES = ["healthy", "broken"];
  element.innerHTML = `
  <div class="two">
    <div class="pin">
      <div class="pair">${SIDES.map((name) => `<figure>
        <div class="over"><span><b>${name}</b> <span id="${name}-steps"></span></span>
          <span id="${name}-now"></span></div>
        <canvas id="${name}" role="img" aria-label="The ${name} policy’s cart"></canvas></figure>`).join("")}
      </div>
      <figure>
        <canvas id="levels" role="img" aria-label="How long episodes last"></canvas>
        <figcaption class="small soft"><span class="key line" style="background:var(--ppo)"></span>healthy,
          <span class="key line" style="background:var(--less)"></span>broken: the last ${RECENT} episodes’
          mean · <span class="key ring"></span>greedy policy, filled once solved<span id="python-key"></span>
        </figcaption>
      </figure>
    </div>
    <div class="stack">
      <div class="row">
        <button type="button" id="experiment-previous" aria-label="The experiment before">←</button>
        <b id="experiment-at"></b>
        <button type="button" id="experiment-next" aria-label="The next experiment">→</button>
        <label>Seed <input type="number" id="experiment-seed" min="0" max="999999" value="0"></label>
        <button type="button" id="experiment-play"></button>
      </div>
      <div class="cards" id="cards">${EXPERIMENTS.map(([name, , n, line, ask]) => `
        <div data-experiment="${name}">
          <h3>${line} <span class="soft">· ${equation(n)}</span></h3>
          <p>${ask} <b>Your guess?</b></p>
          <div class="guesses">${Object.entries(GUESSES).map(([guess, [says]]) => `<button type="button"
            data-guess="${guess}" id="${name}-${guess}" aria-pressed="false">${says}</button>`).join("")}</div>
          <div class="small" role="status"></div>
        </div>`).join("")}</div>
      <p class="small soft" id="experiment-score">A guess starts both trainings, ${text(STEPS, 0)} steps each.
        Python’s took ${text(settings.ppo.total_steps, 0)}, with ${seeds} seeds.</p>
    </div>
  </div>`;

  const cards = [...element.querySelectorAll("[data-experiment]")];
  const seedOf = () => clamp(Math.round(Number($("experiment-seed").value) || 0), 0, 999999);

  /** Two policies before their first step: the same weights, the same luck. */
  const beginners = (seed) => SIDES.map((name) => {
    const chance = L.generator(seed, 9), network = new L.Network([4, settings.ppo.hidden_sizes[0], 2]);
    network.begin(.01, L.generator(seed).normal);  // as Trainer does
    return { name, network, chance, lengths: [], levels: [], greedy: [], steps: 0, solved_at: null, over: false,
      ...fresh(chance) };
  });
  const fresh = (chance) => ({ state: L.cartpole_reset(chance), alive: 0, still: 0 });

  // ------------------------------------------------------------- the trainings
  let at = 0, id = 0, running = null, workers = null;
  let sides = beginners(0);  // what is shown

  function begin(card, guess) {
    const bug = EXPERIMENTS[cards.indexOf(card)][1], seed = seedOf();
    workers ??= SIDES.map((_, i) => startWorker((news) => report(i, news)));
    if (running) say(running.card.lastElementChild, "");
    for (const name of ["outcome", "python", "seconds"]) delete card.dataset[name];
    for (const button of card.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.dataset.guess === guess);
      delete button.dataset.right;
    }
    say(card.lastElementChild, `${difference(bug)}<p>Training both.</p>`);
    sides = card.sides = beginners(seed);
    running = { card, guess, seed, bug, sides, began: performance.now() };
    id++;
    workers.forEach((worker, i) => worker.postMessage({
      begin: { arguments: ["ppo", settings.ppo, seed, i ? { [bug]: true } : {}], id, until: STEPS }, going: true,
    }));
    turnTo(cards.indexOf(card));
  }

  /** The line, as the lesson has it and as it is broken. */
  const difference = (bug) => `<p class="diff">in <code>${lines[bug][0]}</code>${lines[bug].slice(1).map((line) =>
    `<code>${line.replace(/^-/, "−").replaceAll("<", "&lt;")}</code>`).join("")}</p>`;

  function report(i, news) {
    if (news.id !== id || !news.iteration) return;
    const side = running.sides[i];
    side.network.parameters.set(news.policy);
    side.lengths.push(...news.episodes.map(([, length]) => length));
    Object.assign(side, { steps: news.env_steps, solved_at: news.solved_at, over: news.over });
    if (news.greedy !== undefined) side.greedy.push([news.env_steps, news.greedy]);
    side.levels.push([news.env_steps, mean(side.lengths.slice(-RECENT))]);
    stale = true;
    if (running.sides.every((one) => one.over)) conclude();
  }

  function conclude() {
    const { card, guess, seed, bug, sides: [healthy, broken], began } = running;
    const [, , n, , , was] = EXPERIMENTS[cards.indexOf(card)], there = inPython(bug);
    const level = (side) => side.levels.at(-1)[1];
    const came = L.outcome(broken.solved_at !== null, level(broken));
    const seconds = (performance.now() - began) / 1000;
    const row = (who, solved, end, greedy) => `<tr><th scope="row">${who}</th><td>${solved}</td><td>${
      text(end, 0)}</td><td>${text(greedy, 0)}</td></tr>`;
    const here = (side) => row(`${side.name}, here`, side.solved_at ? text(side.solved_at, 0) : "not yet",
      level(side), side.greedy.at(-1)[1]);
    const median = (name, { at, solved, greedy }, { level }) => row(`${name}, Python`,
      `${at === null ? "" : `${text(at, 0)}; `}${solved} of ${seeds} seeds`, level, greedy);
    card.querySelector(`[data-guess=${there.outcome}]`).dataset.right = "";
    say(card.lastElementChild, `<p><b>${guess === there.outcome ? "Right" : "Not so"}: ${
      GUESSES[there.outcome][1]}.</b> ${was} (${equation(n)})</p>
      <p>Here, seed ${seed}, ${text(STEPS, 0)} steps: <b>${GUESSES[came][1]}</b>.${came === there.outcome ? "" : ` Most of Python’s
      do not: one seed is one seed, try another.`}</p>
      <table><tr><td></td><th scope="col">solved at</th><th scope="col">sampling, last ${RECENT} episodes</th>
        <th scope="col">greedy policy at the end</th></tr>
        ${here(broken)}${here(healthy)}
        ${median("broken", python.ppo[bug], there)}${median("healthy", python.ppo.whole, inPython("whole"))}
        ${row("a beginner", "", BEGINNER, python.ppo.clip.greedy)}</table>
      ${difference(bug)}
      <p class="soft">Here: ${text(STEPS, 0)} steps of each, in ${text(seconds, 1)} s. Python: ${
      text(settings.ppo.total_steps, 0)} steps, the median of ${seeds} seeds; its sampling is what episodes begun
      last came to.</p>`);
    card.right ??= guess === there.outcome;  // a second guess is none
    Object.assign(card.dataset, { outcome: came, python: there.outcome, seconds: seconds.toFixed(2) });
    home(card);
    const done = cards.filter((one) => one.right !== undefined);
    say($("experiment-score"), `You were right in ${done.filter((one) => one.right).length} of ${done.length}.
      First guesses count. A button with ✓ is what most of Python’s ${seeds} seeds do.`);
    running = null;
  }

  // --------------------------------------------------------------- the pictures
  let stale = true, playing = !calm.matches, owed = 0, before = 0, seen = true;

  function drawLevels() {
    stale = false;
    const look = theme(), sheet = pencil($("levels")), { pen, width, height, em, line, words } = sheet;
    const x = scale(0, STEPS, 2.6 * em, width - .8 * em);
    const log = scale(Math.log(8), Math.log(500), height - 2.9 * em, 1.9 * em);
    const y = (v) => log(Math.log(Math.min(500, Math.max(8, v))));
    for (const v of [10, 50, 200, 500]) {
      line([[x(0), y(v)], [x(STEPS), y(v)]], look.faint);
      words(v, x(0) - .5 * em, y(v) + .35 * em, "right");
    }
    line([[x(0), y(BEGINNER)], [x(STEPS), y(BEGINNER)]], look.ink, 1, [3, 4]);
    words(`a beginner: ${BEGINNER}`, x(STEPS), y(BEGINNER) - .4 * em, "right", look.ink);
    for (let v = 0; v <= STEPS; v += 8000) {
      words(text(v, 0), Math.min(x(v), width - .2 * em), height - 1.5 * em, v < STEPS ? "center" : "right");
    }
    words("steps trained", (x(0) + x(STEPS)) / 2, height - .2 * em, "center", look.ink);
    words("steps an episode lasts (log)", x(0), .9 * em, "left", look.ink);
    const card = cards[at];
    if (card.dataset.outcome) {  // only then: it would give the answer away
      for (const [bug, colour] of [["whole", look.ppo], [EXPERIMENTS[at][1], look.less]]) {
        const { curve } = python.ppo[bug], share = settings.ppo.total_steps / curve.length;
        line(curve.map((v, k) => v !== null && (k + .5) * share <= STEPS && [x((k + .5) * share), y(v)]),
          colour, 1.5, [6, 4]);
      }
    }
    say($("python-key"), card.dataset.outcome ? ` · dashed: the same two in Python, where episodes began` : "");
    if (!sides[0].levels.length) {
      words(card.dataset.outcome ? `guess again to run seed ${seedOf()}` : "a guess starts both trainings",
        (x(0) + x(STEPS)) / 2, y(100), "center", look.ink);
    }
    sides.forEach(({ name, levels, greedy, solved_at, steps }, i) => {
      const colour = pen.strokeStyle = i ? look.less : look.ppo;
      line(levels.map(([step, v]) => [Math.min(x(step), x.to), y(v)]), colour, 2.5);
      pen.lineWidth = 1.5;
      for (const [step, v] of greedy) {
        pen.beginPath();
        pen.arc(Math.min(x(step), x.to), y(v), .25 * em, 0, 7);
        pen.fillStyle = solved_at && step >= solved_at ? colour : look.card;
        pen.fill();
        pen.stroke();
      }
      $(`${name}-steps`).textContent = steps ? `${text(steps, 0)} steps` : "";
    });
    const [healthy, broken] = sides.map(({ levels, solved_at }) => (levels.length
      ? `${text(levels.at(-1)[1], 0)} steps${solved_at ? `, solved at ${text(solved_at, 0)}` : ""}` : "not begun"));
    $("levels").setAttribute("aria-label", `How long episodes last. Healthy: ${healthy}. Broken: ${broken}.`);
  }

  function stepCart(side) {
    if (side.still && --side.still === 0) Object.assign(side, fresh(side.chance));
    if (side.still) return;
    const [log_probs] = L.distributions(side.network, [side.state]);
    side.action = L.sample(log_probs, side.chance);
    [side.state, side.fell] = L.cartpole_step(side.state, side.action);
    side.alive++;
    if (side.fell || side.alive >= L.MOST_STEPS) side.still = 40;  // a moment to see how it ended
  }

  function drawCarts() {
    const look = theme();
    for (const side of sides) {
      const sheet = pencil($(side.name)), fell = side.still && side.fell;
      const { across, floor } = drawCart(sheet, side.state, { ink: look.ink, pole: fell ? look.less : look.ink,
        push: side.still || side.action === undefined ? 0 : 2 * side.action - 1 });
      sheet.line([[across(-2.4), floor], [across(2.4), floor]], look.soft, 1.5);
      if (side.still || side.alive % 5 === 0) {
        say($(`${side.name}-now`), fell ? `fell after ${side.alive}` : side.still ? `stood for ${side.alive}`
          : `step ${side.alive}`);
      }
    }
  }

  function frame(now) {
    if (!element.isConnected) return workers?.forEach((worker) => worker.terminate());
    requestAnimationFrame(frame);
    owed += playing && seen ? Math.min(now - before, 60) : 0;
    before = now;
    if (!seen) return;
    const due = owed >= 20;
    for (; owed >= 20; owed -= 20) sides.forEach(stepCart);
    if (due) drawCarts();
    if (stale) drawLevels();
  }
  new IntersectionObserver((entries) => { seen = entries.at(-1).isIntersecting; }).observe(element);

  // ---------------------------------------------------------------------- hands
  function turnTo(index) {
    at = index;
    $("experiment-at").textContent = `${at + 1} of ${cards.length}`;
    sides = cards[at].sides ?? beginners(seedOf());
    drawCarts();
    drawLevels();
  }
  const go = (by) => () => $("cards").scrollTo({
    left: (at + by + cards.length) % cards.length * $("cards").clientWidth,
    behavior: calm.matches ? "auto" : "smooth",
  });
  $("experiment-previous").addEventListener("click", go(-1));
  $("experiment-next").addEventListener("click", go(1));
  $("cards").addEventListener("scroll", () => {
    const index = Math.round($("cards").scrollLeft / $("cards").clientWidth);
    if (cards[index] && index !== at) turnTo(index);  // none: the cards are out of sight
  });
  $("cards").addEventListener("click", ({ target }) => {
    if (target.dataset.guess) begin(target.closest("[data-experiment]"), target.dataset.guess);
  });
  $("experiment-seed").addEventListener("change", () => {  // what is shown is of this seed, or runs
    $("experiment-seed").value = seedOf();
    for (const card of cards) if (card !== running?.card) delete card.sides;
    say($("experiment-score"), `Guess${cards[at].dataset.outcome ? " again" : ""} to run seed ${seedOf()}.`);
    turnTo(at);
  });
  const paintPlay = () => label($("experiment-play"), `${playing ? "Pause" : "Play"} carts`);
  $("experiment-play").addEventListener("click", () => { playing = !playing; paintPlay(); });

  paintPlay();
  turnTo(0);
  requestAnimationFrame(frame);
  return () => { drawCarts(); drawLevels(); };
};
})();
