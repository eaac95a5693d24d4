"""What sets an answer apart from the right one, in words that are true of this answer.

A fault of lab/proof/faults.py is named if an answer is what the function with this fault gives,
on all plain cases, whose numbers are drawn anew: then the two are one function there, in whatever
way they are written. That is asked of each output, and of each part of a network's gradient, by
itself. Two faults are named together only if each explains numbers that the other leaves right,
and undoing either leaves fewer that are wrong. What no fault explains is told by its numbers: a
sign, a factor, a transposed matrix, a shape, which row, or a small case.
"""

import itertools
import re

import numpy as np

# ------------------------------------------------------------------ words


def listed(names):
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def is_or_are(names):
    """The verb after listed(names): one name may be a plural, "policy's parameters"."""
    plural = len(names) > 1 or re.search("^(?!d).*[^s]s$", names[0])
    return "are" if plural else "is"


def also(names, what):
    """What joins a diagnosis of names, which may be none."""
    return f"; {listed(names)} {is_or_are(names)} {what}" if names else ""


def counted(number):
    return f"{number} step" + ("s" if number != 1 else "")


# ------------------------------------------------------------------ outputs and parts


def parts_of(names, given, answer):
    """What is judged by itself: {name: array}. A network's gradient is W1, b1, W2, b2, …

    answer  the outputs, a tuple of arrays
    """
    network = given.get("self")
    if names == ["gradient"] and network is not None:
        own = layers(network)
        sizes = [array.size for array in own.values()]
        if answer[0].shape == (sum(sizes),):
            flat = np.split(answer[0], np.cumsum(sizes)[:-1])
            return {n: a.reshape(own[n].shape) for n, a in zip(own, flat, strict=True)}
    return dict(zip(names, answer, strict=True))


def layers(network):
    """A network's parameters, {name: array}, in the order in which its gradient has them."""
    if hasattr(network, "layers"):
        return {
            f"{a}{k}": w
            for k, pair in enumerate(network.layers, 1)
            for a, w in zip("Wb", pair, strict=True)
        }
    names = "W1 b1 W2 b2" if hasattr(network, "b1") else "We Wp Wq Wk Wv Wo W1 W2 Wu"
    return {name: getattr(network, name) for name in names.split()}


# ------------------------------------------------------------------ of one part


def by_shape(name, theirs, right):
    """What is wrong with one output's shape, in words, or None; arguments as of by_numbers."""
    if all(t.shape == r.T.shape and r.ndim == 2 and close(t, r.T) for t, r in pairs(theirs, right)):
        return f"{name} is transposed"
    if any(t.dtype == np.float16 for t in theirs):
        return f"{name} comes in float16, which keeps three digits"
    for t, r in pairs(theirs, right):
        if t.shape != r.shape:
            square = r.ndim == 1 and len(r) > 1 and t.shape == (len(r), len(r))
            hint = ": (N,1) beside (N,) broadcasts to (N,N)" if square else ""
            if not square and r.ndim and t.ndim and len(t) > 1:  # a tuple, made one array?
                stacked = all(u.shape == (len(t), *o.shape) for u, o in pairs(theirs, right))
                hint = f": {len(t)} of its shape, where one is asked for" if stacked else ""
            return f"{name} has the shape {t.shape}, not {r.shape}{hint}"
    return None


def by_numbers(name, sizes, theirs, right):
    """What sets one output apart from the right one, in words, or None.

    name   of the output; N is spoken of for a loss and for gradients alone
    sizes  rows of each case
    theirs, right  arrays, one a case, in pairs
    """
    told = [k for k, r in enumerate(right) if np.any(r)]
    sizes, theirs, right = ([column[k] for k in told] for column in (sizes, theirs, right))
    factors = [factor(t, r) for t, r in pairs(theirs, right)]
    if any(f is None for f in factors) or not factors:
        return by_rows_wrong(name, theirs, right)
    summed = name == "loss" or re.match("d(?!ead)|[Wb].", name)
    for wanted, words in (
        ([-1.0] * len(sizes), "−1 times the right one: a sign"),
        ([2.0] * len(sizes), "2 times the right one"),
        ([0.5] * len(sizes), "half the right one"),
        ([-0.5] * len(sizes), "−½ times the right one"),
        ([0.0] * len(sizes), "zero everywhere"),
        *(by_rows(sizes) if summed and len({*sizes}) > 1 else ()),
    ):
        if np.allclose(factors, wanted, rtol=1e-6, atol=1e-12):
            return f"{name} is {words}"
    if np.allclose(factors, 1, rtol=1e-3):  # no factor that anybody sees
        return None
    if len(factors) > 1 and np.allclose(factors, factors[0], rtol=1e-6):
        return f"{name} is {factors[0]:.4g} times the right one"
    return None


def by_rows(sizes):
    """Factors that grow with the number of rows, and what they say."""
    yield [float(n) for n in sizes], "N times too large: the 1/N is missing"
    yield [1.0 / n for n in sizes], "N times too small: the 1/N enters once, in the loss"
    yield [-float(n) for n in sizes], "−N times the right one: a sign, and the 1/N is missing"
    yield [-1.0 / n for n in sizes], "−1/N times the right one: a sign, and the 1/N enters twice"
    yield [2.0 * n for n in sizes], "2N times the right one"
    yield [0.5 / n for n in sizes], "the right one over 2N"


def by_rows_wrong(name, theirs, right):
    """Rows in reverse, or the one row that is wrong, in words; or None."""
    long = [(t, r) for t, r in pairs(theirs, right) if r.ndim and len(r) > 2]
    if len(long) < 2:
        return None
    if all(close(t, r[::-1]) for t, r in long):
        return f"{name} has its rows in reverse order"
    if all(close(t, np.abs(r)) for t, r in long) and any((r < 0).any() for _, r in long):
        return f"{name} has the right sizes, without their signs"
    wrong = [{k for k in range(len(r)) if not close(t[k], r[k])} for t, r in long]
    for index, words in ((0, "first"), (-1, "last")):
        if all(rows == {range(len(r))[index]} for rows, (_, r) in zip(wrong, long, strict=True)):
            return f"{name} is wrong in its {words} row alone"
    return None


def pairs(theirs, right):
    return zip(theirs, right, strict=True)


def factor(theirs, right):
    """The one number with which right, multiplied, is theirs; None if there is none."""
    if theirs.shape != right.shape or not np.isfinite(theirs).all() or not np.any(right):
        return None
    ratio = float(np.sum(theirs * right) / np.sum(right * right))
    return ratio if close(theirs, ratio * right) else None


def close(theirs, right, single=False, scale=1.0, more=1):
    """Are two arrays the same but for rounding, in theirs' precision or in single precision?

    scale  of the numbers that were rounded, if it may be larger or has to be smaller
    more   how many times as far apart they may be
    """
    theirs, right = np.asarray(theirs), np.asarray(right)
    if theirs.shape != right.shape:
        return False
    single = single or theirs.dtype in (np.float32, np.float16)
    finite = np.abs(right[np.isfinite(right)])
    scale = max(scale, float(finite.max())) if finite.size else scale
    size = (4e-6 if single else 1e-10) * scale * more
    return np.allclose(theirs, right, rtol=0, atol=size, equal_nan=True)


# ------------------------------------------------------------------ by the known faults


class Known:
    """What an answer and the functions with known faults give, on the same cases, by part.

    right, mine  {name: arrays, one a case that has this part}
    faults       [(words, {name: arrays})]
    combined     function(two indices of faults) -> {name: arrays}, or None
    """

    def __init__(self, right, mine, faults, combined):
        self.right, self.mine, self.faults, self.combined = right, mine, faults, combined
        self.wrong = [name for name in right if not alike(mine[name], right[name])]
        self.made = [
            {n for n in self.wrong if alike(made[n], mine[n]) and seen(mine[n], right[n])}
            for _, made in faults
        ]
        self.moved = [{n for n in right if not alike(made[n], right[n])} for _, made in faults]

    def explained(self):
        """-> [(words, names of the wrong parts they explain)], and the parts that are left.

        Wrong parts that are in neither follow from what is told.
        """
        told, left = [], [*self.wrong]
        while left:
            best = max(
                range(len(self.faults)),
                key=lambda k: (len(self.made[k] & {*left}), -len(self.moved[k])),
                default=None,
            )
            if best is None or not self.made[best] & {*left}:
                break
            told.append((best, [name for name in left if name in self.made[best]]))
            left = [name for name in left if name not in self.made[best]]
        told.sort(key=lambda one: self.wrong.index(one[1][0]))
        if len(told) > 1 or (
            told and left
        ):  # what follows from two at once, as θ does from m and v
            for a, b in itertools.combinations([k for k, _ in told], 2):
                both = self.combined(a, b)
                if both:
                    left = [name for name in left if not alike(both[name], self.mine[name])]
        if left and not told:
            pair = self.pair()
            if pair:
                words = "; and ".join(dict.fromkeys(self.faults[k][0] for k in pair))
                return [(words, self.wrong)], []
        return [(self.words(k, names), names) for k, names in told], left

    def words(self, k, names):
        """A fault's words, with names of outputs where it explains only some of them."""
        words = self.faults[k][0]
        partly = {*names} != self.moved[k] or len(names) < len(self.wrong)
        named = all(name in words for name in names) or words[:3] in ("∂/∂", "b₁:", "b₂:")
        if not partly or len(self.right) == 1 or named:
            return words
        return f"{listed(names)}: {words}"

    def pair(self):
        """Two faults that together make the answer, each with a share of its own, or None."""
        wrong = flat_wrong(self.mine, self.right)
        shares = []
        for k, (_, made) in enumerate(self.faults):
            its = flat_wrong(made, self.right)
            if its is not None and wrong is not None and its.shape == wrong.shape:
                same = ~flat_wrong(made, self.mine)
                shares.append((k, its, its & same & wrong))
        shares = [share for share in shares if share[2].any()]
        for (a, wrong_a, own_a), (b, wrong_b, own_b) in itertools.combinations(shares, 2):
            if not (own_a & ~wrong_b).any() or not (own_b & ~wrong_a).any():
                continue
            if wrong_a.sum() >= wrong.sum() or wrong_b.sum() >= wrong.sum():
                continue
            both = self.combined(a, b)
            if both and all(alike(both[name], self.mine[name]) for name in self.right):
                return a, b
        return None


def seen(mine, right):
    """Is there a wrong number? All that is not finite looks alike, and tells nothing."""
    return any(
        m.shape == r.shape and (np.isfinite(m) & ~np.isclose(m, r, rtol=0, atol=1e-9)).any()
        for m, r in pairs(mine, right)
    )


def alike(some, others):
    return all(close(a, b) for a, b in pairs(some, others))


def flat_wrong(some, others):
    """Which numbers of two answers differ, as one bool array; None if a shape differs."""
    found = []
    for name in others:
        for a, b in pairs(some[name], others[name]):
            a, b = np.asarray(a), np.asarray(b)
            if a.shape != b.shape:
                return None
            scale = max(1.0, float(np.max(np.abs(b[np.isfinite(b)]), initial=0)))
            found.append(~np.isclose(a, b, rtol=0, atol=1e-10 * scale, equal_nan=True).ravel())
    return np.concatenate(found)


# ------------------------------------------------------------------ a case to show


def shown(given, free, fails, budget=200, settle=lambda given: given):
    """A case with as few numbers as still fail: the others are zero.

    free    names of arguments that may be any number
    fails   function(arguments) -> bool
    settle  function(arguments), which makes anew what follows from others
    """
    given = {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in given.items()
    }
    for name in given:
        value = given[name]
        if (
            name in free
            and isinstance(value, np.ndarray)
            and value.dtype.kind == "f"
            and value.size < 20
        ):
            for index in np.ndindex(value.shape):
                kept, budget = value[index], budget - 1
                if kept and budget > 0:
                    value[index] = 0
                    if not fails(settle(given)):
                        value[index] = kept
                        settle(given)
    return given


def numbers_in(given):
    """How many numbers a case shows: those that are not zero, and the constants."""
    return sum(
        1 if np.ndim(v) == 0 else np.count_nonzero(v) for _, v in plain(given) if is_shown(v)
    )


def is_shown(value):
    return np.ndim(value) == 0 or np.any(value)


def case_words(given, name, mine, wanted):
    """A case that is wrong: what goes in, theirs, expected; of many numbers one that differs."""
    listed = [(key, value) for key, value in plain(given)]
    put = ", ".join(
        f"{key} {v!r}" if type(v) is float else f"{key} {number(v, 4)}"
        for key, v in listed
        if is_shown(v)
    )
    zero = [
        f"{key} {np.shape(v)} all 0" if np.size(v) > 1 else f"{key} 0"
        for key, v in listed
        if not is_shown(v)
    ]
    if zero:
        rest = "zeros for all else" if put else "zeros for all"
        said = ", ".join(zero) if len(zero) < 3 else rest
        put += f"{', ' if put else ''}{said}"
    many, (name, mine, wanted) = np.size(wanted) > 2, first_wrong(name, mine, wanted)
    yours, expected = differing(mine, wanted)
    return f"for {put}: {f'{name}: ' if many else ''}yours {yours}, expected {expected}"


def first_wrong(name, mine, wanted):
    mine, wanted = np.asarray(mine), np.asarray(wanted)
    if mine.shape != wanted.shape or wanted.size <= 2:
        return name, mine, wanted
    gap = np.abs(mine - wanted)
    gap[~np.isfinite(gap)] = np.inf
    index = np.unravel_index(np.argmax(gap), gap.shape)
    return f"{name}[{','.join(map(str, index))}]", mine[index], wanted[index]


def differing(mine, wanted):
    """Two arrays as texts, with as many digits as show a difference."""
    for digits in (4, 8, 16):
        yours, expected = number(mine, digits), number(wanted, digits)
        if yours != expected:
            return yours, expected
    return f"{np.asarray(mine):.17g}" if np.ndim(mine) == 0 else yours, expected


def plain(given):
    """What there is to show of a case: its numbers, and those of its objects."""
    for key, value in given.items():
        if hasattr(value, "_asdict"):
            yield from plain(value._asdict())
        elif isinstance(value, list) or (isinstance(value, tuple) and np.ndim(value[0])):
            yield from plain({f"{key}[{k}]": item for k, item in enumerate(value)})
        elif isinstance(value, (bool, int, float, tuple, np.ndarray)):
            yield key, value
        elif hasattr(value, "betas"):
            yield from ((key, getattr(value, key)) for key in ("learning_rate", "betas", "eps"))
        elif hasattr(value, "parameters"):
            yield from layers(value).items()


def number(value, digits):
    value = np.asarray(value)
    value = value + 0.0 if value.dtype.kind == "f" else value  # no -0.
    small = value.size and np.any(value) and np.abs(value).max() < 10.0 ** (1 - digits)
    text = np.array2string(value, precision=digits, suppress_small=not small, separator=" ")
    return " ".join(text.split())
