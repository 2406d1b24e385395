"""What the daemon answers when it says no."""


class Refusal(Exception):
    """An error answer, with LXD's own words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
