"""Signatures that name every keyword."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Type, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def spelled_out(options: Type[Any]) -> Callable[[Function], Function]:
    """Shows a function's `**options: Unpack[…]` as the keywords that they are.

    Type checkers know them from the TypedDict; `help`, notebooks and `inspect` would see two stars.
    """
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_as_written(kind))
        for name, kind in options.__annotations__.items()
    ]

    def show(function: Function) -> Function:
        written = inspect.signature(function)
        named = [each for each in written.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        setattr(function, "__signature__", written.replace(parameters=[*named, *keywords]))  # noqa: B010
        return function

    return show


def _as_written(kind: Any) -> Any:
    return getattr(kind, "__forward_arg__", kind)
