"""Arguments and results as JSON, typed by what the function declares. Nothing is pickled: a store is data, not code."""

import inspect
from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Any, get_type_hints

from weft.jobs.errors import NotSerializable

try:
    import msgspec
except ImportError as missing:  # pragma: no cover - the extra is not installed
    raise ImportError("weft.jobs needs msgspec: run pip install 'weft[jobs]'") from missing

__all__ = ["Signature", "decode_json", "encode_json"]

_encoder = msgspec.json.Encoder()


def encode_json(value: Any) -> bytes:
    """JSON, also of dataclasses, `datetime`, `UUID`, `Decimal`, enums, bytes and msgspec's structs.

    Raises:
        TypeError: the value is none of these.
    """
    return _encoder.encode(value)


def decode_json(data: bytes, type_: Any = Any) -> Any:
    """The value, as the type has it.

    Raises:
        ValueError: it is no JSON, or not of the type.
    """
    return msgspec.json.decode(data, type=type_)


class Signature:
    """How the arguments of one function are stored, by name: a deploy may change their order. Immutable."""

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        self._signature = inspect.signature(fn)
        self._fn = fn
        self._name = name
        self._types: dict[str, Any] | None = None

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """The call's arguments as JSON, checked against what the function declares.

        Raises:
            TypeError: the function cannot be called like that.
            NotSerializable: JSON cannot carry an argument, or its type is not the declared one.
        """
        bound = self._signature.bind(*args, **kwargs)
        try:
            data = _encoder.encode(bound.arguments)
        except TypeError:
            raise NotSerializable(self._blame(bound.arguments)) from None
        self.decode(data)
        return data

    def decode(self, data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments for a call.

        Raises:
            NotSerializable: they are not those of this function, as it is declared now.
        """
        bound = self._signature.bind_partial()
        types = self._known_types()
        try:
            for name, value in msgspec.json.decode(data).items():
                if name not in self._signature.parameters:
                    raise NotSerializable(f"{self._name} takes no argument {name!r}: did another version store it?")
                wanted = types.get(name, Any)
                bound.arguments[name] = value if wanted is Any else msgspec.convert(value, wanted)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise NotSerializable(f"an argument of {self._name} is not what it declares: {error}") from error
        return bound.args, bound.kwargs

    @property
    def result_type(self) -> Any:
        """What the function declares to return."""
        return self._known_types().get("return", Any)

    def _known_types(self) -> dict[str, Any]:
        if self._types is None:
            try:
                hints = get_type_hints(self._fn)
            except Exception:  # noqa: BLE001 - a name that only type checkers see: then nothing is checked
                hints = {}
            for each in self._signature.parameters.values():
                if each.name in hints and each.kind is each.VAR_POSITIONAL:
                    hints[each.name] = GenericAlias(tuple, (hints[each.name], ...))
                elif each.name in hints and each.kind is each.VAR_KEYWORD:
                    hints[each.name] = GenericAlias(dict, (str, hints[each.name]))
            self._types = hints
        return self._types

    def _blame(self, arguments: Mapping[str, Any]) -> str:
        for name, value in arguments.items():
            try:
                _encoder.encode(value)
            except TypeError as error:
                return (
                    f"{self._name} cannot be stored with {name}={type(value).__name__}: {error}. Pass what JSON can "
                    "carry: an id, a path, numbers, text, lists, dataclasses"
                )
        return f"{self._name} cannot be stored with these arguments"
