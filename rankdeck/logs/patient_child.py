"""The process of a `Patient`: reads an expression and batches of lines, writes where they match.

All numbers are 64 bits: the length of the expression, the expression; then for each batch how many
lines, their lengths, the lines. The answer is begin and end of the first match in each, or -1.
A batch that takes too much CPU time ends the process, and so does waiting for long, or for nobody.
Needs nothing but the standard library.
"""

import re
import signal
import struct
import sys
from array import array


def main() -> None:
    """Answer until nobody asks."""
    source, answers = sys.stdin.buffer, sys.stdout.buffer
    seconds, idle = float(sys.argv[1]), float(sys.argv[2])
    # the kernel ends the process: Python itself does not come to handle a signal meanwhile
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, idle)
    (size,) = struct.unpack("<q", source.read(8))
    search = re.compile(source.read(size)).search
    while head := source.read(8):
        signal.setitimer(signal.ITIMER_REAL, 0)
        sizes = array("q")
        sizes.frombytes(source.read(8 * struct.unpack("<q", head)[0]))
        lines = [source.read(size) for size in sizes]
        signal.setitimer(signal.ITIMER_PROF, seconds)
        spans = array("q")
        for line in lines:
            match = search(line)
            spans.extend(match.span() if match else (-1, -1))
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(spans.tobytes())
        answers.flush()
        signal.setitimer(signal.ITIMER_REAL, idle)


if __name__ == "__main__":
    main()
