"""The policy at work: in a window, or recorded.

session   an episode, step by step, with what the policy thinks
scene     what is drawn of it, on a canvas (Pillow); window and recorder show the same
window    the live window (pyglet)
recorder  GIF and MP4, without a display
"""

from lab.watch.session import ANGLES, VELOCITIES, Session, portrait
