"""What is said of a reader's function: right, or what is wrong with it, found by running it."""

import bdb
import contextlib
import itertools
import warnings

import numpy as np

from lab.practice.asking import STEPS, Raised, Told, ask, call, copied, once_more, outputs
from lab.practice.blanks import CHAPTERS, STEP, as_function, lesson_file, lesson_module, place
from lab.practice.cases import FREE, LARGE, NOT_LARGE, SINGLE, cases, settled, single, small_cases
from lab.practice.diagnosis import (
    Known,
    also,
    by_numbers,
    by_shape,
    case_words,
    close,
    counted,
    differing,
    is_or_are,
    listed,
    numbers_in,
    parts_of,
    seen,
    shown,
)
from lab.proof import faults

RIGHT, WRONG, ERROR = "right", "wrong", "error"
BUT_REFUSES = "its numbers are right; but the docstring promises a ValueError"
MOST = 6  # numbers of a case that is shown


def shipped(blank):
    """The lesson's own function, or its lines as one."""
    thing = lesson_module(blank.module)
    if blank.lines:
        return as_function(blank, place(blank)[1], vars(thing), str(lesson_file(blank.module)))
    for name in blank.name.split("."):
        thing = getattr(thing, name)
    return thing


def told(error):
    """An exception as a Raised without a file."""
    words = str(error) if isinstance(error, Told) else ""
    return Raised(f"{type(error).__name__}: {error}", words)


@np.errstate(all="ignore")
def outcomes(blank, function, made, owner=None, tell=told):
    """What a function makes of each Case: its outputs, or a Raised.

    owner  the reader's class, if it is a method
    tell   exception -> Raised
    """
    answers = []
    for case in made:
        try:
            if case.refused:
                answers.append(call(blank, function, copied(case.given, owner), frozen=False))
            else:
                answers.append(ask(blank, function, case.given, owner))
        except (NotImplementedError, bdb.BdbQuit):
            raise
        except Exception as error:
            answers.append(told(error) if case.refused else tell(error))
    return answers


@contextlib.contextmanager
def quiet():
    """No warning of numpy's: what is not finite is judged like any other number."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


class Judge:
    """Judges functions in the place of a blank, by the cases of a seed."""

    @quiet()
    def __init__(self, blank, seed):
        if blank.module == "gradient_check" or (blank.lines and blank.lines.inside != "train"):
            import lab.practice.updates  # noqa: F401  its cases, and Gymnasium, which others do without
        self.blank, self.seed, self.names = blank, seed, outputs(blank)
        self.remark = ""  # on what is right
        self.cases = cases(blank, seed)
        self.ours = shipped(blank)
        doubled = [
            case._replace(given=single(case.given, np.float64)) if is_single(case) else case
            for case in self.cases
        ]
        self.right = outcomes(blank, self.ours, doubled)
        self.asked = [k for k, case in enumerate(self.cases) if not case.refused]
        self.plain = [k for k in self.asked if self.cases[k].kind in ("", LARGE)]

    def agrees(self, answer, k, loose=False):
        """Is this the right answer to case k?"""
        case, right = self.cases[k], self.right[k]
        if isinstance(answer, Raised):
            return False
        short = any(part.dtype in (np.float32, np.float16) for part in answer)
        rough = (loose and short) or is_single(case)
        scale = case.scale
        if rough:  # what float32 rounds away is a share of what went in
            scale = (
                max([scale, *(float(np.max(np.abs(a))) for a in inputs(case.given))])
                if scale >= 1
                else scale
            )
        more = 10 if loose and not rough else 1  # another algebra may round a little more
        return all(close(a, r, rough, scale, more) for a, r in zip(answer, right, strict=True))

    @quiet()
    def verdict(self, function, owner=None, tell=told, answered=lambda: None):
        """-> status, diagnosis. Raises NotImplementedError if the function does.

        answered  called when all cases are answered: what follows is to find words
        """
        mine = outcomes(self.blank, function, self.cases, owner, tell)
        again = self.again(function, owner, tell)
        answered()
        if again and self.agrees(mine[0], 0):
            return again
        wrong = [k for k in self.asked if not self.agrees(mine[k], k)]
        if wrong:
            found = self.fault(mine)
            if found:
                return WRONG, found
            loose = [k for k in wrong if not self.agrees(mine[k], k, loose=True)]
            if loose:
                return self.diagnosis(mine, loose, function, owner)
        missing, others = [], []
        for case, answer in zip(self.cases, mine, strict=True):
            if case.refused and not isinstance(answer, Raised):
                missing.append(case.refused)
            elif case.refused and not refusal(answer.text):
                others.append(f"for {case.refused}, and there is {answer.text}")
        if not missing and not others:
            self.remark = self.precision(mine)
            return RIGHT, ""
        said = [f"for {', '.join(missing)}, and there is none"] * bool(missing) + others[:1]
        return WRONG, f"{BUT_REFUSES} {'; '.join(said)}"

    def precision(self, mine):
        """Which arrays come in another precision than the lesson's, in words; or ""."""
        if self.blank.chapter not in CHAPTERS:  # the pages promise no dtype
            return ""
        for kind, given, gives in ((SINGLE, "float32", "float64"), ("", "float64", "float32")):
            k = next((k for k in self.asked if self.cases[k].kind == kind), None)
            if k is None:
                continue
            (ours,) = outcomes(self.blank, self.ours, [self.cases[k]])
            others = [
                name
                for name, m, o in zip(self.names, mine[k], ours, strict=True)
                if m.ndim and (m.dtype, o.dtype) == (gives, given)
            ]
            if others:
                return f"for {given} it gives {listed(others)} in {gives}"
        return ""

    def again(self, function, owner, tell):
        """What is wrong with a second call: status, words; or None."""
        try:
            words = once_more(self.blank, function, self.cases[0].given, owner, close)
        except Exception as error:
            return ERROR, tell(error).diagnosis
        return words and (WRONG, words)

    # ------------------------------------------------------------------ what is wrong

    def faulty(self, *made):
        """What the shipped function with these Faults gives; None if they exchange the same."""
        exchanges = tuple(text for fault in made for text in (fault.old, fault.new))
        key = (self.blank.path, self.seed, exchanges)
        if key not in REMEMBERED:
            try:
                REMEMBERED[key] = outcomes(
                    self.blank, faults.edited(self.ours, *exchanges), self.cases
                )
            except ValueError:
                REMEMBERED[key] = None
        return REMEMBERED[key]

    def known(self):
        rows = [f for f in faults.FAULTS if f.function == self.blank.path and f.words]
        return [(fault, made) for fault in rows for made in [self.faulty(fault)] if made]

    def fault(self, mine):
        """The words of the one fault that gives these answers to all that is asked; or None."""
        for fault, made in self.known():
            alike = (same(mine[k], made[k], is_single(self.cases[k])) for k in self.asked)
            if all(alike) and self.evident(mine):
                return fault.words + self.rest(mine)
        return None

    def evident(self, mine):
        """Is there a number in it that tells? What is nowhere finite looks like anything else."""
        wrong = [k for k in self.plain if not self.agrees(mine[k], k)]
        return not wrong or any(
            isinstance(mine[k], Raised)
            or any(
                seen([m], [r]) or m.shape != r.shape
                for m, r in zip(mine[k], self.right[k], strict=True)
            )
            for k in wrong
        )

    def rest(self, mine):
        """Which outputs are right, if some are: what is added to a diagnosis."""
        return also(self.good(mine), "right")

    def good(self, mine):
        """The names of the outputs that are right in all cases."""
        return [
            name
            for j, name in enumerate(self.names)
            if all(
                not isinstance(mine[k], Raised)
                and close(mine[k][j], self.right[k][j], True, self.cases[k].scale)
                for k in self.asked
            )
        ]

    def diagnosis(self, mine, wrong, function, owner):
        """-> status, words."""
        misjudged = [k for k in wrong if not isinstance(mine[k], Raised)]
        if self.blank.module == "gradient_check" and misjudged:
            case, passes = self.cases[misjudged[0]], bool(mine[misjudged[0]][0])
            return WRONG, f"{'passes' if passes else 'refuses'} {case.kind or 'a right gradient'}"
        if len(misjudged) < len(wrong):
            return self.raised(mine, wrong)
        plain = [k for k in self.plain if k in wrong]
        if not any(not self.cases[k].kind for k in plain):  # right where nothing is special
            return WRONG, self.special(mine, wrong, function, owner)
        shaped = self.order(mine) or self.shapes(mine)
        if shaped:
            return WRONG, shaped
        told, left, right = self.explained(mine)
        words = [words for words, _ in told]
        unknown, alike = [], {}
        if self.blank.path in STEPS:  # what is moved last follows from the moments
            left.sort(key=lambda name: name == "parameters")
        for name in left:
            by = self.of_steps(name, mine) or by_numbers(name, *self.columns(mine, name))
            if by and by.startswith(f"{name} is "):
                alike.setdefault(by.removeprefix(f"{name} is "), []).append(name)
            else:
                (words if by else unknown).append(by or name)
        words += [f"{listed(names)} {is_or_are(names)} {by}" for by, names in alike.items()]
        if unknown:
            if words and self.names[-1] != "t":
                words.append(f"{listed(unknown)} {is_or_are(unknown)} wrong, too")
            else:
                words.append(self.example(unknown, function, owner))
        if right:
            words.append(f"{listed(right)} {is_or_are(right)} right")
        return WRONG, "; ".join(dict.fromkeys(words))

    def of_steps(self, name, mine):
        """What is told of an optimiser's t, and of an update's steps and statistics; else None."""
        if name not in ("t", "steps", "statistics"):
            return None
        j = self.names.index(name)
        k = next(k for k in self.plain if not close(mine[k][j], self.right[k][j]))
        theirs, right = mine[k][j], self.right[k][j]
        if name == "t":  # after the steps of this case
            return f"t, which counts the steps, is {int(theirs[0])} after {int(right[0])}"
        if name == "statistics":
            from lab.practice.updates import STATISTICS

            named = [
                n for n, *pair in zip(STATISTICS, theirs, right, strict=True) if not close(*pair)
            ]
            return f"of the statistics {listed(named)} {is_or_are(named)} wrong"
        return steps_words(theirs, right)

    def raised(self, mine, wrong):
        """It raises, in some cases or in all."""
        first = next(k for k in wrong if isinstance(mine[k], Raised))
        kind = self.cases[first].kind
        words = mine[first].diagnosis or mine[first].text
        plain = [k for k in self.asked if not self.cases[k].kind]
        if kind and not any(isinstance(mine[k], Raised) for k in plain):
            words += f" ({kind})"
        elif not kind and not all(isinstance(mine[k], Raised) for k in plain):
            words += f" (for {sizes_in(self.cases[first].given)})"
        if "boolean negative" in mine[first].text:  # numpy's advice would turn the mask round
            words += "; `~mask` is the other rows: for a minus sign, `mask * -x` or np.where"
        return WRONG if mine[first].is_told else ERROR, words

    def split(self, answers):
        """-> {name: arrays, one a plain case that has this part}, or None if one is no answer."""
        columns = {}
        for k in self.plain:
            if isinstance(answers[k], Raised):
                return None
            right = parts_of(self.names, self.cases[k].given, self.right[k])
            parts = parts_of(self.names, self.cases[k].given, answers[k])
            if parts.keys() != right.keys():
                return None
            for name, part in parts.items():
                columns.setdefault(name, []).append(part)
        return columns

    def columns(self, mine, name):
        """Of one part: the rows of each case that has it, theirs, the right ones."""
        sizes, theirs, right = [], [], []
        for k in self.plain:
            ours = parts_of(self.names, self.cases[k].given, self.right[k])
            if name in ours:
                sizes.append(rows(self.cases[k].given))
                right.append(ours[name])
                theirs.append(parts_of(self.names, self.cases[k].given, mine[k])[name])
        return sizes, theirs, right

    def order(self, mine):
        """Several outputs in another order than they should be, in words; or None."""
        several = self.blank.path not in STEPS and len(self.names) > 1
        orders = [*itertools.permutations(range(len(self.names)))] if several else []
        turned = [{k: [mine[k][j] for j in order] for k in self.plain} for order in orders]
        fit = [[shapes(t[k]) == shapes(self.right[k]) for k in self.plain] for t in turned]
        should = f"in another order: it should return ({', '.join(self.names)})"
        if any(all(self.agrees(t[k], k) for k in self.plain) for t in turned):
            return f"its results come {should}"
        if any(map(all, fit)) and not all(fit[0]):
            return f"by their shapes, its results come {should}"
        return None

    def shapes(self, mine):
        for j, name in enumerate(self.names):
            words = by_shape(
                name, [mine[k][j] for k in self.plain], [self.right[k][j] for k in self.plain]
            )
            if words:
                good = self.good(mine)
                wrong = [other for other in self.names if other not in (name, *good)]
                return words + also(good, "right") + also(wrong, "wrong, too")
        return None

    def explained(self, mine):
        """As Known.explained, and the names of the parts that are right."""
        right, theirs = self.split(self.right), self.split(mine)
        known = [(fault, self.split(made)) for fault, made in self.known()]
        known = [(fault, made) for fault, made in known if made]

        def combined(a, b):
            both = self.faulty(known[a][0], known[b][0])
            return self.split(both) if both else None

        found = Known(right, theirs, [(fault.words, made) for fault, made in known], combined)
        told, left = found.explained()
        return told, left, [name for name in right if name not in found.wrong]

    def special(self, mine, wrong, function, owner):
        """Right where nothing is special: what is, and one such case."""
        kinds = list(dict.fromkeys(self.cases[k].kind for k in wrong))
        for fault, made in self.known():
            hit = [k for k in self.asked if not self.agrees(made[k], k)]
            more = [k for k in wrong if k not in hit]
            if (
                hit
                and {*hit} <= {*wrong}
                and all(self.cases[k].kind in (LARGE, SINGLE) for k in more)
                and all(same(mine[k], made[k], True) for k in hit)
            ):
                return fault.words + self.rest(mine)
        k = next(k for k in wrong if self.cases[k].kind == kinds[0])
        words = self.show(self.cases[k].given, function, owner)
        said = f"right in {len(self.asked) - len(wrong)} of {len(self.asked)} cases; wrong in one"
        if len(kinds) == 1 and self.is_cause(self.cases[k], function, owner):
            said = "right otherwise; wrong"
        return f"{said} {kinds[0]}: {words}" if words else f"{said} {kinds[0]}"

    def is_cause(self, case, function, owner):
        """Is the same case right without what is special about it?"""
        given = case.given
        if case.kind == LARGE:
            given = {k: v for k, v in given.items() if k in FREE - NOT_LARGE}
            given = {
                k: [one / 60 for one in v] if isinstance(v, list) else v / 60
                for k, v in given.items()
            }
            return bool(given) and self.misses({**case.given, **given}, function, owner) is None
        plain = single(given, np.float64)
        return case.kind == SINGLE and self.misses(plain, function, owner) is None

    def example(self, names, function, owner):
        """A small case in which the first of these parts is wrong."""
        best, count = None, np.inf
        for tried, given in enumerate(small_cases(self.blank, self.seed)):
            if self.misses(given, function, owner, names[0]) is None:
                continue
            given = shown(given, FREE, self.alike(given, function, owner, names[0]), settle=settled)
            if numbers_in(given) < count:
                best, count = given, numbers_in(given)
            if count <= MOST or tried > 60:
                break
        if best is not None and count <= MOST + 3:
            words = case_words(best, *self.misses(best, function, owner, names[0]))
        else:
            words = self.one_number(names[0], function, owner)
        ignored = self.ignored(names[0], function, owner)
        if ignored:
            those = listed([f"`{name}`" for name in ignored])
            words = f"in the cases tried it does not depend on {those}; {words}"
        more = names[1:]
        tail = also(more, "wrong, too")
        return f"{names[0]}: {words}{tail}"

    def alike(self, given, function, owner, name):
        """Does theirs still miss in other arguments, and is it as finite as in these?"""

        def fails(others):
            missed = self.misses(others, function, owner, name)
            return missed is not None and np.isfinite(missed[1]).all() == finite

        finite = np.isfinite(self.misses(given, function, owner, name)[1]).all()
        return fails

    def ignored(self, name, function, owner):
        """The arguments that a part of the right answer depends on, and theirs does not."""
        if name == STEP:  # its length is taken off: what it depends on is not what a gradient does
            return []
        given = self.cases[self.plain[0]].given
        found = [k for k, v in given.items() if isinstance(v, float) or (k in FREE and np.any(v))]
        found = [key for key in found if isinstance(given[key], (float, np.ndarray))]
        tried = [(self.cases[k].given, k, way) for k in self.plain for way in range(4)]
        return [
            key for key in found
            if all(self.ignores(g, key, k, way, name, function, owner) for g, k, way in tried)
        ]  # fmt: skip

    def ignores(self, given, key, k, way, name, function, owner):
        """Is theirs the same, and finite, when each number is another one, or has another sign?"""
        if not np.any(given[key]):
            return True  # nothing to change there
        rng, shape = np.random.default_rng([k, way]), np.shape(given[key])
        if isinstance(given[key], float):  # it may have to stay below 1
            own = given[key]
            larger = (1 + own) / 2 if own < 1 and key != "eps" else 30 * own
            changed = (0.001 * own, -own if key in FREE else 0.1 * own, 0.9 * own, larger)[way]
        else:
            changed = given[key] * rng.uniform(0.2, (2, 30)[way % 2], shape)
            if way > 1:
                changed = changed * rng.choice([-1, 1], shape)
        other, answers = settled({**given, key: changed}), []
        try:
            for which, of_class in ((self.ours, None), (function, owner)):
                pair = [ask(self.blank, which, g, of_class) for g in (given, other)]
                pair = [parts_of(self.names, given, answer)[name] for answer in pair]
                answers.append(close(*pair))
        except Exception:
            return False
        return answers[1] and np.isfinite(pair).all() and (not answers[0] or k > 0 or way > 0)

    def one_number(self, name, function, owner):
        """Where no case is small: how many numbers are wrong, and one of them."""
        for k in self.plain:
            missed = self.misses(self.cases[k].given, function, owner, name)
            if missed:
                name, mine, wanted = missed
                scale = max(1.0, float(np.max(np.abs(wanted), initial=0)))
                wrong = np.count_nonzero(~np.isclose(mine, wanted, rtol=0, atol=1e-10 * scale))
                some = np.argmax(np.abs(mine - wanted)) if np.ndim(wanted) else ()
                m, w = (np.ravel(a)[some] if np.ndim(a) else a for a in (mine, wanted))
                at = (
                    list(map(int, np.unravel_index(some, np.shape(wanted))))
                    if np.ndim(wanted)
                    else ""
                )
                some = f"{wrong} of {np.size(wanted)} numbers differ, " if np.ndim(wanted) else ""
                where = f"{name}{at}: " if at else ""
                yours, expected = differing(m, w)
                size = size_words(self.cases[k].given)
                return f"{some}{size}: {where}yours {yours}, expected {expected}"
        return "yours differs, expected another"

    def misses(self, given, function, owner, name=None):
        """-> a part's name, theirs, ours, in a case where they differ; None if they do not."""
        try:
            ours = ask(self.blank, self.ours, single(given, np.float64))
            theirs = ask(self.blank, function, given, owner)
            short = any(a.dtype == np.float32 for a in (*inputs(given), *theirs))
        except Exception:
            return None
        right = parts_of(self.names, given, ours)
        parts = parts_of(self.names, given, theirs)
        if parts.keys() != right.keys():
            return self.names[0], theirs[0], ours[0]
        for own in right if name is None else [name] * (name in right and name in parts):
            if not close(parts[own], right[own], single=short, more=10):
                return own, parts[own], right[own]
        return None

    def show(self, given, function, owner):
        missed = self.misses(given, function, owner)
        if missed is None:
            return ""
        if numbers_in(given) <= MOST:
            return case_words(given, *missed)
        name, mine, wanted = missed
        if name == "steps":
            return steps_words(mine, wanted)
        if np.shape(mine) == np.shape(wanted):
            gap = np.abs(np.asarray(mine, float) - wanted)
            k = np.unravel_index(np.argmax(np.where(np.isfinite(gap), gap, np.inf)), np.shape(gap))
            mine, wanted, name = (
                np.asarray(mine)[k],
                np.asarray(wanted)[k],
                f"{name}{list(map(int, k)) or ''}",
            )
            yours, expected = differing(mine, wanted)
            return f"{name}: yours {yours}, expected {expected}"
        return f"{name} has the shape {np.shape(mine)}, not {np.shape(wanted)}"


REMEMBERED: dict = {}  # what faults give, by blank, seed and exchanges


def refusal(text):
    return text.split(":")[0] in (
        "ValueError", "LinAlgError", "AxisError", "UnicodeDecodeError", "JSONDecodeError", "Changes"
    )  # fmt: skip


def is_single(case):
    return any(a.dtype == np.float32 for a in inputs(case.given))


def inputs(given):
    """The float arrays of a case, those of networks too."""
    for value in given.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
            yield value
        elif isinstance(value, (list, tuple)):
            yield from inputs(dict(enumerate(value)))
        elif isinstance(getattr(value, "parameters", None), np.ndarray):
            yield value.parameters


def same(mine, other, rough):
    """Do two answers agree, or fail alike?"""
    if isinstance(mine, Raised) or isinstance(other, Raised):
        return type(mine) is type(other) and mine.text == other.text
    return all(close(a, b, rough) for a, b in zip(mine, other, strict=True))


def shapes(answer):
    return [np.shape(part) for part in answer]


def rows(given):
    """N, the number of rows of a case, or of texts."""
    if "batch" in given:
        return len(given["batch"].obs)
    if "cache" in given:  # a network's inputs, or what a text's rows were made of
        return len(given["cache"][0])
    for name in ("i", "text"):
        if name in given:
            return len(given[name])
    found = [v for v in given.values() if isinstance(v, np.ndarray) and v.ndim]
    return len(found[0]) if found else 1


def steps_words(theirs, right):
    """How many steps an update takes, of the policy and of the value function, and should."""
    both = zip(("policy", "value function"), map(int, theirs), map(int, right), strict=True)
    return " and ".join(
        f"the {who} takes {counted(own)}, not {due}" for who, own, due in both if own != due
    )


def sizes_in(given):
    """The sizes of a case's first argument that has any."""
    for name, value in given.items():
        if isinstance(value, np.ndarray):
            return f"{name} {value.shape}"
        if hasattr(value, "obs"):
            return f"a {name} of {rows(given)} rows"
        if hasattr(value, "sizes"):
            return f"a network of sizes {value.sizes}"
    return ", ".join(f"{name} {value}" for name, value in given.items())


def size_words(given):
    """How large a case is, whose numbers are too many to be shown."""
    rollout = given.get("rollout")
    times = next((given[n] for n in ("rewards", "reward") if np.ndim(given.get(n))), None)
    if rollout is not None or (times is not None and "scale" not in given):
        T, *streams = np.shape(times if rollout is None else rollout.rewards)
        N = int(np.prod(streams))
        return f"in {T} step{'s' * (T != 1)} of {N} environment{'s' * (N != 1)}"
    return f"in a batch of {rows(given)}"
