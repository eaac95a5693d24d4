"""How a function is asked: its own copy of a case, what it gives, and what it must leave alone."""

import contextlib
import copy
import inspect
from typing import NamedTuple

import numpy as np

from lab.practice.diagnosis import layers

STEPS = "nn.Adam.step", "one_page.Network.step"  # asked several times; they change what they get
BY_EFFECT: dict = {}  # path -> how else it is asked: (blank, function, arguments) -> outputs
NEW = ("advantages.normalize",)  # promises a new array, even where it changes nothing
READ_ONLY = "read-only"  # numpy's word for an array that must not be changed


STEPPED = "the line below the blank takes the step"


class Raised(NamedTuple):
    """An exception that a function raised, put into words within the function's time."""

    text: str  # type and message
    diagnosis: str  # with the line of the reader's file

    @property
    def is_told(self):
        """Is it no exception of theirs?"""
        return self.text.startswith("Told:")


class Told(ValueError):
    """What is wrong, in words, though nothing of the reader's raised."""


class Changes(Told):
    """A function changes what it must leave alone: the message says what."""


def outputs(blank):
    """The names of what is compared, a list."""
    return [*blank.returns, "t"] if blank.path in STEPS else [*blank.returns]


def ask(blank, function, given, owner=None):
    """Call a function with its own copy of these arguments -> its outputs, a tuple of arrays.

    owner  the reader's class, if it is a method: it may call others of theirs

    Raises whatever it raises, Changes when it changes what it was given, and ValueError when it
    returns another number of things.
    """
    try:
        return call(blank, function, copied(given, owner), frozen=True)
    except ValueError as error:
        if READ_ONLY not in str(error):
            raise
        try:  # which one: where everything can be changed, one can look
            call(blank, function, copied(given, owner), frozen=False)
        except Changes as changes:
            raise changes.with_traceback(error.__traceback__) from None
        except Exception:
            pass
        which = "`gradient`" if blank.path in STEPS else "one of its arguments"
        words = f"it changes {which}; work on a copy"
        raise Changes(words).with_traceback(error.__traceback__) from None


def copied(given, owner=None):
    arguments = copy.deepcopy(given)
    for network in (arguments.get("self"), *(one for one, _ in arguments.get("others", ()))):
        if hasattr(network, "b1"):  # a copy's layers would be arrays of their own
            page_views(network, network.parameters, *network.W1.shape)
    if owner is not None:
        others = [pair[0] for pair in arguments.get("others", ())]
        for value in [*arguments.values(), *others]:
            if type(value).__name__ == owner.__name__:
                value.__class__ = owner
    return arguments


def page_views(network, parameters, inputs, hidden):
    """Sets a page's network's parameters, and the layers as views of them."""
    outputs = (len(parameters) - (inputs + 1) * hidden) // (hidden + 1)
    network.parameters = parameters
    sizes = np.cumsum([inputs * hidden, hidden, hidden * outputs])
    W1, network.b1, W2, network.b2 = np.split(parameters, sizes)
    network.W1, network.W2 = W1.reshape(inputs, hidden), W2.reshape(hidden, outputs)
    return network


def call(blank, function, arguments, frozen):
    """Call with these very arguments; frozen: arrays are read-only, so that its own line raises."""
    if blank.path in STEPS:
        return steps(blank, function, arguments)
    if blank.path in BY_EFFECT:
        return BY_EFFECT[blank.path](blank, function, arguments)
    may_change = blank.lines.own.split() if blank.lines else ()
    if blank.path == "nn.clip_global_norm":
        may_change = ("gradient",)
    kept = {name: value for name, value in arguments.items() if name not in may_change}
    before = copy.deepcopy(kept)
    if frozen:
        for array in arrays_in(kept):
            array.flags.writeable = False
    # A method's `self` has its own name in the reader's code, or none.
    given, arguments = arguments, dict(arguments)
    own = [arguments.pop("self")] if "self" in arguments else []
    stays = blank.lines.stays if blank.lines else ""
    start = copy.deepcopy(arguments.get(stays))
    with sized(function, given):
        answer, after = reached(blank, function(*own, **arguments))
    for name, value in kept.items():
        what = changed(name, before[name], value)
        if what:
            raise Changes(f"it changes `{what}`; {STEPPED if what == stays else 'work on a copy'}")
    if stays and not unmoved(stays, start, after):
        raise Changes(f"it changes `{stays}`; {STEPPED}")
    if blank.path in NEW and any(answer is value for value in arrays_in(kept)):
        raise Told("it hands back its argument itself; a new array is promised")
    if blank.path == "nn.clip_global_norm":
        if answer is None:
            raise ValueError("it returns nothing")
        answer = answer, arguments["gradient"]
    return tidy(blank, answer)


@contextlib.contextmanager
def sized(function, given):
    """While it is called, a page's constant for a width is that of this case."""
    names, widths = getattr(inspect.unwrap(function), "__globals__", {}), {}
    if hasattr(given.get("self"), "b1"):
        widths["HIDDEN"] = len(given["self"].b1)
    elif {*given} == {"dy", "y", "r"}:  # of a page's norm
        widths["D"] = given["y"].shape[1]
    kept = {name: names[name] for name in widths if name in names}
    names.update({name: widths[name] for name in kept})
    try:
        yield
    finally:
        names.update(kept)


def reached(blank, answer):
    """What the end of a function gives -> its answer, and what should stay as it was."""
    if not blank.lines:
        return answer, None
    if not isinstance(answer, tuple) or len(answer) != 3 or answer[2] is not ...:
        raise Told("it ends the function; lines of it follow below the blank")
    return answer[:2]


def unmoved(name, before, after):
    """Is it as it was? Of logits the same may be taken off each."""
    gap = np.asarray(after) - before
    size = 4 * np.finfo(gap.dtype).eps * (1 + np.abs(before).max())
    return np.allclose(gap, gap.mean() if name == "logits" else 0, rtol=0, atol=size)


def tidy(blank, answer):
    """What a function returned as a tuple of arrays, as many as there should be."""
    if answer is None:
        raise ValueError("it returns nothing")
    wanted = ", ".join(blank.returns)
    if len(blank.returns) == 1:
        answer = (answer,)
    if not isinstance(answer, (tuple, list)) or len(answer) != len(blank.returns):
        number = len(answer) if isinstance(answer, (tuple, list)) else 1
        raise ValueError(f"it returns {number} thing{'s' * (number != 1)}, not ({wanted})")
    for name, part in zip(blank.returns, answer, strict=True):
        if isinstance(part, tuple) and len(blank.returns) == 1:
            raise ValueError(f"it returns {len(part)} things, not ({wanted})")
        if isinstance(part, (tuple, list)):
            kind = type(part).__name__
            raise Told(f"{name} is a {kind}; a numpy array is asked for: np.array(…)")
    answer = tuple(np.asarray(part) for part in answer)
    for name, part in zip(blank.returns, answer, strict=True):
        if part.dtype.kind not in "biuf":
            raise ValueError(f"what it returns as {name} is no number: {part.dtype}")
    return answer


def steps(blank, function, arguments):
    """An optimiser's steps, of several in turn: what became of all that it moves."""
    if "self" in arguments:  # a page's network is its own optimiser
        pairs = [(arguments["self"], None), *arguments.get("others", ())]
    else:
        pairs = [(arguments["adam"], arguments["parameters"]), *arguments.get("others", ())]
    for k, gradient in enumerate(arguments["gradients"]):
        for i, (adam, parameters) in enumerate(pairs):
            own = gradient[::-1].copy() if i else gradient.copy()
            own.flags.writeable = parameters is None  # a page's is used up
            if parameters is None:
                with sized(function, {"self": adam}):
                    function(adam, own, arguments["step_size"])
                own = np.concatenate([layer.ravel() for layer in layers(adam).values()])
                if not np.array_equal(own, adam.parameters, equal_nan=True):
                    words = "W1, b1, W2, b2 are views of `parameters`, and now they differ from it"
                    raise Told(f"{words}: change it in place (-=)")
            else:
                adam.learning_rate = arguments.get("rates", [adam.learning_rate] * 9)[k]
                function(adam, parameters, own)
    moved = [adam.parameters if parameters is None else parameters for adam, parameters in pairs]
    columns = [moved, *([getattr(adam, name) for adam, _ in pairs] for name in ("m", "v", "t"))]
    return tuple(np.concatenate([np.atleast_1d(part) for part in column]) for column in columns)


def arrays_in(value):
    """Every array in a value that is a container, but not those of networks."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from arrays_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays_in(item)


def changed(name, before, after):
    """The name of what is no longer as it was, or None."""
    if isinstance(before, np.ndarray):
        same = isinstance(after, np.ndarray) and before.shape == after.shape
        return (
            None
            if same and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
            else name
        )
    if isinstance(before, (list, tuple)):
        if len(before) != len(after):
            return name
        names = [f".{field}" for field in getattr(before, "_fields", ())]
        names = names or [f"[{k}]" for k in range(len(before))]
        found = (
            changed(name + part, b, a) for part, b, a in zip(names, before, after, strict=True)
        )
        return next((what for what in found if what), None)
    if hasattr(before, "parameters"):  # a network: it may remember what it likes, but not learn
        return changed(f"{name}.parameters", before.parameters, after.parameters)
    return None


def once_more(blank, function, given, owner, close):
    """What is wrong with a second call, in words, or None: nothing may be kept in between."""
    if blank.path in BY_EFFECT:
        return None
    if blank.path in STEPS:
        calls = [call(blank, function, copied(given, owner), frozen=True) for _ in range(2)]
        if not all(map(close, *calls)):
            return "a second optimiser, given the same, moves otherwise: something is kept for both"
        return None
    if blank.path == "nn.clip_global_norm":
        calls = [call(blank, function, copied(given, owner), frozen=False) for _ in range(2)]
        calls.append(calls[1])
    else:
        own = copied(given, owner)
        first = call(blank, function, fresh(own), frozen=False)
        kept = copy.deepcopy(first)
        call(blank, function, {k: another(k, v) for k, v in fresh(own).items()}, frozen=False)
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, kept, strict=True)):
            return "a second call changes what the first one gave: both hand out the same array"
        calls = [kept, None, call(blank, function, fresh(own), frozen=False)]
    if not all(close(a, b, single=True) for a, b in zip(calls[0], calls[2], strict=True)):
        return (
            "called again with the same arguments it gives something else: "
            "it keeps something between calls"
        )
    return None


def another(name, value):
    """Other numbers of the same shape: messages three times as large, rows in reverse."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not value.ndim:
        return value
    return 3 * value if name.startswith("d") else value[::-1].copy()


def fresh(given):
    """Copies of arrays; networks stay the same."""
    return {k: v if hasattr(v, "parameters") else copy.deepcopy(v) for k, v in given.items()}
