"""Which arguments a user's callback takes."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

_VARARGS = 0x04  # inspect.CO_VARARGS; that module is slow to import, and few callbacks are anything but functions


def takes(callback: Callable[..., Any], count: int) -> bool:
    """Whether the callback can be called with `count` positional arguments; a callable without signature can."""
    bound = isinstance(callback, MethodType)
    function = callback.__func__ if isinstance(callback, MethodType) else callback
    if isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
        code = function.__code__
        most = code.co_argcount - bound
        least = most - len(function.__defaults__ or ())
        required = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
        return required == 0 and least <= count and (count <= most or bool(code.co_flags & _VARARGS))
    import inspect  # noqa: PLC0415 (see above)

    try:
        inspect.signature(callback).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def parameter_of_type(callback: Callable[..., Any], wanted: type[Any]) -> str | None:
    """The name of the first parameter that is annotated with exactly this type (not with its name), or None."""
    function = callback.__func__ if isinstance(callback, MethodType) else callback
    if isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
        annotations = function.__annotations__
    else:
        import inspect  # noqa: PLC0415 (see above)

        try:
            parameters = inspect.signature(callback).parameters
        except (TypeError, ValueError):
            return None
        annotations = {name: parameter.annotation for name, parameter in parameters.items()}
    return next((name for name, kind in annotations.items() if kind is wanted and name != "return"), None)
