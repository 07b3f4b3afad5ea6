"""A reporter that keeps what it is told."""

from __future__ import annotations

from brainbench.core.progress import Silent


class Told(Silent):
    """Keeps notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep one line."""
        self.notes.append(text)
