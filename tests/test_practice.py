"""The workbook: what is blank, what is right however it is written, what is wrong and why."""

import ast
import importlib
import io
import json
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from learners import LEARNERS
from test_checks import FAULTS

import vpg
from lab.commands import main
from lab.practice import BLANKS, MISTAKES, edited, grade, grade_table, hint, write_workbook
from lab.practice.blanks import CHAPTERS, LESSON, MODULES, PAGE, find
from lab.practice.cases import ask, cases
from lab.practice.grading import shipped, verdict
from lab.practice.hints import HINTS
from lab.practice.mistakes import close
from lab.watch import Session, session
from training import Trainer

LESSON_BLANKS = [blank for blank in BLANKS if blank.chapter != PAGE]
BY_PATH = {blank.path: blank for blank in BLANKS}


@pytest.fixture
def solved(tmp_path):
    """A workbook in which every function is the lesson's own."""
    for module in MODULES:
        shutil.copy(LESSON / f"{module}.py", tmp_path)
    return tmp_path


def put(folder, path, code):
    """Write code in the place of a function of the workbook."""
    blank = BY_PATH[path]
    file = folder / f"{blank.module}.py"
    source = file.read_text("utf-8")
    old = find(ast.parse(source), blank.name)
    lines = source.splitlines(keepends=True)
    indent = " " * old.col_offset
    lines[old.lineno - 1 : old.end_lineno] = [textwrap.indent(textwrap.dedent(code), indent) + "\n"]
    file.write_text("".join(lines), "utf-8")


def one(folder, path):
    """The grade of one function -> status, diagnosis."""
    (own,) = (g for g in grade(folder, [BY_PATH[path].equation]) if g.function == path)
    return own.status, own.diagnosis


# --------------------------------------------------------------- the blanks


@pytest.mark.parametrize("chapters", [tuple(CHAPTERS), PAGE], ids=["lesson", "page"])
def test_a_workbook_is_the_lesson_without_its_gradients(tmp_path, chapters):
    folder, blanks = tmp_path / "book", [b for b in BLANKS if b.chapter in chapters]
    assert write_workbook(folder, chapters) == blanks
    assert len(blanks) == len(LESSON_BLANKS) >= 24 or len(blanks) == 5
    modules = ["one_page"] if chapters == PAGE else MODULES
    assert {path.name for path in folder.iterdir()} == {f"{module}.py" for module in modules}
    for blank in blanks:
        ours = find(ast.parse((LESSON / f"{blank.module}.py").read_text("utf-8")), blank.name)
        source = (folder / f"{blank.module}.py").read_text("utf-8")
        theirs = find(ast.parse(source), blank.name)
        assert ast.dump(ours.args) == ast.dump(theirs.args)
        assert ast.get_docstring(ours) == ast.get_docstring(theirs)
        assert not any(code in ast.get_docstring(ours) for code in ("@", "Σ", "np.", ".sum("))
        body = "\n".join(source.splitlines()[theirs.body[0].end_lineno : theirs.end_lineno])
        assert (
            body.strip() == f'raise NotImplementedError("Eq. {blank.equation} is yours to write")'
        )
    grades = grade(folder)
    assert [g.status for g in grades] == ["blank"] * len(blanks)
    assert grade_table(grades).endswith(f"0 of {len(blanks)} right")


def test_each_chapter_of_the_readme_ends_with_its_blanks():
    text = (LESSON / "README.md").read_text("utf-8")
    for letter in CHAPTERS:
        start = text.index(f"\n### {letter}. ")
        chapter = text[start : text.index("\n### ", start + 1)]
        names = ", ".join(f"`{blank.name}`" for blank in BLANKS if blank.chapter == letter)
        line = f"**Now write it:** `python run.py practice --chapters {letter}` blanks {names}."
        assert chapter.count(line) == 1, line


def test_the_guide_walks_through_the_first_two_blanks(tmp_path, monkeypatch, capsys):
    """Its blanks are the workbook's, and its wrong answer gets the words that it prints."""
    monkeypatch.chdir(tmp_path)
    guide = (LESSON / "docs" / "guide.md").read_text("utf-8")
    section = guide[guide.index("\n## The workbook") : guide.index("\n## The page that trains")]
    blanks, wrong, table = re.findall(r"```(?:python|text)\n(.*?)```", section, re.S)
    assert main(["practice"]) == 0
    file = tmp_path / "practice" / "nn.py"
    source = file.read_text("utf-8")
    assert blanks in source and f"{len(LESSON_BLANKS)} functions blank" in section
    task = '    raise NotImplementedError("Eq. 30 is yours to write")\n'
    source = source.replace(task, "    return x @ W + b\n", 1).replace(task, wrong, 1)
    file.write_text(source, encoding="utf-8")
    capsys.readouterr()
    assert main(["grade", "30"]) == 1
    assert "$ python run.py grade 30\n" + capsys.readouterr().out == table
    file.write_text(source.replace("mean", "sum"), encoding="utf-8")
    assert main(["grade", "30"]) == 0
    assert main(["grade"]) == 1


def test_other_chapters_stay_filled(tmp_path):
    chosen = write_workbook(tmp_path / "book", ["B"])
    assert {blank.module for blank in chosen} == {"advantages"}
    for module in set(MODULES) - {"advantages"}:
        assert (tmp_path / "book" / f"{module}.py").read_bytes() == (
            LESSON / f"{module}.py"
        ).read_bytes()
    with pytest.raises(ValueError, match="chapter 'X' has no blanks; D, C, B, A, E, F, H have"):
        write_workbook(tmp_path / "other", ["X"])


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="is not empty"):
        write_workbook(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# ------------------------------------------------------- right, and wrong


def test_the_lesson_itself_is_right(solved):
    grades = grade(solved)
    assert {g.status for g in grades} == {"right"}
    assert all(len(line) <= 80 for line in grade_table(grades).splitlines())


@pytest.mark.parametrize("path", sorted(BY_PATH))
def test_mistakes_are_told_apart(path):
    """Each one is wrong, says its own words, and no other's numbers are the same."""
    blank = BY_PATH[path]
    own = [mistake for mistake in MISTAKES if mistake[0] == path]
    assert own
    for _, old, new, words in own:
        wrong = edited(shipped(blank), old, new)
        assert verdict(blank, wrong, Path("nowhere")) == ("wrong", words), (old, new)


def test_every_fault_of_the_checks_in_a_blank_is_diagnosed(tmp_path):
    """Every fault that the equations' checks find is graded wrong, nine of ten with a reason.

    The table: pytest -s -k every_fault
    """
    known, unknown = 0, []
    for _, path, old, new in FAULTS:
        if path not in BY_PATH:
            continue
        wrong = edited(shipped(BY_PATH[path]), old, new)
        status, diagnosis = verdict(BY_PATH[path], wrong, tmp_path)
        assert status == "wrong", (path, old, new)
        print(f"{path}: {old!r} -> {new!r}: {diagnosis}")
        if "expected" in diagnosis:
            unknown.append((path, old, new, diagnosis))
        known += "expected" not in diagnosis
    print(f"{known + len(unknown)} faults, all wrong; {known} told by name")
    assert known > 80 and len(unknown) <= known / 9, unknown


def test_learners_errors_are_wrong_and_told_truly(tmp_path):
    """None passes, each is told what it is, or shown a case when no word for it is known."""
    assert len(LEARNERS) >= 40
    for path, body, words in LEARNERS:
        names = dict(vars(importlib.import_module(BY_PATH[path].module)))
        exec(written(path, body), names)
        status, diagnosis = verdict(
            BY_PATH[path], names[BY_PATH[path].name.split(".")[-1]], tmp_path
        )
        print(f"{path}: {diagnosis}")
        assert status in ("wrong", "error"), (path, body)
        if words:
            assert words in diagnosis and "expected" not in diagnosis, (path, body, diagnosis)
        else:
            assert ": yours " in diagnosis and ", expected " in diagnosis, (path, body, diagnosis)


def test_by_the_numbers_alone(solved):
    """A sign, a factor, a transposition and a shape need no list of mistakes."""
    for code, words in (
        ("return -dh * (1 - h * h)", "dz is −1 times the right one: a sign"),
        ("return 3 * dh * (1 - h * h)", "dz is 3 times the right one"),
        ("return len(h) * dh * (1 - h * h)", "dz is N times too large: the 1/N is missing"),
        ("return dh * (1 - h * h) / len(h)", "dz is N times too small"),
        ("return 0 * dh", "dz is zero everywhere"),
        ("return dh.sum(axis=0) * (1 - h * h)", "dz: for dh [["),
    ):
        put(solved, "nn.tanh_backward", f"def tanh_backward(dh, h):\n    {code}")
        status, diagnosis = one(solved, "nn.tanh_backward")
        assert status == "wrong" and words in diagnosis, diagnosis
    put(
        solved, "nn.linear_backward",
        "def linear_backward(dy, x, W):\n    return dy @ W.T, dy.T @ x, dy.sum(axis=0)",
    )  # fmt: skip
    assert one(solved, "nn.linear_backward")[1] == "dW is transposed"
    put(
        solved, "vpg.value_loss",
        """
        def value_loss(values, targets):
            errors = values[:, None] - targets
            return 0.5 * np.mean(errors * errors), errors / len(values)
        """,
    )  # fmt: skip
    status, diagnosis = one(solved, "vpg.value_loss")
    assert status == "wrong" and "(3, 3), not (3,): (N,1) beside (N,) broadcasts" in diagnosis
    put(solved, "vpg.value_loss", "def value_loss(values, targets):\n    return 7.0, values")
    status, diagnosis = one(solved, "vpg.value_loss")
    assert status == "wrong" and "loss: for values" in diagnosis and "expected" in diagnosis


STYLES = {
    "one_page.Network.backward": [
        """
        grads = np.zeros_like(self.parameters)
        n, hidden, outputs = x.shape[1], h.shape[1], dy.shape[1]
        dW1, db1, dW2, db2 = np.split(
            grads, np.cumsum([n * hidden, hidden, hidden * outputs]))
        for i in range(len(x)):
            down = self.W2 @ dy[i] * (1 - h[i] ** 2)
            dW1 += np.outer(x[i], down).ravel()
            db1 += down
            dW2 += np.outer(h[i], dy[i]).ravel()
            db2 += dy[i]
        return grads
        """,
    ],
    "one_page.Network.step": [
        """
        n = np.linalg.norm(g)
        if n + 1e-6 > MAX_NORM:
            g *= MAX_NORM / (n + 1e-6)
        self.t = self.t + 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g**2
        rate = step_size * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        self.parameters -= rate * self.m / (
            np.sqrt(self.v) + 1e-8 * np.sqrt(1 - 0.999**self.t))
        """,
    ],
    "one_page.log_softmax": [
        "return z - np.logaddexp.reduce(z, axis=1, keepdims=True)",
    ],
    "one_page.credit": [
        """
        out, running = np.zeros(reward.shape), 0
        for t in range(len(reward) - 1, -1, -1):
            future = np.where(terminated[t], 0, v[t + 1])
            go_on = 1.0 - np.logical_or(terminated[t], truncated[t])
            running = reward[t] + GAMMA * future - v[t] + GAMMA * LAMBDA * go_on * running
            out[t] = running
        return out
        """,
    ],
    "one_page.policy_slope": [
        """
        p = np.exp(log_softmax(logits))
        rho = p[np.arange(len(p)), action] / np.exp(old_log_prob)
        dead = np.where(advantage > 0, rho > 1 + clip_range, rho < 1 - clip_range)
        w = np.where(dead, 0, -rho * advantage) / len(p)
        grad = -p * w[:, None]
        grad[np.arange(len(p)), action] += w
        return grad
        """,
        """
        logp = log_softmax(logits)
        chosen = np.take_along_axis(logp, action[:, None], axis=1)[:, 0]
        rho = np.exp(chosen - old_log_prob)
        bound = np.minimum(np.maximum(rho, 1 - clip_range), 1 + clip_range)
        keep = rho * advantage <= bound * advantage
        return np.array([
            (keep[i] * -rho[i] * advantage[i] / len(rho)) * (np.eye(2)[action[i]] - np.exp(logp[i]))
            for i in range(len(rho))])
        """,
    ],
    "nn.linear_forward": ["return np.einsum('bi,io->bo', x, W) + b[None]"],
    "nn.linear_backward": [
        """
        dW = np.einsum('bi,bo->io', x, dy)
        return np.einsum('bo,io->bi', dy, W), dW, np.ones(len(dy)) @ dy
        """,
        """
        dx, dW, db = np.zeros(x.shape), np.zeros(W.shape), np.zeros(W.shape[1])
        for i in range(len(x)):
            for o in range(W.shape[1]):
                dx[i] += dy[i, o] * W[:, o]
                dW[:, o] += x[i] * dy[i, o]
                db[o] += dy[i, o]
        return [dx, dW, db]
        """,
        "return tuple(a.astype(np.float32) for a in (dy @ W.T, x.T @ dy, dy.sum(0)))",
    ],
    "nn.tanh_backward": [
        "return dh * (1 - h) * (1 + h)",
        "dz = dh.copy()\ndz -= dz * h**2\nreturn dz",
        "return dh / np.cosh(np.arctanh(h)) ** 2",
        "return [[d * (1 - y * y) for d, y in zip(ds, ys)] for ds, ys in zip(dh, h)]",
    ],
    "nn.relu_backward": [
        "dz = dh.copy()\ndz[h <= 0] = 0\nreturn dz",
        "return np.where(h > 0, dh, 0.0)",
        "return dh * np.sign(h)",
    ],
    "nn.MLP.backward": [
        """
        _, slope = ACTIVATIONS[self.activation]
        parts, message = [], dy
        for (W, b), x in list(zip(self.layers, cache))[::-1]:
            parts += [message.sum(0), (x.T @ message).ravel()]
            message = slope(message @ W.T, x)
        return np.concatenate(parts[::-1])
        """,
    ],
    "nn.clip_global_norm": [
        """
        norm = np.linalg.norm(gradient)
        gradient[:] = gradient * min(1.0, max_norm / (norm + 1e-6))
        return norm
        """,
    ],
    "nn.Adam.step": [
        """
        self.t = self.t + 1
        b1, b2 = self.betas
        self.m = b1 * self.m + (1 - b1) * gradient
        self.v = b2 * self.v + (1 - b2) * gradient**2
        rate = self.learning_rate / (1 - b1**self.t)
        parameters[:] = parameters - rate * self.m / (
            (self.v / (1 - b2**self.t)) ** 0.5 + self.eps)
        """,
    ],
    "distributions.log_softmax": [
        "z = logits - logits.max(1)[:, None]\nreturn z - np.log(np.exp(z).sum(1))[:, None]",
        "return logits - np.logaddexp.reduce(logits, axis=1)[:, None]",
        """
        out = np.empty_like(logits)
        for i, row in enumerate(logits):
            m = max(row)
            out[i] = row - m - math.log(sum(math.exp(z - m) for z in row))
        return out
        """,
    ],
    "distributions.log_softmax_backward": [
        """
        P = np.exp(log_probs)
        return np.array([(np.eye(len(p)) - np.outer(p, np.ones(len(p)))) @ u
                         for p, u in zip(P, dlog_probs)])
        """,
        "return dlog_probs - np.einsum('bk,bj->bj', dlog_probs, np.exp(log_probs))",
    ],
    "distributions.categorical_log_prob_backward": [
        """
        dlogits = -probs * dlog_probs[:, None]
        dlogits[np.arange(len(actions)), actions] += dlog_probs
        return dlogits
        """,
        "return (np.eye(probs.shape[1])[actions] - probs) * dlog_probs.reshape(-1, 1)",
    ],
    "distributions.categorical_entropy": [
        "return np.array([-sum(math.exp(l) * l for l in row) for row in log_probs])",
        "return -np.einsum('bk,bk->b', np.exp(log_probs), log_probs)",
    ],
    "distributions.categorical_entropy_backward": [
        """
        p = np.exp(log_probs)
        inner = -(log_probs + 1)
        return dentropies[:, None] * p * (inner - (p * inner).sum(1, keepdims=True))
        """,
    ],
    "distributions.categorical_kl": [
        "p = np.exp(old_log_probs)\nreturn (p * old_log_probs).sum(1) - (p * log_probs).sum(1)",
    ],
    "distributions.categorical_kl_backward": [
        """
        U = -np.exp(old_log_probs)
        return dkls[:, None] * (U - np.exp(log_probs) * U.sum(1, keepdims=True))
        """,
    ],
    "distributions.gaussian_log_prob": [
        """
        variance = np.exp(2 * log_stds)
        each = -((actions - means) ** 2 / variance + np.log(2 * np.pi * variance)) / 2
        return each.sum(-1)
        """,
    ],
    "distributions.gaussian_log_prob_backward": [
        """
        variance = np.exp(log_stds) ** 2
        distance = actions - means
        dlog_stds = (dlog_probs[:, None] * (distance**2 / variance - 1)).sum(0)
        return dlog_probs[:, None] * distance / variance, dlog_stds
        """,
    ],
    "distributions.gaussian_entropy": [
        "return sum(l + (1 + math.log(2 * math.pi)) / 2 for l in log_stds)",
    ],
    "distributions.gaussian_kl_backward": [
        """
        inverse = np.exp(-2 * log_stds)
        gap = means - old_means
        slopes = 1 - (np.exp(2 * old_log_stds) + gap**2) * inverse
        return dkls[:, None] * gap * inverse, np.einsum('b,ba->a', dkls, slopes)
        """,
    ],
    "advantages.returns_to_go": [
        """
        T, out = len(rewards), np.zeros_like(rewards)
        for t in range(T - 1, -1, -1):
            future = np.where(terminated[t], 0, next_values[t])
            if t < T - 1:
                future = np.where(ended[t], future, out[t + 1])
            out[t] = rewards[t] + gamma * future
        return out
        """,
    ],
    "advantages.gae": [
        """
        running, out = 0, []
        for t in reversed(range(len(rewards))):
            delta = rewards[t] + gamma * next_values[t] * (1 - terminated[t]) - values[t]
            running = delta + gamma * gae_lambda * (1 - ended[t]) * running
            out.append(running)
        return out[::-1]
        """,
        """
        delta = rewards + gamma * next_values * ~terminated - values
        out = np.zeros_like(delta)
        for t in range(len(delta)):
            weight = np.ones_like(delta[0])
            for k in range(t, len(delta)):
                out[t] += weight * delta[k]
                weight = weight * gamma * gae_lambda * ~ended[k]
        return out
        """,
    ],
    "advantages.normalize": [
        """
        if len(advantages) <= 1:
            return advantages.copy()
        shifted = advantages - sum(advantages) / len(advantages)
        return shifted / (np.sqrt((shifted**2).mean()) + eps)
        """,
    ],
    "advantages.group_advantages": [
        """
        out = np.zeros(rewards.shape)
        for m, group in enumerate(rewards):
            for i, reward in enumerate(group):
                others = np.delete(group, i)
                if scale:
                    out[m, i] = (reward - np.mean(group)) / (np.std(group) + eps)
                else:
                    out[m, i] = reward - sum(others) / len(others)
        return out
        """,
        """
        G = len(rewards[0])
        baseline = (rewards.sum(axis=1)[:, None] - rewards) / (G - 1)
        if not scale:
            return rewards - baseline
        centred = rewards - np.repeat(rewards.mean(axis=1), G).reshape(rewards.shape)
        return centred / (np.sqrt(np.mean(centred**2, axis=1, keepdims=True)) + eps)
        """,
    ],
    "vpg.policy_loss": [
        "N = len(log_probs)\nreturn -(advantages @ log_probs) / N, advantages * (-1 / N)",
        """
        A, lp = advantages.astype(np.float32), log_probs.astype(np.float32)
        return float(-(A * lp).mean()), (-A / len(A)).tolist()
        """,
        "w = -advantages / advantages.size\nreturn float(w.dot(log_probs)), list(w)",
    ],
    "vpg.value_loss": [
        "d = (values - targets) / len(values)\nreturn 0.5 * len(d) * d @ d, d",
    ],
    "ppo.clipped_surrogate": [
        """
        rho = np.exp(log_probs - old_log_probs)
        dead = ((advantages > 0) & (rho > 1 + clip_range)) | (
            (advantages < 0) & (rho < 1 - clip_range))
        loss, slopes = 0.0, np.zeros(len(rho))
        for i in range(len(rho)):
            bound = min(max(rho[i], 1 - clip_range), 1 + clip_range)
            loss -= min(rho[i] * advantages[i], bound * advantages[i]) / len(rho)
            slopes[i] = 0 if dead[i] else -rho[i] * advantages[i] / len(rho)
        return loss, slopes
        """,
    ],
    "ppo.clipped_value_loss": [
        """
        near = old_values + np.clip(values - old_values, -clip_range, clip_range)
        a, b = (values - targets) ** 2, (near - targets) ** 2
        flat = (np.abs(values - old_values) > clip_range) & (b > a)
        return np.where(flat, b, np.maximum(a, b)).mean() / 2, np.where(
            flat, 0, (values - targets) / len(values))
        """,
    ],
    "training.clip_statistics": [
        """
        rho = np.exp(log_probs - old_log_probs)
        out = abs(rho - 1) > clip_range
        return out.mean(), (out & ((rho - 1) * advantages > 0)).mean()
        """,
    ],
    "ppo_penalty.penalized_surrogate": [
        """
        weight, beta = 1 / len(kls), kl_coefficient
        gain = np.exp(log_probs - old_log_probs) * advantages
        dkls = np.repeat(weight * beta, len(kls))
        return weight * (beta * kls - gain).sum(), -weight * gain, dkls
        """,
    ],
    "ppo_penalty.adapt_kl_coefficient": [
        "x = kl / kl_target\nreturn kl_coefficient * (0.5 if x < 2 / 3 else 2 if x > 1.5 else 1)",
    ],
}


def written(path, body):
    """A function with the shipped signature and another body, as source."""
    blank = BY_PATH[path]
    source = (LESSON / f"{blank.module}.py").read_text("utf-8")
    definition = find(ast.parse(source), blank.name)
    head = f"def {definition.name}({ast.unparse(definition.args)}):\n"
    return head + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")


def test_right_answers_written_in_other_ways_pass(solved, tmp_path_factory):
    assert set(STYLES) == set(BY_PATH) and sum(map(len, STYLES.values())) >= 30
    page = tmp_path_factory.mktemp("page")
    shutil.copy(LESSON / "one_page.py", page)
    for number in range(max(map(len, STYLES.values()))):
        chosen = {path: s[number] for path, s in STYLES.items() if number < len(s)}
        for path, body in chosen.items():
            put(page if path.startswith("one_page") else solved, path, written(path, body))
        for one_grade in [*grade(solved), *(grade(page) if number < 2 else ())]:
            assert one_grade.status == "right", one_grade


# ------------------------------------------------------------ hostile code


@pytest.mark.parametrize(
    "body, line, words",
    [
        ("while True:\n    pass", (1, 2), "does not end within 3 s: an endless loop?"),
        ("import os\nos._exit(3)", (2,), "ends the whole process"),
        ("from os import abort\nabort()", (2,), "ends the whole process"),
        ("import ctypes\nctypes.string_at(0)", (2,), "ends the whole process (exit status "),
        ("raise SystemExit('bye')", (1,), "SystemExit: bye"),
        ("import no_such_module", (1,), "ModuleNotFoundError: No module named 'no_such_module'"),
        ("return undefined_name", (1,), "NameError: name 'undefined_name' is not defined"),
        ("return tanh_backward(dh, h)", (1,), "RecursionError: maximum recursion depth exceeded"),
        ("a = h\na *= 2\nreturn dh", (2,), "it changes one of its arguments; work on a copy"),
        ("return 1 / 0", (1,), "ZeroDivisionError"),
        ("global calls\ncalls += 1\nreturn dh", (2,), "NameError: name 'calls' is not defined"),
        ("return dh, h", (), "dz has the shape"),
        ("x = 1", (0,), "it returns nothing"),
    ],
)
def test_bad_code_ends_its_own_turn_only(solved, body, line, words):
    """One line says what is wrong, and in which line of the reader's file."""
    put(solved, "nn.tanh_backward", written("nn.tanh_backward", body))
    lines = (solved / "nn.py").read_text("utf-8").splitlines()
    start = next(n for n, text in enumerate(lines, 1) if text.startswith("def tanh_backward"))
    grades = grade(solved, [31, 35])
    bad = next(g for g in grades if g.function == "nn.tanh_backward")
    assert bad.status == ("error" if line else "wrong") and words in bad.diagnosis
    assert "\n" not in bad.diagnosis
    assert not line or any(bad.diagnosis.startswith(f"nn.py, line {start + n}: ") for n in line), (
        bad.diagnosis
    )
    assert [g.status for g in grades if g is not bad] == ["right", "right"]


def test_a_method_may_call_another_of_its_class(solved):
    put(
        solved, "nn.MLP.backward",
        """
        def walk(self, dy, cache):
            for layer in range(len(self.layers) - 1, -1, -1):
                yield layer, dy
                dy = ACTIVATIONS[self.activation][1](dy @ self.layers[layer][0].T, cache[layer])

        def backward(self, dy, cache):
            parts = [[(cache[k].T @ dy).ravel(), dy.sum(0)] for k, dy in self.walk(dy, cache)]
            return np.concatenate([part for pair in parts[::-1] for part in pair])
        """,
    )  # fmt: skip
    # the activations that `walk` looks up are the reader's own
    assert one(solved, "nn.MLP.backward") == ("right", "")


@pytest.mark.slow
def test_answers_that_are_no_numbers_and_threads_that_never_end(solved):
    put(
        solved, "vpg.value_loss",
        """
        import threading, time
        threading.Thread(target=lambda: time.sleep(1000)).start()
        def value_loss(values, targets):
            return None, values
        """,
    )  # fmt: skip
    status, diagnosis = one(solved, "vpg.value_loss")
    assert status == "error" and diagnosis.endswith("returns as loss is no number: object")
    put(solved, "nn.clip_global_norm", "def clip_global_norm(gradient, max_norm):\n    x = 1")
    assert one(solved, "nn.clip_global_norm")[1].endswith("it returns nothing")
    put(solved, "vpg.policy_loss", "def policy_loss(log_probs, advantages):\n    yield 1")
    assert one(solved, "vpg.policy_loss")[0] == "error"


def test_grades_as_json_and_at_every_save(solved, tmp_path_factory, monkeypatch, capsys):
    """The exit status is 0 only if all that was asked for is right."""
    file = tmp_path_factory.mktemp("grades") / "grades.json"
    put(solved, "nn.relu_backward", "def relu_backward(dh, h):\n    return dh * (dh > 0)")
    saves = iter(["def relu_backward(dh, h):\n    return dh * (h > 0)"])

    def sleep(seconds):  # a reader, at work between two looks
        code = next(saves, None)
        if code is None:
            raise KeyboardInterrupt
        put(solved, "nn.relu_backward", code)

    monkeypatch.setattr(time, "sleep", sleep)
    assert main(["grade", str(solved), "31", "--json", str(file), "--watch"]) == 130
    out = capsys.readouterr().out
    assert out.index("1 of 2 right") < out.index("2 of 2 right")
    assert json.loads(file.read_text("utf-8")) == [
        {"equation": 31, "function": f"nn.{name}_backward", "status": "right", "diagnosis": ""}
        for name in ("tanh", "relu")
    ]
    assert main(["grade", str(solved), "31"]) == 0
    (solved / "nn.py").unlink()
    assert main(["grade", str(solved), "31"]) == 1
    assert "nn.py is missing" in capsys.readouterr().out


def test_a_cache_that_is_used_up_is_told(solved):
    put(solved, "nn.MLP.backward", written("nn.MLP.backward", "cache.pop()\nreturn dy"))
    status, diagnosis = one(solved, "nn.MLP.backward")
    assert status == "error" and "changes one of its arguments" in diagnosis


@pytest.mark.slow
def test_a_file_that_never_ends_costs_one_wait(solved):
    """All functions of its file are told so, after one wait; the others are graded."""
    with open(solved / "advantages.py", "a", encoding="utf-8") as file:
        file.write("\nwhile True:\n    pass\n")
    grades = {g.function: g for g in grade(solved)}
    lost = [g for g in grades.values() if g.status == "error"]
    assert {g.function.split(".")[0] for g in lost} == {"advantages"}
    assert all("endless loop" in g.diagnosis and "advantages.py, line" in g.diagnosis for g in lost)


def test_functions_that_are_no_plain_def_and_files_of_one_s_own(solved):
    """A lambda, a partial, a decorated function, a helper's file, a name from outside."""
    (solved / "mine.py").write_text("def slope(h):\n    return 1 - h * h\n", encoding="utf-8")
    put(solved, "nn.tanh_backward", "import mine\ntanh_backward = lambda dh, h: dh * mine.slope(h)")
    put(
        solved, "nn.relu_backward",
        """
        from functools import partial, wraps
        def _gate(dh, h, edge): return dh * (h > edge)
        relu_backward = partial(_gate, edge=0)
        """,
    )  # fmt: skip
    put(
        solved, "nn.clip_global_norm",
        """
        TINY = 1e-6
        def seen(function):
            @wraps(function)
            def wrapper(*args, **more):
                return function(*args, **more)
            return wrapper

        @seen
        def clip_global_norm(gradient, max_norm):
            norm = np.sqrt(np.sum(gradient**2))
            gradient *= min(1, max_norm / (norm + TINY))
            return norm
        """,
    )  # fmt: skip
    assert [g.status for g in grade(solved, [31, 35])] == ["right"] * 3


def test_a_file_that_cannot_be_read_costs_its_own_functions(solved):
    with open(solved / "vpg.py", "a", encoding="utf-8") as file:
        file.write("\ndef broken(:\n")
    with open(solved / "ppo.py", "a", encoding="utf-8") as file:
        file.write("\nimport no_such_module\n")
    (solved / "nn.py").write_text(
        "import os\nos._exit(1)\n" + (solved / "nn.py").read_text("utf-8"), encoding="utf-8"
    )
    grades = {g.function: g for g in grade(solved)}
    assert "vpg.py, line" in grades["vpg.policy_loss"].diagnosis
    assert "No module named 'no_such_module'" in grades["ppo.clipped_surrogate"].diagnosis
    assert "ends the whole process" in grades["nn.tanh_backward"].diagnosis
    assert grades["advantages.gae"].status == "right"


def test_printing_is_not_seen(solved, capfd):
    put(
        solved, "nn.tanh_backward",
        "def tanh_backward(dh, h):\n    print('seen?')\n    return dh * (1 - h * h)",
    )  # fmt: skip
    assert one(solved, "nn.tanh_backward") == ("right", "")
    assert capfd.readouterr() == ("", "")


def test_another_blank_is_not_a_function_s_fault(tmp_path):
    """MLP.backward calls linear_backward and the activations, all of them still blank."""
    write_workbook(tmp_path / "book")
    put(tmp_path / "book", "nn.MLP.backward", written("nn.MLP.backward", """
        gradient = []
        for layer in range(len(self.layers) - 1, -1, -1):
            dh, dW, db = linear_backward(dy, cache[layer], self.layers[layer][0])
            gradient = [dW.ravel(), db, *gradient]
            if layer:
                dy = ACTIVATIONS[self.activation][1](dh, cache[layer])
        return np.concatenate(gradient)
    """))  # fmt: skip
    assert one(tmp_path / "book", "nn.MLP.backward") == ("right", "")


def test_folders_that_are_no_workbook(tmp_path, solved):
    with pytest.raises(ValueError, match="is no workbook"):
        grade(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"no blank for Eq\. 2; there are blanks for \d+, "):
        grade(solved, [2])


# ------------------------------------------------------------------- hints


def test_every_blank_has_a_hint_and_no_hint_is_code():
    assert set(HINTS) == {blank.equation for blank in BLANKS}
    for number in HINTS:
        steps = hint(number)
        assert [step.split(":")[0] for step in steps] == ["ask yourself", "look at", "in words"]
        assert not any(c in "".join(steps) for c in ("np.", "()", "[", "def "))
    with pytest.raises(ValueError, match=r"no blank for Eq\. 5"):
        hint(5)


def test_in_a_terminal_a_hint_goes_one_step_at_a_time(monkeypatch, capsys):
    """Each Enter tells the next step; whoever leaves before has not seen it."""
    terminal = io.StringIO("\n")  # one Enter, then the end
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["hint", "32"]) == 0
    shown = capsys.readouterr().out
    assert "ask yourself:" in shown and "look at:" in shown and "in words:" not in shown
    terminal.isatty = lambda: False
    assert main(["hint", "32"]) == 0
    shown = capsys.readouterr().out
    assert "in words:" in shown and max(map(len, shown.splitlines())) < 80


def test_cases_are_the_same_every_time_and_nobody_s():
    for blank in BLANKS:
        assert importlib.import_module(blank.module)
        first = [ask(blank, shipped(blank), case) for case in cases(blank)]
        again = [ask(blank, shipped(blank), case) for case in cases(blank)]
        for one_case, other in zip(first, again, strict=True):
            assert all(close(a, b) for a, b in zip(one_case, other, strict=True))
            assert all(np.isfinite(a).all() for a in one_case)
    assert {blank.chapter for blank in LESSON_BLANKS} == set(CHAPTERS)


# -------------------------------------------------- training with a workbook

QUICK = ["--num-envs", "4", "--num-steps", "16", "--total-steps", "1000", "--eval-episodes", "2"]


def run(cwd, *options):
    command = [sys.executable, "-W", "error", str(LESSON / "run.py"), *map(str, options)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, timeout=120, encoding="utf-8", errors="replace"
    )


def refused(cwd, *options):
    """A command's one line of complaint."""
    done = run(cwd, *options)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.slow
def test_the_reader_s_files_train(tmp_path):
    """One file of theirs makes the gradient twice as long: so are the run's norms."""
    book = tmp_path / "my book"
    book.mkdir()
    for module in MODULES:
        shutil.copy(LESSON / f"{module}.py", book)
    train = ["--algo", "ppo", *QUICK, "--max-grad-norm", "1e9", "--max-episodes", "1"]
    run(tmp_path, *train, "--no-media")
    source = (book / "ppo.py").read_text("utf-8")
    (book / "ppo.py").write_text(
        source.replace("alive * -plain", "2 * alive * -plain"), encoding="utf-8"
    )
    done = run(tmp_path, *train, f"--lesson={book.name}")
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert f"with my book: {len(LESSON_BLANKS) - 1} of {len(LESSON_BLANKS)} right" in done.stdout
    assert f"with your gradients, from {book}" in done.stdout
    own, mine = (tmp_path / f"runs/CartPole-v1-ppo-seed0{end}" for end in ("", "-2"))
    for name in ("summary.json", "config.json"):
        assert json.loads((mine / name).read_text("utf-8"))["lesson"] == str(book)
        assert "lesson" not in json.loads((own / name).read_text("utf-8"))
    first, second = (
        float(rows[1].split(",")[rows[0].split(",").index("policy_grad_norm")])
        for rows in ((folder / "progress.csv").read_text("utf-8").split() for folder in (own, mine))
    )
    assert 1.5 < second / first < 3  # the first minibatch's is 2; later ones differ a little
    # A run goes on with the files that began it, and with no others.
    assert "was trained with --lesson" in refused(tmp_path, "resume", mine)
    assert "without --lesson" in refused(tmp_path, "resume", own, "--lesson", book)
    done = run(tmp_path, "resume", mine, "--lesson", book, "--no-media", "--max-episodes", "30")
    assert done.returncode == 0 and f"play {mine} --lesson '{book}'" in done.stdout


@pytest.mark.slow
def test_what_cannot_train_says_so_in_one_line(tmp_path):
    write_workbook(tmp_path / "book", ["A", "E"])
    train = ["--algo", "vpg", *QUICK, "--no-media", "--lesson"]
    assert "vpg.policy_loss (Eq. 10) is blank and 1 more" in refused(tmp_path, *train, "book")
    assert "is no workbook" in refused(tmp_path, *train, "nowhere")
    for module in MODULES:
        shutil.copy(LESSON / f"{module}.py", tmp_path / "book")
    # right in every case that is asked, and a crash in training
    put(tmp_path / "book", "vpg.value_loss", """
        def value_loss(values, targets):
            errors = values - targets
            if len(errors) > 20:
                raise RuntimeError("too many")
            return 0.5 * np.mean(errors * errors), errors / len(errors)
    """)  # fmt: skip
    done = run(tmp_path, *train, "book")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    lines = (tmp_path / "book/vpg.py").read_text("utf-8").splitlines()
    line = 1 + lines.index('        raise RuntimeError("too many")')
    assert done.stderr == f"run.py: vpg.py, line {line}: RuntimeError: too many\n"


def test_the_recording_says_whose_gradients_they_are(monkeypatch):
    trainer = Trainer(vpg, "CartPole-v1", vpg.Config(num_envs=1, hidden_sizes=(4,)), 0)
    assert Session.of(trainer, 0).title == "VPG, seed 0, 0 steps"
    monkeypatch.setattr(session, "lesson", lambda: "somewhere/practice")
    title = Session.of(trainer, 0).title
    assert title == "VPG, seed 0, 0 steps, with your gradients (practice)"
