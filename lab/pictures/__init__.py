"""The one look of all pictures, and the README's figures, drawn from shipped functions and runs.

looks       colours by meaning, light and dark; fonts; drawing without a display
figures     the list of the README's figures; drawing and saving them
runs        the training runs that several figures look at
explorer    the data of the page that trains
"""

from lab import doors

__getattr__ = doors(
    __name__,
    looks="DARK LIGHT Theme drawing falls_to_rises hues plain png steps_axis",
    figures="FIGURES draw_all save",
    explorer="write",
    ablations="draw_file",
)
