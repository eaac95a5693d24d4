"""The policy at work: in a window, or recorded.

session   an episode, step by step, with what the policy thinks
scene     what is drawn of it, as shapes; window and recorder draw the same
window    the live window (pyglet)
recorder  GIF and MP4 (Pillow), without a display
"""

from lab import doors

__getattr__ = doors(
    __name__,
    session="ANGLES VELOCITIES CannotRender Session portrait",
    window="NoWindow play",
    recorder="PillowCanvas animation record",
    scene="",
)
