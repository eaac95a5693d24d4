"""For the tests of what is shown: two policies, and how to read a picture's pixels."""

import numpy as np
from PIL import ImageColor

from lab.kit import LIGHT
from lab.watch import scene
from policies import CategoricalPolicy

STAGE = (slice(scene.HEADER, scene.HEIGHT - scene.TRACE - 2 * scene.GAP), slice(0, 536))
ANGLES = (slice(scene.HEIGHT - scene.GAP - scene.TRACE, scene.HEIGHT), slice(0, 275))
SIDE = (slice(scene.HEADER, scene.HEIGHT), slice(scene.WIDTH - scene.SIDE, scene.WIDTH))


def balancing_policy(rng):
    """A linear policy that keeps CartPole's pole up for 500 steps."""
    policy = CategoricalPolicy(4, 2, (), rng)
    policy.network.layers[0][0][:] = np.outer([0.1, 0.5, 4.0, 1.0], [-1, 1])
    return policy


def falling_policy(rng):
    """Always to the left."""
    policy = CategoricalPolicy(4, 2, (), rng)
    policy.network.layers[0][0][:] = 0
    policy.network.layers[0][1][:] = 5, -5
    return policy


def mask(image, colour):
    """Which pixels of a picture (height, width, 3) have that colour, nearly: bool."""
    return (np.abs(np.asarray(image, int) - ImageColor.getrgb(colour)) < 12).all(axis=-1)


def lean(stage):
    """The pole's angle from upright in degrees, positive to the right, from its pixels."""
    rows, columns = np.nonzero(mask(stage, scene.POLE))
    return np.degrees(np.arctan(-np.polyfit(rows, columns, 1)[0]))


def bar_lengths(image):
    """The filled share of every row of bars, from the top, by the colours of their pixels."""
    side = image[SIDE][130 : 130 + 100]
    bars = (LIGHT.more, LIGHT.pale_more, LIGHT.less, LIGHT.pale_less)
    filled = sum(mask(side, colour).sum(1) for colour in bars)
    track = filled + mask(side, scene.PAGE)[:, : scene.SIDE - 16].sum(1)
    rows = np.flatnonzero(filled > 1)
    starts = [k for k, row in enumerate(rows) if k == 0 or rows[k - 1] != row - 1]
    return [filled[rows[k] + 2] / track[rows[k] + 2] for k in starts]


def contrast(first, second):
    """The contrast ratio of two colours "#rrggbb", as WCAG defines it."""
    shares = np.array([ImageColor.getrgb(first), ImageColor.getrgb(second)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    dark, light = np.sort(linear @ (0.2126, 0.7152, 0.0722))
    return (light + 0.05) / (dark + 0.05)
