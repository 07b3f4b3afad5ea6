"""A reporter that records the notes that users would see."""

from __future__ import annotations

from brainbench.core.progress import Silent


class RecordedNotes(Silent):
    """Reporter whose notes are kept in `notes`."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a note."""
        self.notes.append(text)
