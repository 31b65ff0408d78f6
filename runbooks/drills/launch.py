"""A program of somebody else's in a lab, such as qemu: started as it is by `base.start`, which runs modules alone.

python -m runbooks.drills.launch PROGRAM ARGUMENT…
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    os.execvp(sys.argv[1], sys.argv[1:])
