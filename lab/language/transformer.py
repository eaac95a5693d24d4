"""Stair 10's functions, ladder/10_language.py, for whom no import statement can say that name."""

import importlib
from contextlib import contextmanager

stair = importlib.import_module("ladder.10_language")


@contextmanager
def sized(D, H, V=stair.V):
    """In this block a row has D numbers, H heads share them, and there are V characters.

    The functions alone follow: a Model's matrices are of SHAPES, which stay.
    """
    kept = {name: getattr(stair, name) for name in "DHCV"}
    vars(stair).update(D=D, H=H, C=D // H, V=V)
    try:
        yield
    finally:
        vars(stair).update(kept)
