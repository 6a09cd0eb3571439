"""Errors that a user can act on."""


class UserError(Exception):
    """Something the user can mend: shown as `error: message` and `hint: command`, never as a traceback."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ReplayedError(Exception):
    """The asked number of steps was repeated: the stage ends here, and its ledger is written."""
