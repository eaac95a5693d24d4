"""The ground floor: what every room leans on, and what knows none of them. Needs no numpy.

files       writing that appears whole or not at all, reading that is safe
interrupts  Ctrl-C and SIGTERM
command_line  bad input in one line, exit statuses
places      where the project is, and the lesson that is read
memory      kept when freed
progress    how far something is
looks       colours by meaning, light and dark; drawing without a display
saving      a figure as files, light and dark (numpy, matplotlib)
failures    what an environment does wrong, in one line (numpy)
"""

from lab.kit.files import (
    CannotWrite,
    flush,
    hold,
    new_folder,
    read_json,
    ready,
    regular,
    replace_whole,
    safe_name,
    write_json,
    write_whole,
    writing,
)
from lab.kit.interrupts import first_interrupt_waits, interrupts_raise
from lab.kit.looks import (
    DARK,
    LIGHT,
    drawing,
    falls_to_rises,
    hues,
    minus,
    on_map,
    plain,
    png,
    steps_axis,
)
from lab.kit.memory import keep_freed_memory
from lab.kit.places import PROJECT, lesson
from lab.kit.progress import Progress, sparkline
