"""How far something is: the one display of it, for runs, studies and figures; a sparkline."""

import math
import shutil
import sys
import time

BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-~=+*#"  # in any encoding


class Progress:
    """One live line in a terminal; plain lines, one for each tenth of the work, elsewhere.

    counted  what the live line counts, such as "{n:,.0f} steps" or "{n} of {total} seeds"
    total    how much work there is, `done` of it before this begins
    """

    def __init__(self, counted, total, done=0):
        self.total, self.tenth = total, max(total - done, 1) / 10
        self.next_line = done + self.tenth
        self.bar = self.end = None
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(
                total=total,
                initial=done,
                desc="?",  # the time left, until it is known
                ncols=min(79, shutil.get_terminal_size().columns - 1),
                leave=False,
                bar_format="{percentage:3.0f}% {bar} " + counted + " ETA {desc}{postfix}",
            )

    def show(self, done, note, line, left=None):
        """`done` of the work is done; `note` goes into the live line, `line` is a plain one.

        left  seconds that the rest will take, estimated anew and shown at once; between two
              estimates the clock runs down
        """
        if self.bar is not None:
            now = time.monotonic()
            self.end = self.end if left is None else now + left
            if self.end is not None:
                remaining = self.bar.format_interval(max(self.end - now, 0))
                self.bar.set_description_str(remaining, refresh=False)
            self.bar.set_postfix_str(note, refresh=False)
            displayed = self.bar.update(min(done, self.total) - self.bar.n)
            if left is not None and not displayed:
                self.bar.refresh()
        elif done >= min(self.next_line, self.total):
            while self.next_line <= done:
                self.next_line += self.tenth
            print(line, flush=True)

    def say(self, text):
        """Print a line that stays, above the live one."""
        print(text, flush=True) if self.bar is None else self.bar.write(text)

    def close(self):
        if self.bar is not None:
            self.bar.close()


def sparkline(values, encoding=None):
    """A row of bars, one a value (n,), from the lowest to the highest; a nan is a gap."""
    try:
        BARS.encode(encoding or sys.stdout.encoding or "ascii")
        bars = BARS
    except (UnicodeEncodeError, LookupError):
        bars = PLAIN_BARS
    known = [value for value in values if not math.isnan(value)]
    low, span = min(known), (max(known) - min(known)) or 1
    return "".join(
        " " if math.isnan(value) else bars[min(int(8 * (value - low) / span), 7)]
        for value in values
    )
