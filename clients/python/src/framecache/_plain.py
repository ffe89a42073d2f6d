"""Messages as plain dictionaries, by the contract's names."""

from __future__ import annotations

from typing import Any, Dict

from google.protobuf.message import Message


def plain(message: Message) -> Dict[str, Any]:
    """Every field; None where it is absent. Enum values are their lower-case words."""
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if hasattr(value, "append"):
        return [_value(field, item) for item in value]
    try:
        present = message.HasField(field.name)
    except ValueError:
        present = True
    return _value(field, value) if present else None


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        prefix = field.enum_type.values_by_number[0].name[: -len("UNSPECIFIED")]
        named = field.enum_type.values_by_number.get(value)
        return named.name[len(prefix):].lower() if named is not None else value
    return value
