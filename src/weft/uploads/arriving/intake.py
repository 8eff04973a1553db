"""How much one request may bring."""

from dataclasses import dataclass, fields

from weft.errors import InvalidValue

__all__ = ["Intake"]


@dataclass(frozen=True, slots=True)
class Intake:
    """Bounds for receiving, checked while bytes arrive. Immutable.

    A request may hold `fields` times `field_size` bytes in memory, and one batch of a file: nothing else of it.

    Attributes:
        file_size: bytes of a file.
        smallest: bytes that a file has at least; 0 lets empty ones in.
        total: bytes of the request.
        files: in the request.
        fields: other fields of the form.
        field_size: bytes of such a field.
        seconds: from the first to the last byte, however slowly they come.
        spool: bytes that all uploads under way in this process have on the disk.
        per_user: uploads of one user under way in this process.

    Raises:
        InvalidValue: a bound that lets nothing through.
    """

    file_size: int = 25_000_000
    smallest: int = 1
    total: int = 100_000_000
    files: int = 20
    fields: int = 50
    field_size: int = 65_536
    seconds: float = 60.0
    spool: int = 4_000_000_000
    per_user: int = 4

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value < 0 or (value == 0 and each.name not in {"smallest", "fields", "field_size"}):
                raise InvalidValue(f"{each.name}={value} lets nothing through: write {each.name}=1 or more")
