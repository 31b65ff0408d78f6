"""The service of the lab, on the client: it acknowledges numbered lines, and none of them may be lost.

    python -I -S service.py FOLDER ACKS

Each line is appended to a segment in FOLDER, which lies in the NFS mount, and synced; only then is it acknowledged, by
`NUMBER TOKEN` in ACKS, which is in the client's memory. What is refused is noted as `! NUMBER ERRNO` and tried again. It runs
in the lab's guest, where there is nothing of howdah.
"""

import os
import select
import sys

SEGMENT = 12  # lines after which a new segment begins
PAUSE = 0.08  # seconds between two lines
RETRY = 0.2


def store(folder: str, number: int, line: bytes) -> None:
    """Makes the line durable in its segment, which may be a new file. Raises OSError."""
    path = os.path.join(folder, f"segment-{number // SEGMENT}")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        written = 0
        while written < len(line):
            written += os.write(fd, line[written:])
        os.fsync(fd)
    finally:
        os.close(fd)


def main() -> None:
    folder = sys.argv[1]
    acks = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    number = 1
    while True:
        token = os.urandom(12).hex()
        try:
            store(folder, number, f"{number} {token}\n".encode())
        except OSError as error:
            os.write(acks, f"! {number} {error.errno}\n".encode())
            select.select([], [], [], RETRY)
            continue
        os.write(acks, f"{number} {token}\n".encode())
        number += 1
        select.select([], [], [], PAUSE)


if __name__ == "__main__":
    main()
