"""The program, as `python -m brainbench`."""

from brainbench.cli.main import run

if __name__ == "__main__":
    run()
