import os

import numpy as np
import pytest
from PIL import Image, ImageColor
from test_records import small_trainer
from test_run import run

from lab.pictures import LIGHT, drawing
from lab.runs import curves
from lab.runs.curves import compare, learning_curve
from lab.runs.records import RunFolder


@pytest.fixture
def folders(tmp_path):
    """Two runs, the second with the higher returns."""
    made = []
    for seed, level in ((0, 100.0), (1, 400.0)):
        folder = RunFolder.create(tmp_path, small_trainer(seed))
        for i in range(1, 11):
            row = {"iteration": i, "env_steps": 100 * i, "mean_return": 7.0}
            row |= {"entropy": 1.6, "explained_variance": 0.9, "approx_kl": 0.01}
            row |= {"clip_fraction": 0.2, "dead_fraction": 0.1}
            folder.append("progress.csv", [{**row, "greedy_return": level if i == 5 else np.nan}])
            episode = {"return": level, "began": 100 * i - 60, "ended": 100 * i, "length": 9}
            folder.append("episodes.csv", [episode])
        made.append(folder)
    return made


def rows_of(picture, colour):
    """Rows of the picture (top is 0) in which that colour covers a good stretch."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    close = (np.abs(pixels - ImageColor.getrgb(colour)).sum(axis=2) < 60).sum(axis=1)
    return np.flatnonzero(close > 0.4 * pixels.shape[1])


def test_learning_curve(folders):
    for folder in folders:
        learning_curve(folder)
        picture = Image.open(folder / "learning_curve.png")
        assert picture.size == (960, 756)
        # the line is at the episodes' level; the mean of the last 100, 7, is nowhere
        assert len(rows_of(picture, LIGHT.vpg))


def test_instruments_stay_inside_their_panels(folders):
    progress = folders[0].read("progress.csv")
    with drawing(4, 4) as figure:
        for names, axes in zip(
            list(curves.INSTRUMENTS)[:4], figure.subplots(2, 2).ravel(), strict=True
        ):
            keys = names.split()
            curves.draw_instrument(axes, progress, keys, *curves.INSTRUMENTS[names], LIGHT.vpg)
            low, high = axes.get_ylim()
            for line, key in zip(axes.lines, keys, strict=True):
                assert np.array_equal(line.get_ydata(), progress[key])
                assert ((low <= line.get_ydata()) & (line.get_ydata() <= high)).all()


def test_a_run_is_drawn_where_its_episodes_began(folders):
    with drawing(4, 4) as figure:
        axes = figure.subplots()
        about, progress = folders[0].about(), folders[0].read("progress.csv")
        curves.draw_run(axes, folders[0], about, progress, LIGHT.vpg, "PPO")
        line, circles = axes.lines
        began = folders[0].read("episodes.csv")["began"]
        width = 1_000 / curves.WINDOWS
        assert (np.abs(line.get_xdata() - began[: len(line.get_xdata())]) <= width / 2).all()
        assert circles.get_xydata().tolist() == [[500, 100]]


def test_compare_draws_every_run_at_its_height(folders, tmp_path):
    compare(folders, tmp_path / "comparison.png")
    picture = Image.open(tmp_path / "comparison.png")
    low, high = rows_of(picture, LIGHT.vpg), rows_of(picture, LIGHT.others[0])
    assert len(low) and len(high)
    assert high.mean() < low.mean()  # the better run lies above


def test_names_say_what_tells_runs_apart(folders):
    abouts = [folder.about() for folder in folders]
    assert curves.names(folders, abouts) == ["VPG, seed 0", "VPG, seed 1"]
    changed = {**abouts[0], "config": {**abouts[0]["config"], "gamma": 0.9}}
    found = curves.names([folders[0]] * 2, [abouts[0], changed])
    assert found == ["VPG, gamma 0.99", "VPG, gamma 0.9"]
    other = {**abouts[1], "algorithm": "ppo", "config": {"num_envs": 3}}
    assert curves.names(folders, [abouts[0], other]) == ["VPG", "PPO"]
    twins = curves.names([folders[0]] * 2, [abouts[0]] * 2)
    assert twins == [f"VPG, {folders[0].path.name}"] * 2


def test_sixty_runs_are_compared_without_a_warning(folders, tmp_path):
    compare(folders * 30, tmp_path / "comparison.png")


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_pictures_need_neither_the_user_s_backend_nor_settings(folders, tmp_path, backend):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.dpi: 3\n", encoding="utf-8")
    done = run(
        "compare", *(str(folder.path) for folder in folders),
        "--out", str(tmp_path / "comparison.png"),
        env={**os.environ, "MPLBACKEND": backend, "MATPLOTLIBRC": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "comparison.png") as picture:
        assert picture.size == (960, 540)


def test_compare_on_the_command_line(folders, tmp_path):
    picture = tmp_path / "new" / "comparison.png"  # its folder is made
    done = run("compare", *(str(folder.path) for folder in folders), "--out", str(picture))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"drawn: {picture}\n"
    done = run("compare", str(folders[0].path), str(tmp_path / "nowhere"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "nowhere/config.json does not exist" in done.stderr


def test_compare_refuses_different_environments(folders, tmp_path):
    config = (folders[1] / "config.json").read_text(encoding="utf-8")
    (folders[1] / "config.json").write_text(
        config.replace("CartPole-v1", "Acrobot-v1"), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="different environments: Acrobot-v1, CartPole-v1"):
        compare(folders, tmp_path / "comparison.png")
