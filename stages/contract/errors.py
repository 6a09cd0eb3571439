"""Errors that a user can act on."""


class UserError(Exception):
    """Something the user can mend: shown as `error: message` and `hint: command`, never as a traceback.

    `code` is the exit code of the command that it ends.
    """

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class StoppedError(Exception):
    """The process was asked to end, by the signal `number`, and its state is committed: it ends here."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class ReplayedError(Exception):
    """The asked number of steps was repeated: the stage ends here, and its ledger is written."""


class HelpedError(Exception):
    """This process only helps another one, and there is nothing left to help with: it ends here, and publishes nothing."""
