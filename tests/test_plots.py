import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from programs import run
from test_records import small_trainer

import vpg
from lab.kit import LIGHT, drawing
from lab.runs import curves
from lab.runs.curves import compare, learning_curve
from lab.runs.records import RunFolder
from run import main


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two runs, the second with the higher returns."""
    made, place = [], tmp_path_factory.mktemp("runs")
    for seed, level in ((0, 100.0), (1, 400.0)):
        folder = RunFolder.create(place, small_trainer(seed))
        for i in range(1, 11):
            row = {"iteration": i, "env_steps": 100 * i, "mean_return": 7.0}
            row |= {name: numbers[i - 1] for name, numbers in PERFECT.items()}
            folder.append("progress.csv", [{**row, "greedy_return": level if i == 5 else np.nan}])
            episode = {"return": level, "began": 100 * i - 60, "ended": 100 * i, "length": 9}
            folder.append("episodes.csv", [episode])
        made.append(folder)
    return made


# Ten updates of a run that is perfect from the sixth on: targets hardly vary, steps shrink to 0.
PERFECT = {
    "entropy": np.linspace(0.69, 0.3, 10),
    "approx_kl": 0.01 * np.linspace(1, 0.01, 10) ** 2,
    "learning_rate": vpg.Config().learning_rate * np.linspace(1, 0.01, 10),
    "clip_range": np.linspace(0.2, 0.002, 10),
    "clip_fraction": np.full(10, 0.2),
    "dead_fraction": np.full(10, 0.1),
    "explained_variance": np.array([0, 0.3, 0.9, 0.99, 0.95, -0.3, -5, np.nan, -0.1, -2]),
    "value_loss": np.array([50, 40, 10, 2, 8, 0.01, 0.01, 0, 0.01, 0.02]),
    "policy_grad_norm": np.linspace(0.1, 0.3, 10),
    "value_grad_norm": np.linspace(16, 0, 10),
}


def panels(**changes):
    """The instruments of PERFECT, or those of numbers that are changed: the axes by title."""
    progress = {"env_steps": 100 * np.arange(1, 11), **PERFECT, **changes}
    by_title = {}
    with drawing(8, 4) as figure:
        for each in curves.INSTRUMENTS:
            if not changes or not changes.keys().isdisjoint(each.keys):
                axes = by_title[each.title] = figure.add_subplot()
                curves.draw_instrument(axes, progress, each, vpg.Config().learning_rate, LIGHT.vpg)
    return by_title


def vivid(axes):
    """The numbers of the first line that is not pale; a nan is a gap."""
    return next(line for line in axes.lines if line.get_alpha() is None).get_ydata()


def inside(axes):
    """Does the first line lie in the band that is drawn behind it, wherever it is vivid?"""
    (band,) = axes.collections
    steps, numbers = axes.lines[0].get_xdata(), vivid(axes)
    known = np.isfinite(numbers)
    points = np.column_stack([steps, numbers])[known]
    return [any(path.contains_point(p, radius=1e-9) for path in band.get_paths()) for p in points]


def words(axes):
    return " ".join(text.get_text() for text in axes.texts)


def test_learning_curve(folders, drawn):
    learning_curve(folders[1])
    episodes, line, circles, _ = drawn[0].axes[0].lines
    # the line is at the episodes' level; the mean of the last 100, 7, is nowhere
    assert set(episodes.get_ydata()) == set(line.get_ydata()) == {400}
    assert circles.get_xydata().tolist() == [[500, 400]]


def test_the_panels_of_a_perfect_run_are_well():
    axes = panels()
    explained = axes["explained variance"]
    # what stopped meaning anything is pale, its band ends with it, and a word says why
    assert np.array_equal(vivid(explained)[:5], PERFECT["explained_variance"][:5])
    assert np.isnan(vivid(explained)[5:]).all()
    pale = next(line for line in explained.lines if line.get_alpha() is not None).get_ydata()
    assert np.array_equal(pale[5:], PERFECT["explained_variance"][5:], equal_nan=True)
    assert np.isnan(pale[:5]).all() and words(explained).endswith("pale: targets hardly vary")
    assert explained.collections[0].get_datalim(explained.transData).x1 == 500
    assert all(inside(explained)[1:])  # the first is 0, on the edge
    # the step size shrinks, and the least KL that is well with it
    assert all(inside(axes["approx. KL"])) and len(inside(axes["approx. KL"])) == 10
    assert all(inside(axes["rows clipped (dotted: dead)"]))
    assert words(axes["value's gradient"]) == "falls in the end"
    low, high = axes["entropy"].get_ylim()
    assert low == 0 and high == pytest.approx(1.05 * 0.69)


def test_every_number_is_drawn_as_it_was_measured():
    for instrument, axes in zip(curves.INSTRUMENTS, panels().values(), strict=True):
        vivid_lines = [line for line in axes.lines if line.get_alpha() is None]
        pale_lines = [line for line in axes.lines if line.get_alpha() is not None]
        for key, strong, weak in zip(instrument.keys, vivid_lines, pale_lines, strict=False):
            drawn = np.where(np.isnan(strong.get_ydata()), weak.get_ydata(), strong.get_ydata())
            assert np.array_equal(drawn, PERFECT[key], equal_nan=True)


def test_the_panels_of_an_ill_run_are_not():
    small = panels(approx_kl=np.full(10, 1e-7))["approx. KL"]
    large = panels(approx_kl=np.full(10, 3.0))["approx. KL"]
    assert not any(inside(small)[:5]) and not any(inside(large))
    # triangles: all of it is below the axis
    assert small.lines[-1].get_marker() == "v" and len(small.lines[-1].get_xdata()) == 10
    assert large.lines[-1].get_marker() == "None" and large.get_ylim()[1] > 3
    # a value function that learns nothing stays vivid at 0, whatever the returns' scale
    still = np.full(10, -0.01)
    explained = panels(explained_variance=still, value_loss=np.full(10, 1e-9))["explained variance"]
    assert np.array_equal(vivid(explained), still) and words(explained) == "towards 1"
    assert not any(inside(explained))
    # one that is worse than a constant leaves the panel, and triangles say so
    worse = panels(explained_variance=np.full(10, -9.0), value_loss=np.full(10, 90.0))
    assert worse["explained variance"].lines[-1].get_marker() == "v"
    # a policy that was certain at once, and a Gaussian's negative entropy
    assert panels(entropy=np.full(10, 0.01))["entropy"].get_ylim() == (0, np.log(2))
    assert panels(entropy=-np.arange(10.0))["entropy"].get_ylim()[0] == -1.05 * 9


@pytest.fixture
def drawn(monkeypatch):
    """The Figures that are drawn; no file is written."""
    figures = []
    monkeypatch.setattr(curves, "png", lambda figure, dots_per_inch: figures.append(figure))
    for name in ("write_whole", "replace_whole"):
        monkeypatch.setattr(curves, name, lambda path, data: None)
    return figures


@pytest.fixture
def laid_out(drawn, monkeypatch):
    """The same, when every text has its place."""

    def keep(figure, dots_per_inch):
        figure.draw_without_rendering()
        drawn.append(figure)

    monkeypatch.setattr(curves, "png", keep)
    return drawn


def test_clipped_rows_have_a_panel_only_where_there_is_a_clip(folders, drawn, monkeypatch):
    progress = folders[0].read("progress.csv")
    # nothing is clipped, but something could be; and a gradient of 0 is a finding
    zeros = {name: np.zeros(10) for name in ("clip_fraction", "dead_fraction", "policy_grad_norm")}
    unclipped = {name: column for name, column in progress.items() if name != "clip_range"}
    for columns in ({**progress, **zeros}, unclipped):
        files = {"progress.csv": columns, "episodes.csv": {}}
        monkeypatch.setattr(RunFolder, "read", lambda folder, name, files=files: files[name])
        learning_curve(folders[0])
    first, second = ([axes.get_title(loc="left") for axes in figure.axes[1:]] for figure in drawn)
    assert first == [instrument.title for instrument in curves.INSTRUMENTS]
    assert second == [name for name in first if name != "rows clipped (dotted: dead)"]


def seen(figure):
    """All texts of a Figure; marks outside an axis' sight are none."""
    unseen = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks() + axis.get_minor_ticks()
            unseen |= {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}
    texts = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in texts if text.get_text() and text not in unseen]


def overlaps(figure):
    """Texts of a Figure that lie over another, over a line, or past its edge."""
    flaws, boxes = [], [(t.get_text(), t.get_window_extent().padded(2, 0)) for t in seen(figure)]
    paths = []
    for axes in figure.axes:
        for line in axes.lines:
            path = line.get_transform().transform_path(line.get_path())
            paths.append(path.clip_to_bbox(axes.bbox) if line.get_clip_on() else path)
    for k, (words, box) in enumerate(boxes):
        if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.x1 or box.y1 > figure.bbox.y1:
            flaws.append(f"{words} past the edge")
        flaws += [f"{words} over {other}" for other, its in boxes[:k] if box.overlaps(its)]
        for path in paths:
            if len(path.vertices) and path.intersects_bbox(box, filled=False):
                flaws.append(f"{words} over a line")
    return flaws


def test_a_run_is_drawn_where_its_episodes_began(folders):
    with drawing(4, 4) as figure:
        axes = figure.subplots()
        about, progress = folders[0].about(), folders[0].read("progress.csv")
        curves.draw_run(axes, folders[0], about, progress, LIGHT.vpg)
        line, circles = axes.lines
        began = folders[0].read("episodes.csv")["began"]
        width = 1_000 / curves.WINDOWS
        assert (np.abs(line.get_xdata() - began[: len(line.get_xdata())]) <= width / 2).all()
        assert circles.get_xydata().tolist() == [[500, 100]]


@pytest.mark.slow
def test_nothing_is_written_over_anything_else(folders, laid_out, monkeypatch, rng):
    began = np.sort(rng.uniform(0, 900_000, 400))
    files = {
        "progress.csv": {**folders[0].read("progress.csv"), "env_steps": 90_000 * np.arange(1, 11)},
        # no place in the axes is free
        "episodes.csv": {"began": began, "return": rng.uniform(0, 500, 400), "length": [9]},
    }
    monkeypatch.setattr(RunFolder, "read", lambda folder, name: files[name])
    learning_curve(folders[0])
    compare(folders[:1], None)
    compare(folders * 9, None)
    monkeypatch.setattr(curves, "names", lambda folders, abouts: ["PPO, gamma 0.99" * 20] * 2)
    compare(folders, None)
    assert [overlaps(figure) for figure in laid_out] == [[]] * 4


def test_compare_draws_every_run_at_its_height(folders, drawn):
    compare(folders, None)
    (axes,) = drawn[0].axes
    lines = {line.get_label(): line for line in axes.lines}
    for name, level, hue in (("seed 0", 100, LIGHT.vpg), ("seed 1", 400, LIGHT.others[0])):
        line = lines[f"VPG, {name}"]
        assert set(line.get_ydata()) == {level} and line.get_color() == hue


def test_runs_that_share_a_hue_have_other_dashes_and_the_unnamed_are_grey(folders, drawn):
    compare(folders * 9, None)
    (figure,) = drawn
    lines = figure.axes[0].lines[0:-1:2]
    styles = [(line.get_color(), line.get_linestyle(), line._dash_pattern[1]) for line in lines]
    assert len(styles) == 18 and len(set(map(str, styles[:16]))) == 16
    assert {colour for colour, *_ in styles[16:]} == {LIGHT.soft}
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 16 and "grey: 2 more" in legend.get_title().get_text()


def test_names_say_what_tells_runs_apart(folders):
    first, second = (folder.about() for folder in folders)
    changed = {**first, "config": {**first["config"], "gamma": 0.9}}
    for abouts, names in (
        ((first, second), ["VPG, seed 0", "VPG, seed 1"]),
        ((first, changed), ["VPG, gamma 0.99", "VPG, gamma 0.9"]),
        ((first, {**second, "algorithm": "ppo"}), ["VPG", "PPO"]),
        ((first, first), [f"VPG, {folders[0].path.name}"] * 2),
    ):
        assert curves.names([folders[0]] * 2, abouts) == names


@pytest.mark.slow
def test_a_name_is_drawn_as_it_stands(folders, laid_out, monkeypatch):
    """Of an environment, and of a folder whose run has a twin: it is no formula."""
    name = "a$\\frac$_$x$\\$$\udcff\x1b[2J"
    about = RunFolder.about
    monkeypatch.setattr(RunFolder, "about", lambda folder: {**about(folder), "env_id": name})
    monkeypatch.setattr(curves, "names", lambda folders, abouts: [f"VPG, {name}"] * 2)
    compare([folders[0]] * 2, None)
    learning_curve(folders[0])
    texts = [text.get_text() for figure in laid_out for text in figure.findobj(Text)]
    shown = "".join(c if c.isprintable() else "?" for c in name).replace("$", r"\$")
    assert texts.count(shown) == 1  # compare's title
    assert texts.count(f"VPG, {shown}") == 2
    assert f"VPG on {shown}, seed 0" in texts


@pytest.mark.slow
def test_compare_needs_neither_the_user_s_backend_nor_settings(folders, tmp_path):
    """On the command line, in a process of its own: matplotlib reads both when it is imported."""
    settings = (
        "text.usetex: True\nfigure.dpi: 3\nbackend: module://matplotlib_inline.backend_inline\n"
    )
    (tmp_path / "matplotlibrc").write_text(settings, encoding="utf-8")
    out = tmp_path / "new" / "comparison.png"  # its folder is made
    done = run(
        "compare", *(str(folder.path) for folder in folders), "--out", str(out),
        env={**os.environ, "MPLBACKEND": "nonsense", "MATPLOTLIBRC": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"drawn: {out}\n"), done.stderr
    with Image.open(out) as picture:
        assert picture.size == (960, 528)


def test_compare_says_which_run_is_not_there(folders, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(folders[0].path), str(tmp_path / "nowhere")])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1
    assert "nowhere/config.json does not exist" in said


def test_compare_refuses_different_environments(folders, tmp_path):
    other = Path(shutil.copytree(folders[1].path, tmp_path / "other"))
    config = (other / "config.json").read_text(encoding="utf-8")
    config = config.replace("CartPole-v1", "Acrobot-v1")
    (other / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ValueError, match="different environments: Acrobot-v1, CartPole-v1"):
        compare([folders[0], RunFolder(other)], tmp_path / "comparison.png")
