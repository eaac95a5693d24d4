"""The README, docs/*.md, the code and the checks say the same: numbers, links, options, formulas.

How equations are cited, everywhere: `Eq. 39`, a list `Eq. 15, 16` or `Eq. 24 and 27`,
a range `Eq. 2-12` (hyphen or en dash). An equation of another work has that work's
year in brackets right before it, as in "Schulman et al. (2016), Eq. 16"; it is not ours.
"""

import ast
import contextlib
import io
import re
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

import ppo
import ppo_penalty
import vpg
from advantages import gae
from distributions import categorical_log_prob_backward, log_softmax, log_softmax_backward
from lab.commands import COMMANDS, command_in, main, parser_of
from lab.proof import checks, mdp
from lab.proof.evidence import complex_step
from lab.proof.numbering import TAG, cited, number_of
from lab.proof.text import PAGES as TEXT
from lab.proof.text import woven
from lab.study import changes, preset
from training import Trainer, evaluate

ROOT = Path(__file__).resolve().parent.parent
LESSON = sorted(ROOT.glob("*.py"))
FOLDERS = "ladder", "lab", "tests", "benchmarks"
OTHERS = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
# This file is left out: its examples are no citations.
CODE = sorted({*LESSON, *OTHERS} - {Path(__file__).resolve()})

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"\$`([^`\n]*)`\$")
ANCHOR = re.compile(r'^<a id="eq-(\d+)"></a>\n\n```math\n(.*?)^```$', re.MULTILINE | re.DOTALL)
# [`nn.MLP.backward`](nn.py)
FUNCTION_LINK = re.compile(r"\[`([\w.]+)(?<!\.py)`\]\(([\w./]+\.py)\)")


PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
README, GUIDE = PAGES["README.md"], PAGES["docs/guide.md"]
TAGS = {name: [int(number) for number in TAG.findall(PAGES[name])] for name in TEXT}
NUMBERS = {number: name for name, numbers in TAGS.items() for number in numbers}


def without_fences(text):
    return FENCE.sub("", text)


@cache
def anchors(text):
    """A text's anchors: its own, and those that GitHub gives to its headings."""
    headings = re.findall(r"^#+ (.*)$", without_fences(text), re.MULTILINE)
    given = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return given | set(re.findall(r'<a id="(.*?)">', text))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Eq. 39", {39}),
        ("see Eq. 15, 16.", {15, 16}),
        ("Eq. 37–40, 42 and 44", {37, 38, 39, 40, 42, 44}),
        ("Eq. 2-4", {2, 3, 4}),
        ("Schulman et al. (2016), Eq. 16, or Eq. 3", {3}),
        ("in 2016, Eq. 16", {16}),
        ("# Eq.\n    7: x", {7}),
        ("Eq. 22, with 3 rows", {22}),
        ("Eq. 7 to 9", {7, 8, 9}),
    ],
)
def test_citations_are_understood(text, numbers):
    assert cited(text) == numbers


def test_equations_are_numbered_once():
    numbers = [number for name in TEXT for number in TAGS[name]]
    assert list(range(1, len(numbers) + 1)) == numbers, "run: python -m lab.proof.renumber"
    assert f"There are {len(numbers)} numbered equations." in README


@pytest.mark.parametrize("name", TEXT)
def test_every_numbered_equation_has_its_anchor_before_it(name):
    anchored = ANCHOR.findall(PAGES[name])
    assert [int(number) for number, _ in anchored] == TAGS[name]
    assert all(TAG.findall(body) == [number] for number, body in anchored)


def test_the_front_and_the_readme_are_short():
    assert len(README.split("## The derivations")[0].encode()) <= 6_000
    assert len(README.encode()) <= 100_000


def test_the_two_ways_to_one_gradient_agree(capsys):
    (example,) = [body for body in python_of("README.md") if "policy_loss" in body]
    exec(compile(example, "README.md", "exec"), {})
    by_hand, stepped = map(float, capsys.readouterr().out.split())
    said = float(re.search(r"# (\S+), twice", example)[1])
    assert by_hand == pytest.approx(stepped, rel=1e-12) == pytest.approx(said, rel=1e-12)


def test_the_shortest_way_is_as_long_as_it_says():
    """Less what may wait; by docs/teaching.md's rule: 100 words or half a formula a minute."""
    chapters = README[README.index("### A. From") : README.index("### Glossary")]
    sections = re.split(r"^(?=####? )", chapters, flags=re.MULTILINE)
    way = [text for text in sections if "(may wait)" not in text.split("\n")[0]]
    assert 5 < len(sections) - len(way) < 15
    text = re.sub(r"<picture>.*?</picture>|<a id.*?></a>", "", "".join(way), flags=re.DOTALL)
    words = re.sub(r"\]\([^)]*\)", "]", INLINE.sub("x", without_fences(text))).split()
    formulas = "".join(way).count("```math")
    said = README.split("#### The shortest way")[1]
    assert f": {round(len(words), -2):,} words and {formulas} formulas, some" in said
    assert f"some {round(len(words) / 100 + 2 * formulas, -1):.0f} minutes" in said


@pytest.mark.parametrize("name", PAGES)
def test_links_to_an_equation_name_it(name):
    """And lead to the page that has it (test_relative_links_lead_somewhere)."""
    links = re.findall(r"\[Eq\.\s(\d+)\]\([\w./]*#eq-(\d+)\)", PAGES[name])
    assert links and all(shown == target for shown, target in links)
    assert len(links) == len(re.findall(r"#eq-", PAGES[name]))


def test_every_equation_has_a_check_and_every_check_an_equation():
    assert list(map(number_of, checks.CHECKS)) == [*NUMBERS]


def test_every_equation_is_cited_in_the_lesson():
    lesson = cited("\n".join(path.read_text(encoding="utf-8") for path in LESSON))
    for name in ("lab/proof/mdp.py", "lab/language/tokens.py", "ladder/10_language.py"):
        lesson |= cited((ROOT / name).read_text(encoding="utf-8"))
    assert not set(NUMBERS) - lesson


def test_nothing_cites_an_equation_that_the_text_lacks():
    texts = PAGES | {path: path.read_text(encoding="utf-8") for path in CODE}
    assert not {place for place, text in texts.items() if cited(text) - set(NUMBERS)}


def test_every_equation_is_followed_by_a_link_to_code_that_carries_its_number():
    pieces = TAG.split(woven())[1:]
    for number, following in zip(pieces[::2], pieces[1::2], strict=True):
        places = FUNCTION_LINK.findall(following)
        assert places, f"no link follows Eq. {number}"
        carrying = [name for name, path in places if int(number) in cited(source(name, path))]
        assert carrying, f"no code linked after Eq. {number} carries its number: {places}"


@cache
def parsed(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    return text, ast.parse(text)


@cache
def source(name, path):
    """A function's source, with the docstrings of the classes and the module around it."""
    (text, node), gathered = parsed(path), []
    module = path.removesuffix(".py").replace("/", ".") + "."
    assert name.startswith(module), f"{path} defines no {name}"
    for part in name.removeprefix(module).split("."):
        gathered.append(ast.get_docstring(node) or "" if isinstance(node, ast.ClassDef) else "")
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]  # comments behind them, too
    return "\n".join([*gathered, *lines])


def test_links_to_functions_lead_to_their_files():
    links = FUNCTION_LINK.findall(woven())
    assert len(links) > 40
    for name, path in links:
        assert source(name, path), (name, path)


@pytest.mark.parametrize("name", PAGES)
def test_relative_links_lead_somewhere(name):
    folder = (ROOT / name).parent
    text = INLINE.sub("", without_fences(PAGES[name]))
    targets = re.findall(r"""\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)\"""", text)
    assert targets
    for target in map("".join, targets):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        path = (folder / path).resolve() if path else ROOT / name
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(PAGES[path.relative_to(ROOT).as_posix()]), target


@pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)
def test_fences_and_inline_formulas_are_balanced(text):
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(FENCE.findall(text))
    for match in FENCE.finditer(text):
        assert text[: match.start()].endswith("\n\n"), match[0]
        assert text[match.end() :].startswith("\n\n"), match[0]
    formulas = [body for kind, body in FENCE.findall(text) if kind == "math"]
    assert all(len(TAG.findall(formula)) <= 1 for formula in formulas)
    for line in without_fences(text).splitlines():
        assert line.count("$`") == line.count("`$") == len(INLINE.findall(line)), line
        for formula in INLINE.findall(line):
            # GitHub ends a table's cell at |, in a formula too.
            assert not (line.startswith("|") and "|" in formula), line
            formulas.append(formula)
    for formula in formulas:
        plain = re.sub(r"\\[{}]", "", formula)
        assert plain.strip() and plain.count("{") == plain.count("}"), formula
        assert len(re.findall(r"\\left\b", plain)) == len(re.findall(r"\\right\b", plain)), formula
        assert not re.search(r"\\(require|newcommand|def|operatorname\*)\b", plain), formula


def options_of(words):
    """The option strings that the parser of a call of run.py knows."""
    return set(parser_of(command_in(words), words)._option_string_actions)


def named(text):
    return set(re.findall(r"--[a-z][\w-]*", text))


def test_every_command_and_option_that_the_text_names_exists():
    """Each one is parsed as the program would, but for the files that it names."""
    calls = [
        words
        for page in PAGES.values()
        for words in re.findall(r"python run\.py\b([^`\n#]*)", page)
    ]
    calls += re.findall(
        r"`([^`]+)`", " ".join(row[0] for row in table_after("## The commands", GUIDE))
    )
    assert len(calls) > 40
    for call in calls:
        words = call.split("  ")[0].replace("…", "").split()
        assert named(" ".join(words)) <= options_of(words), call


def test_the_table_of_commands_has_them_all():
    cells = " ".join(row[0] for row in table_after("## The commands", GUIDE))
    assert set(re.findall(r"`([a-z]+)", cells)) == set(COMMANDS)


def test_the_guide_s_options_exist_and_no_setting_is_left_out():
    def positive(options):
        return {option.replace("--no-", "--") for option in options}

    listed = named(GUIDE.split("## Options")[1].split("\n## ")[0])
    known = [options_of(["--algo", algo]) for algo in ("vpg", "ppo", "ppo-penalty")]
    assert listed <= set.union(*known)
    assert positive(set.union(*known)) - positive(listed) == {"-h", "--help", "--NAME"}


def test_the_guide_explains_every_column():
    table = table_after("## What the numbers mean", GUIDE)
    explained = [name.strip("`") for row in table for name in row[0].split(", ")]
    small = {"num_envs": 2, "num_steps": 8, "total_steps": 16}
    columns = {}
    for module in (vpg, ppo, ppo_penalty):
        trainer = Trainer(module, "CartPole-v1", module.Config(**small), seed=0)
        columns |= next(iter(trainer))
    assert sorted(explained) == sorted([*columns, "greedy_return"])


def last(rows):
    return rows[-1]


# What came of each trial of "It does not learn", as the guide says it, of each of ten seeds.
SICK = {
    "--learning-rate 0.3": lambda rows: rows[0]["entropy"] < 0.01 and rows[0]["approx_kl"] > 10,
    "uphill": lambda rows: rows[0]["approx_kl"] > 1 and last(rows)["mean_return"] < 15,
    "--learning-rate 0.00001": lambda rows: (
        max(row["approx_kl"] for row in rows) < 1e-4
        and last(rows)["entropy"] > 0.69
        and last(rows)["policy_grad_norm"] > 0.05
        and last(rows)["mean_return"] < 30
    ),
    "ties are clipped": lambda rows: (
        max(row["policy_grad_norm"] for row in rows) == 0 and last(rows)["mean_return"] < 30
    ),
    "--entropy-coefficient 3": lambda rows: (
        last(rows)["entropy"] > 0.68
        and last(rows)["mean_return"] < 60
        and last(rows)["greedy_return"] > 3 * last(rows)["mean_return"]
    ),
    "rows mixed up": lambda rows: (
        max(row["mean_return"] for row in rows) < 40
        and max(row["explained_variance"] for row in rows) > 0.5
    ),
    "bootstrap through the fall": lambda rows: (
        last(rows)["mean_return"] < 170 and max(row["explained_variance"] for row in rows) > 0.9
    ),
    "--clip-range 1000000": lambda rows: sum(row["approx_kl"] > 0.1 for row in rows) > 5,
    "--gae-lambda 0": lambda rows: (
        rows[0]["dead_fraction"] > 0.8
        and min(row["mean_return"] for row in rows) < rows[0]["mean_return"] - 2
        and last(rows)["mean_return"] < 100
    ),
    "--gamma 0.5": lambda rows: (
        last(rows)["value_loss"] < 0.05
        and last(rows)["explained_variance"] < 0.7
        and last(rows)["mean_return"] < 170
    ),
    "--value-learning-rate 0.00001": lambda rows: (
        max(abs(row["explained_variance"]) for row in rows) < 0.1
        and last(rows)["mean_return"] > 100
    ),
    "--env Pendulum-v1 --reward-scale 1": lambda rows: (
        rows[0]["value_grad_norm"] > 50 and last(rows)["mean_return"] < -500
    ),
    "--reward-scale 0.00001": lambda rows: (
        max(row["explained_variance"] for row in rows[-5:]) < -0.5
        and max(row["value_loss"] for row in rows[-5:]) < 1e-4
        and last(rows)["mean_return"] < 60
    ),
    "--env MountainCar-v0 --no-normalize-observations --total-steps 60000": lambda rows: (
        {row["mean_return"] for row in rows[2:]} == {-200.0}
        and last(rows)["value_loss"] < 0.01 < 0.1 < rows[0]["value_loss"]
        and abs(last(rows)["explained_variance"]) < 0.5
    ),
}


def trial(words):
    """One training of a cell of the guide's table: all its rows of statistics."""
    settings, env_id = {"total_steps": 30_000}, "CartPole-v1"
    for option, value in re.findall(r"--([\w-]+)(?: ([\w.-]+))?(?= |$)", words):
        if option == "env":
            env_id = value
        elif option.startswith("no-"):
            settings[option[3:].replace("-", "_")] = False
        else:
            settings[option.replace("-", "_")] = float(value) if "." in value else int(value)
    config = ppo.Config(**{**preset("ppo", env_id), **settings})
    trainer = Trainer(ppo, env_id, config, seed=0)
    change = None if words.startswith("--") else words.replace(" ", "_")
    with changes.changed(trainer, change):
        rows = list(trainer)
    rows[-1]["greedy_return"] = evaluate(trainer.policy, env_id, 20, seed=1).mean()
    return rows


def tried():
    cells = [row[-1] for row in table_after("## It does not learn", GUIDE)]
    return [re.match(r"`([^`]+)`|\*([^*]+)\*", cell).expand(r"\1\2") for cell in cells]


def within_what_is_said(value, text):
    """Is a run's return in the range that a text gives for ten seeds, or beside it by its width?

    Elsewhere ten seeds would give another range, but hardly one that lies apart.
    """
    said = re.search(r"return (?:of )?([−\d]+) \(([−\d]+) to ([−\d]+)\)", text)
    if said is None:
        return True
    middle, low, high = (int(number.replace("−", "-")) for number in said.groups())
    return low <= middle <= high and 2 * low - high <= value <= 2 * high - low


def test_every_row_of_what_to_look_at_is_tried():
    assert tried() == list(SICK)


@pytest.mark.slow
@pytest.mark.parametrize("words", SICK)
def test_a_row_of_what_to_look_at_has_been_tried(words):
    rows = trial(words)
    said = table_after("## It does not learn", GUIDE)[list(SICK).index(words)][-1]
    assert SICK[words](rows) and within_what_is_said(last(rows)["mean_return"], said)


@pytest.mark.slow
def test_what_is_healthy_has_none_of_it():
    rows = trial("--total-steps 30000")
    assert last(rows)["mean_return"] > 150 and last(rows)["entropy"] < 0.65
    assert within_what_is_said(last(rows)["mean_return"], GUIDE.split("Untouched")[1])
    assert not any(as_said(rows) for as_said in SICK.values())


@pytest.mark.parametrize("words", SICK)
def test_what_to_look_at_names_columns_options_and_equations(words):
    row = table_after("## It does not learn", GUIDE)[list(SICK).index(words)]
    explained = {
        name.strip("`")
        for columns in table_after("## What the numbers mean", GUIDE)
        for name in columns[0].split(", ")
    }
    assert set(re.findall(r"`([a-z]+_[a-z_]+|entropy)`", " ".join(row[:2]))) <= explained
    assert named(" ".join(row[2:])) <= options_of(["--algo", "ppo"]) | {"--value-steps"}
    assert "eq-" in row[3]


def test_the_guide_s_own_loop_plays_the_saved_policy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--algo", "ppo", "--total-steps", "3000", "--eval-episodes", "5", "--no-media"]
    assert main(options) == 0
    (example,) = [body for kind, body in FENCE.findall(GUIDE) if "load_policy" in body]
    names = {}
    exec(compile(example, "guide.md", "exec"), names)
    # The same episode, with the saved weights alone.
    with np.load(tmp_path / "runs" / "CartPole-v1-ppo-seed0" / "best.npz") as file:
        W1, b1, W2, b2 = np.split(file["policy"], np.cumsum([4 * 64, 64, 64 * 2]))
    env, steps, over = gym.make("CartPole-v1"), 0, False
    obs, _ = env.reset(seed=1)
    while not over:
        logits = np.tanh(obs @ W1.reshape(4, 64) + b1) @ W2.reshape(64, 2) + b2
        obs, _, terminated, truncated, _ = env.step(int(logits.argmax()))
        steps, over = steps + 1, terminated or truncated
    assert steps > 20 and names["over"]
    np.testing.assert_array_equal(names["obs"], obs)


def test_the_guide_s_training_prints_its_way(capsys):
    (example,) = [body for kind, body in FENCE.findall(GUIDE) if "for statistics in" in body]
    short = example.replace("ppo.Config()", "ppo.Config(total_steps=2048)").replace("=100", "=3")
    exec(compile(short, "guide.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    steps = [int(line.split()[0]) for line in lines[:-1]]
    assert steps == sorted(steps) and steps[-1] >= 2048 and float(lines[-1]) > 8


def python_of(name):
    return [body for kind, body in FENCE.findall(PAGES[name]) if kind == "python"]


def test_the_example_of_chapter_g_prints_what_it_says():
    example, _, _ = python_of("docs/objectives.md")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "objectives.md", "exec"), {})
    assert 0 <= float(printed.getvalue()) < 1e-15


def test_chapter_g_s_way_through_all_log_probabilities():
    """The snippet after the example, with the KL of exercise E10 as the loss."""
    example, snippet, _ = python_of("docs/objectives.md")
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(example, "objectives.md", "exec"), names)
    policy, obs = names["policy"], names["obs"]
    old_log_probs = log_softmax(np.random.default_rng(1).normal(size=(6, 3)))

    def loss():
        log_probs = log_softmax(policy.network(obs))
        return (np.exp(log_probs) * (log_probs - old_log_probs)).sum() / 6

    log_probs = log_softmax(policy.network(obs))
    names["U"] = np.exp(log_probs) * (log_probs - old_log_probs + 1) / 6
    names.update(log_softmax=log_softmax, log_softmax_backward=log_softmax_backward)
    exec(compile(snippet, "objectives.md", "exec"), names)
    for p, slope in enumerate(names["gradient"].real):
        policy.parameters[p] += 1e-20j
        assert loss().imag / 1e-20 == pytest.approx(slope, rel=0, abs=1e-14)
        policy.parameters[p] -= 1e-20j


def test_chapter_g_s_clipped_loss_takes_complex_steps():
    """The last snippet: ppo.clipped_surrogate's loss and, by complex steps, its slopes."""
    names = {"np": np}
    exec(compile(python_of("docs/objectives.md")[-1], "objectives.md", "exec"), names)
    rng = np.random.default_rng(0)
    log_probs, advantages = rng.normal(-1, 0.5, 40), rng.normal(size=40)
    old_log_probs = log_probs - rng.normal(0, 0.3, 40)
    loss, slopes = ppo.clipped_surrogate(log_probs, old_log_probs, advantages, 0.2)
    assert 5 < np.count_nonzero(slopes == 0) < 35
    assert names["clipped_loss"](log_probs, old_log_probs, advantages, 0.2) == pytest.approx(loss)
    for row, slope in enumerate(slopes):
        nudged = log_probs + 1e-20j * (np.arange(40) == row)
        stepped = names["clipped_loss"](nudged, old_log_probs, advantages, 0.2)
        assert stepped.imag / 1e-20 == pytest.approx(slope, rel=0, abs=1e-15)


def test_the_line_where_backprop_begins_is_the_code_s():
    """And all of its snippet: dW and db are the complex step's, of a loss written out here."""
    (shown,) = [body for kind, body in FENCE.findall(README) if "onehot = " in body]
    rng, N = np.random.default_rng(0), 5
    obs, W, b = rng.normal(size=(N, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    actions, advantages = np.array([2, 0, 1, 1, 2]), rng.normal(size=N)
    names = {"np": np, "log_softmax": log_softmax, "N": N, "K": 3, "obs": obs, "W": W, "b": b}
    names |= {"actions": actions, "advantages": advantages}
    exec(compile(shown, "README", "exec"), names)
    expected = categorical_log_prob_backward(names["dlog_probs"], actions, names["probs"])
    np.testing.assert_array_equal(names["dlogits"], expected)

    def loss(numbers):
        z = np.exp(obs @ numbers[:12].reshape(4, 3) + numbers[12:])
        return -sum(np.log(z[i, a] / z[i].sum()) * advantages[i] for i, a in enumerate(actions)) / N

    ours = np.concatenate([names["dW"].ravel(), names["db"]])
    oracle = complex_step(loss, np.concatenate([W.ravel(), b]))
    np.testing.assert_allclose(ours, oracle, rtol=0, atol=1e-15)


def table_after(words, page=README):
    """The first table after some words of a page -> its rows' cells, without the heading."""
    lines = page.split(words)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|")) + 2
    rows = takewhile(lambda line: line.startswith("|"), lines[start:])
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows]


def value_of(cell):
    """The number at the end of a cell such as $`1-1.5=-0.5`$."""
    return float(cell.strip("$`").split("=")[-1])


def test_the_four_rows_by_hand():
    rows = np.array([[value_of(c) for c in row] for row in table_after("**Four rows by hand.**")])
    _, rewards, values, next_values, terminated, ended, deltas, printed = rows.T[..., None]
    terminated, ended = terminated.astype(bool), ended.astype(bool)
    actual = gae(rewards, values, next_values, terminated, ended, 0.9, 0.5)
    np.testing.assert_allclose(actual, printed, rtol=0, atol=1e-12)
    actual = gae(rewards, values, next_values, terminated, ended, 0.9, 0.0)
    np.testing.assert_allclose(actual, deltas, rtol=0, atol=1e-12)
    assert ended[:, 0].tolist() == [0, 1, 0, 1] and terminated[:, 0].tolist() == [0, 1, 0, 0]


def test_the_first_gradient_in_numbers():
    process, uniform = mdp.two_states(), np.full((2, 2), 0.5)
    scores = mdp.scores(uniform, mdp.TABULAR)
    np.testing.assert_array_equal(scores[1, 1], [0, 0, -0.5, 0.5])
    first, second, mean = table_after("#### Your first gradient")
    for row, states, actions, rewards, numbers in (
        (first, [0, 1], [1, 1], [-1.0, 3.0], [1.7, -0.85, 0.85, -0.85, 0.85]),
        (second, [0], [0], [1.0], [1, 0.5, -0.5, 0, 0]),
    ):
        episode = SimpleNamespace(states=states, actions=actions, rewards=np.array(rewards))
        weights = mdp.whole_return(process, episode)
        estimate = weights @ scores[states, actions]
        np.testing.assert_allclose([weights[0], *estimate], numbers, rtol=0, atol=1e-12)
        printed = " ".join(cell.split("=")[-1] for cell in row[1:])
        assert [float(x) for x in re.findall(r"-?\d*\.?\d+", printed)] == numbers
    printed = [float(x) for x in re.findall(r"-?\d*\.\d+", " ".join(mean))]
    exact = [mdp.objective(process, uniform), *mdp.gradient(process, np.zeros(4), mdp.TABULAR)]
    np.testing.assert_allclose(exact, printed, rtol=0, atol=5.1e-6)
    # What the reward-to-go makes of the first episode.
    episode = SimpleNamespace(states=[0, 1], actions=[1, 1], rewards=np.array([-1.0, 3.0]))
    np.testing.assert_allclose(mdp.reward_to_go(process, episode), [1.7, 2.7])
    assert "$`2.7\\,(-.5,.5)`$" in README


def test_the_first_gradient_comes_early():
    start = README.index("## The derivations")
    first = README.index("*the mean over all episodes*")
    assert len(README[start:first].encode()) < 8192


@pytest.mark.parametrize(
    ("key", "quoted"),
    [
        ("objective", ("0.84639",)),
        ("kl-losses", ("0.934",)),
        ("reward-to-go", ("1.757", "1.780")),
        ("baseline", ("1.118",)),
        ("tabular-gradient", ("0.84639", "1.88088", "1.25392", "0.56426")),
        ("vpg", ("-0.01191", "+0.01444")),
    ],
)
def test_quoted_numbers_are_printed_by_the_check_that_the_readme_names(key, quoted):
    text = woven()
    assert f"python run.py check {number_of(key)}`" in text
    printed = io.StringIO()
    assert checks.report([key], printed)
    values = [float(text) for text in re.findall(r"-?\d+\.\d+", printed.getvalue())]
    for number in quoted:
        assert number in text
        digits = len(number.partition(".")[2])
        assert any(round(value, digits) == float(number) for value in values), number
