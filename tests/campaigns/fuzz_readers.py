"""Campaign: damaged files for every reader of files from outside.

    python tests/campaigns/fuzz_readers.py --inputs 10000

Each reader gets the same share of the inputs, each a valid file after a few mutations, drawn from a seed. An
error of the project is right, and so is a file that is read as before or, where it has no checksum, with
other values. Anything else is a fault: another exception, a crash, more time or memory than is allowed. Child
processes read, so that faults are counted and the campaign goes on. The exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

import numpy as np
from mutations import mutate, zip_bomb, zip_traversal
from readers import READERS, Reader

from brainbench.core.errors import BrainbenchError
from brainbench.storage import guarded

OWN, SAME, OTHER = "own error", "as before", "other values"
FOREIGN, CRASH, LATE = "foreign exception", "crash", "too late"
GUARDED = "stopped by the guard"
FAULTS = (FOREIGN, CRASH, LATE)
COLUMNS = (OWN, SAME, OTHER, GUARDED, *FAULTS)
SECONDS = 10.0  # for one input; a read takes a tenth of a second
BYTES = 2_000_000_000  # of memory, beside what the campaign has
_BATCH = 50
_GUARD_EVERY = 400  # inputs of a guarded reader of which one goes through the guard from the start


@dataclass
class Count:
    """What became of the inputs of one reader, and the first faults of each text."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def n_faults(self) -> int:
        return sum(self.outcomes[fault] for fault in FAULTS)


class Inputs:
    """Damaged copies of the valid files of a reader; input k depends on the seed and k alone."""

    def __init__(self, reader: Reader, folder: Path, seed: int) -> None:
        self.reader, self.seed = reader, seed
        self.valid, self.damaged = folder / "valid", folder / "damaged"
        self.valid.mkdir()
        os.environ["BRAINBENCH_DATA"] = str(folder / "kept")
        reader.make(self.valid)
        self.files = sorted(
            path.relative_to(self.valid)
            for path in self.valid.rglob(reader.pattern)
            if path.is_file()
        )
        self.expected = reader.read(self.valid)

    def prepare(self, k: int) -> Path:
        """Write input k and return its folder."""
        rng = np.random.default_rng([self.seed, k])
        shutil.rmtree(self.damaged, ignore_errors=True)
        shutil.copytree(self.valid, self.damaged)
        file = self.files[rng.integers(len(self.files))]
        change = mutate
        if self.reader.is_zip and k < 4:
            file = next(name for name in self.files if name.suffix in (".zip", ".npz"))
            change = zip_bomb if k == 0 else zip_traversal
        content = change((self.valid / file).read_bytes(), rng)
        (self.damaged / file).write_bytes(content)
        return self.damaged

    def outcome(self, k: int, read: Callable[[Path], str]) -> tuple[str, str]:
        """Read input k in this process; return what became of it and the text of a fault."""
        folder = self.prepare(k)
        try:
            got = read(folder)
        except BrainbenchError as error:
            return OWN, error.got
        except BaseException as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            return (
                FOREIGN,
                f"{type(error).__name__}: {error!s:.120} ({Path(at.filename).name}:{at.lineno})",
            )
        return (SAME if got == self.expected else OTHER), ""


def campaign(
    n: int, *, seed: int = 0, readers: Sequence[Reader] = READERS, seconds: float = SECONDS
) -> dict[str, Count]:
    """Give `n` inputs in all to the readers and return what became of them, by reader."""
    shares = {
        reader.name: n // len(readers) + (k < n % len(readers)) for k, reader in enumerate(readers)
    }
    counts = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_fast_folder()) as folder:
        for reader in readers:
            place = Path(folder) / reader.name
            place.mkdir()
            counts[reader.name] = _count(Inputs(reader, place, seed), shares[reader.name], seconds)
    return counts


def _count(inputs: Inputs, n: int, seconds: float) -> Count:
    count = Count()
    reader = inputs.reader
    k = 0
    while k < n:
        done = _in_child(inputs, range(k, min(n, k + _BATCH)), reader.read, seconds)
        for found in done:
            guard = reader.through_guard
            is_sample = k % _GUARD_EVERY == _GUARD_EVERY - 1
            outcome, text = found
            if guard and (found[0] in FAULTS or is_sample):
                (again,) = _in_child(inputs, range(k, k + 1), guard, 2 * seconds + 60)
                is_stopped = found[0] in FAULTS and again[0] == OWN
                outcome, text = (GUARDED, "") if is_stopped else again
            count.outcomes[outcome] += 1
            if outcome in FAULTS:
                count.faults.setdefault(f"{outcome}: {text}", k)
            k += 1
    return count


def _in_child(
    inputs: Inputs, numbers: range, read: Callable[[Path], str], seconds: float
) -> list[tuple[str, str]]:
    """Read some inputs in a child process; return their outcomes up to the first crash or delay."""
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child uses no thread
        child = os.fork()
    if not child:
        os.close(receive)
        _read_all(inputs, numbers, read, send)
    os.close(send)
    told, ready = b"", True
    while told.count(b"\n") < len(numbers):
        ready = bool(select.select([receive], [], [], seconds)[0])
        part = os.read(receive, 1 << 16) if ready else b""
        if not part:
            break
        told += part
    os.close(receive)
    done = [tuple(json.loads(line)) for line in told.splitlines()]
    if not ready:
        os.kill(child, signal.SIGKILL)
        done.append((LATE, f"more than {seconds:g} s"))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if len(done) < len(numbers) and ready:
        done.append((CRASH, f"exit status {status}"))
    return done


def _read_all(inputs: Inputs, numbers: range, read: Callable[[Path], str], send: int) -> None:
    """Write one line for each input and end the process."""
    try:
        faulthandler.disable()
        warnings.simplefilter("ignore")
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        guarded.SECONDS = SECONDS
        guarded.limit_memory(BYTES)
        for k in numbers:
            os.write(send, json.dumps(inputs.outcome(k, read)).encode() + b"\n")
    finally:
        os._exit(0)


def _fast_folder() -> str | None:
    memory = Path("/dev/shm")  # noqa: S108
    return str(memory) if os.access(memory, os.W_OK) else None


def table(counts: dict[str, Count]) -> str:
    """Return the counts as text, a row for each reader, and the faults below."""
    rows = [["reader", "inputs", *COLUMNS]]
    for name, count in counts.items():
        numbers = [count.outcomes.total(), *(count.outcomes[column] for column in COLUMNS)]
        rows.append([name, *map(str, numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    for name, count in counts.items():
        lines += [f"{name}, input {k}: {text}" for text, k in count.faults.items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", choices=[one.name for one in READERS])
    given = parser.parse_args()
    readers = [one for one in READERS if not given.reader or one.name in given.reader]
    started = time.perf_counter()
    counts = campaign(given.inputs, seed=given.seed, readers=readers)
    print(table(counts))
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return int(any(count.n_faults for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
