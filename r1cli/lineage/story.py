"""One row's way to a checkpoint: where it stands, what it was made from, which steps took it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r1cli.lineage import rows, uses
from r1cli.lineage.rows import Place
from r1cli.lineage.snapshot import Checkpoint, Snapshot
from r1cli.lineage.uses import Use


@dataclass(frozen=True, kw_only=True)
class Story:
    """`before`: the rows that it was made from, nearest first. `used`: by trainings that led to the checkpoint."""

    id: str
    checkpoint: str
    places: Sequence[Place]
    content: Mapping[str, object]
    before: Sequence[tuple[Place, Mapping[str, object]]]
    used: Sequence[Use]

    def described(self) -> dict[str, object]:
        """For programs."""
        return {
            "row": self.id,
            "places": [vars(place) for place in self.places],
            "content": self.content,
            "made_from": [{**vars(place), "content": content} for place, content in self.before],
            "checkpoint": self.checkpoint,
            "used": [use.described() for use in self.used],
        }


def story(found: Snapshot, chosen: Checkpoint, wanted: str) -> Story:
    """The story of a row that an id, or the beginning of one, names.

    Raises:
        UserError: it names none or several.
    """
    places = rows.one(found, wanted)
    row_id = places[0].id
    made = rows.descendants(found, [row_id])
    return Story(
        id=row_id,
        checkpoint=chosen.path,
        places=places,
        content=rows.content(found, places[0]),
        before=rows.ancestors(found, places[0]),
        used=uses.uses(found, {row_id, *made["id"].to_list()}, found.upstream(chosen.artifact.name)),
    )
