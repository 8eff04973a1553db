"""Arguments and results as JSON, typed by what the function declares. Nothing is pickled: a store is data, not code."""

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
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
        ValueError: it is text that is no Unicode, or a number that is none.
        RecursionError: it is in itself.
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
        parameters = self._signature.parameters
        self._all_named = all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters.values())
        self._names = tuple(parameters)

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """The call's arguments as JSON, checked against what the function declares.

        Raises:
            TypeError: the function cannot be called like that.
            NotSerializable: JSON cannot carry an argument, or its type is not the declared one.
        """
        if self._all_named and not kwargs and len(args) == len(self._names):
            arguments = dict(zip(self._names, args, strict=True))  # `bind` costs as much as all the rest
        else:
            arguments = self._signature.bind(*args, **kwargs).arguments
        try:
            data = _encoder.encode(arguments)
        except (TypeError, ValueError, RecursionError):
            raise NotSerializable(self._blame(arguments)) from None
        self._read(data)
        return data

    def decode(self, data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments for a call.

        Raises:
            NotSerializable: they are not those of this function, as it is declared now.
        """
        found = self._read(data)
        given = {name: value for name in self._names if (value := getattr(found, name)) is not msgspec.UNSET}
        if self._all_named:
            return (), given
        bound = self._signature.bind_partial()
        bound.arguments.update(given)
        return bound.args, bound.kwargs

    @property
    def result_type(self) -> Any:
        """What the function declares to return."""
        return self._types.get("return", Any)

    def _read(self, data: bytes) -> Any:
        try:
            return self._decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise NotSerializable(f"the arguments of {self._name} are not those that it declares: {error}") from error

    @cached_property
    def _decoder(self) -> "msgspec.json.Decoder[Any]":
        fields = [(name, self._types.get(name, Any) | msgspec.UnsetType, msgspec.UNSET) for name in self._names]
        kind = msgspec.defstruct("Arguments", fields, forbid_unknown_fields=True)
        return msgspec.json.Decoder(kind)

    @cached_property
    def _types(self) -> dict[str, Any]:
        try:
            hints = get_type_hints(self._fn)
        except Exception:  # noqa: BLE001 - a name that only type checkers see: then nothing is checked
            return {}
        for each in self._signature.parameters.values():
            if each.name in hints and each.kind is each.VAR_POSITIONAL:
                hints[each.name] = GenericAlias(tuple, (hints[each.name], ...))
            elif each.name in hints and each.kind is each.VAR_KEYWORD:
                hints[each.name] = GenericAlias(dict, (str, hints[each.name]))
        return {name: hint for name, hint in hints.items() if _readable(hint)}

    def _blame(self, arguments: Mapping[str, Any]) -> str:
        for name, value in arguments.items():
            try:
                _encoder.encode(value)
            except (TypeError, ValueError, RecursionError) as error:
                return (
                    f"{self._name} cannot be stored with {name}={type(value).__name__}: {error}. Pass what JSON can "
                    "carry: an id, a path, numbers, text, lists, dataclasses"
                )
        return f"{self._name} cannot be stored with these arguments"


def _readable(hint: Any) -> bool:
    try:
        msgspec.json.Decoder(hint | msgspec.UnsetType)
    except TypeError:  # a type of the user's own that JSON has no form for: it is not checked
        return False
    return True
