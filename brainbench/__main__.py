"""The program, as `python -m brainbench`."""

from brainbench.cli.main import run

run()
