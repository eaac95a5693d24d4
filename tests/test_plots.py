import numpy as np
import pytest
from PIL import Image
from test_records import small_trainer
from test_run import run

from lab.runs.curves import compare, learning_curve
from lab.runs.records import RunFolder


@pytest.fixture
def folders(tmp_path):
    """Two runs, the second with the higher returns."""
    made = []
    for seed, level in ((0, 100.0), (1, 400.0)):
        folder = RunFolder.create(tmp_path, small_trainer(seed))
        for i in range(1, 11):
            row = {"iteration": i, "env_steps": 100 * i, "mean_return": level}
            row |= {"entropy": 0.6, "explained_variance": 0.9, "approx_kl": 0.01}
            row |= {"clip_fraction": 0.2, "dead_fraction": 0.1}
            folder.append("progress.csv", [{**row, "greedy_return": level if i == 5 else np.nan}])
            folder.append(
                "episodes.csv", [{"began": 100 * i - 9, "ended": 100 * i, "return": level}]
            )
        made.append(folder)
    return made


def rows_of(picture, colour):
    """Rows of the picture (top is 0) in which that colour covers a good stretch."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    close = (np.abs(pixels - colour).sum(axis=2) < 60).sum(axis=1)
    return np.flatnonzero(close > 0.4 * pixels.shape[1])


BLUE, ORANGE = (0, 114, 178), (213, 94, 0)


def test_learning_curve(folders):
    for folder in folders:
        learning_curve(folder)
    pictures = [Image.open(folder / "learning_curve.png") for folder in folders]
    assert pictures[0].size == (960, 660)
    assert all(len(rows_of(picture, BLUE)) for picture in pictures)


def test_compare_draws_every_run_at_its_height(folders, tmp_path):
    compare(folders, tmp_path / "comparison.png")
    picture = Image.open(tmp_path / "comparison.png")
    low, high = rows_of(picture, BLUE), rows_of(picture, ORANGE)
    assert len(low) and len(high)
    assert high.mean() < low.mean()  # the better run lies above


def test_compare_on_the_command_line(folders, tmp_path):
    done = run("--compare", *(str(folder.path) for folder in folders), "--runs-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"drawn: {tmp_path / 'comparison.png'}\n"
    done = run("--compare", str(folders[0].path), str(tmp_path / "nowhere"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "nowhere/config.json does not exist" in done.stderr


def test_compare_refuses_different_environments(folders, tmp_path):
    config = (folders[1] / "config.json").read_text()
    (folders[1] / "config.json").write_text(config.replace("CartPole-v1", "Acrobot-v1"))
    with pytest.raises(ValueError, match="different environments: Acrobot-v1, CartPole-v1"):
        compare(folders, tmp_path / "comparison.png")
