"""The scripted engine, for tests: it says what it is told to, whatever the policy's weights are."""

from collections.abc import Callable, Mapping, Sequence

from stages.contract.engine import Completion, OnFinished

Script = Callable[[Sequence[int], int], Sequence[int]]
"""(a prompt's tokens, the draw's number) -> the completion's tokens, the end token included."""


class ScriptedEngine:
    """Answers from a function. A script is certain of its tokens, so each has log-probability 0.

    Temperature, top-p and seed change nothing; the length limit cuts completions off as any engine's does.
    """

    copies_weights = False

    def __init__(self, script: Script, *, end_id: int) -> None:
        self.script = script
        self.end_id = end_id

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        draws: int,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        on_finished: OnFinished | None = None,
        logps: bool = True,
    ) -> list[list[Completion]]:
        groups = [[self._completion(prompt, draw, max_new_tokens) for draw in range(draws)] for prompt in prompts]
        if on_finished:
            for place, group in enumerate(groups):
                for draw, completion in enumerate(group):
                    on_finished(place, draw, completion)
        return groups

    def renew(self) -> None: ...

    def _completion(self, prompt: Sequence[int], draw: int, limit: int) -> Completion:
        tokens = list(self.script(prompt, draw))[:limit]
        return Completion(tokens=tokens, logps=[0.0] * len(tokens), finished=tokens[-1:] == [self.end_id])


def from_table(table: Mapping[tuple[int, ...], Sequence[Sequence[int]]]) -> Script:
    """A script that looks a prompt up; its answers come in turn, again from the first when they run out.

    >>> script = from_table({(1, 2): [[5, 9], [6, 9]]})
    >>> [script([1, 2], draw) for draw in range(3)]
    [[5, 9], [6, 9], [5, 9]]
    """
    return lambda prompt, draw: table[tuple(prompt)][draw % len(table[tuple(prompt)])]
