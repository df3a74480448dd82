"""Dataclasses whose methods are written when they are asked for.

`dataclasses.dataclass` compiles six methods for each class when a module is imported. One command meets some
two hundred dataclasses and uses few methods of half of them: to compile them all was a third of the time that
``coexist check`` of a small site takes. What `dataclass` of this module makes is what the library makes, one
method at a time, and a constructor when more than a few objects are made.
"""

from __future__ import annotations

import dataclasses
import operator
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_ORDER = ("__lt__", "__le__", "__gt__", "__ge__")

if TYPE_CHECKING:
    # To a type checker it is the library's own.
    from dataclasses import dataclass
else:

    def dataclass(
        *,
        frozen: bool = False,
        slots: bool = False,
        kw_only: bool = False,
        eq: bool = True,
        order: bool = False,
    ) -> Callable[[type], type]:
        """Make a dataclass as `dataclasses.dataclass` does, with methods that are written at their first use.

        It cannot inherit from a frozen dataclass of the library, nor a frozen one of the library from it.
        """

        def made(cls: type) -> type:
            if cls.__doc__ is None:
                cls.__doc__ = cls.__name__  # else the library asks `inspect` for a signature to put there
            own = {name for name, value in vars(cls).items() if name != "__hash__" or value is not None}
            cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
            for name in _names(frozen=frozen, eq=eq, order=order):
                if name not in own:
                    setattr(cls, name, _Method(cls, name, frozen))
            if frozen:
                _freeze(cls, slots)
            elif eq and "__hash__" not in own:
                cls.__hash__ = None
            return cls

        return made


def _names(*, frozen: bool, eq: bool, order: bool) -> list[str]:
    """The methods that the library writes for such a class."""
    names = ["__init__", "__repr__"]
    if eq:
        names += ["__eq__", "__hash__"] if frozen else ["__eq__"]
    return [*names, *_ORDER] if order else names


class _Method:
    """The place of a method until it is asked for; from then on the class has the method itself.

    A constructor is asked for some times before it is worth compiling.
    """

    __slots__ = ("asked", "cls", "frozen", "name")

    def __init__(self, cls: type, name: str, frozen: bool) -> None:
        self.cls = cls
        self.name = name
        self.frozen = frozen
        self.asked = 0

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if self.name == "__init__" and instance is not None and self.asked < _FEW and _is_plain(self.cls):
            self.asked += 1
            return partial(self._construct, instance)
        method = _written(self.cls, self.name, self.frozen)
        setattr(self.cls, self.name, method)
        return method.__get__(instance, owner)

    def _construct(self, instance: Any, *values: Any, **named: Any) -> None:
        """Do what the constructor would; what does not fit is left to it, as it says why."""
        fields = dataclasses.fields(self.cls)
        given = dict(zip((field.name for field in fields if not field.kw_only), values, strict=False))
        if len(given) < len(values) or not given.keys().isdisjoint(named):
            return self._refuse(instance, *values, **named)
        given |= named
        set_value = object.__setattr__
        for field in fields:
            if field.name in given:
                value = given.pop(field.name)
            elif field.default is not dataclasses.MISSING:
                value = field.default
            elif field.default_factory is not dataclasses.MISSING:
                value = field.default_factory()
            else:
                return self._refuse(instance, *values, **named)
            set_value(instance, field.name, value)
        if given:
            return self._refuse(instance, *values, **named)
        if hasattr(self.cls, "__post_init__"):
            instance.__post_init__()
        return None

    def _refuse(self, instance: object, *values: Any, **named: Any) -> None:
        self.asked = _FEW
        self.__get__(instance)(*values, **named)


_FEW = 4
"""So many objects are made before their constructor is compiled, which takes as long as two dozen."""


def _is_plain(cls: Any) -> bool:
    """Whether every field is a parameter of the constructor, and every parameter a field."""
    return sum(field.init for field in dataclasses.fields(cls)) == len(cls.__dataclass_fields__)


def _written(cls: Any, name: str, frozen: bool) -> Any:
    """The method as the library writes it."""
    if name == "__init__" and _is_plain(cls):
        return _constructor(cls, frozen)
    if name == "__hash__":
        return _hash(cls)
    if name in _COMPARED:
        return _comparison(cls, name)
    fields = cls.__dataclass_fields__
    body = {field.name: field for field in fields.values()}
    body["__annotations__"] = {field.name: field.type for field in fields.values()}
    body |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    # A class that has the same fields and nothing else gets the method, and only that one.
    twin: Any = dataclasses.dataclass(
        init=name == "__init__",
        repr=name == "__repr__",
        eq=False,
        frozen=frozen,
    )(type(cls.__name__, (), body))
    return vars(twin)[name]


_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "__eq__": operator.eq,
    "__lt__": operator.lt,
    "__le__": operator.le,
    "__gt__": operator.gt,
    "__ge__": operator.ge,
}


def _comparison(cls: Any, name: str) -> Any:
    """What compares two objects of a class by their values."""
    values = _values([field.name for field in dataclasses.fields(cls) if field.compare])
    compared = _COMPARED[name]

    def method(self: Any, other: Any) -> Any:
        return compared(values(self), values(other)) if other.__class__ is self.__class__ else NotImplemented

    return _named(method, cls, name)


def _hash(cls: Any) -> Any:
    """What hashes an object of a class by its values."""
    fields = dataclasses.fields(cls)
    values = _values([f.name for f in fields if (f.compare if f.hash is None else f.hash)])

    def method(self: Any) -> int:
        return hash(values(self))

    return _named(method, cls, "__hash__")


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What gets these fields of an object; nothing is compiled for it."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


def _named(method: Any, cls: Any, name: str) -> Any:
    method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
    method.__module__ = cls.__module__
    return method


def _constructor(cls: Any, frozen: bool) -> Any:
    """``__init__`` of a class whose fields are all parameters.

    It is the method that is asked for most; for a frozen class the library would compile two more with it.
    """
    scope: dict[str, Any] = {"__unset__": dataclasses.MISSING, "__assign__": object.__setattr__}
    positional = ["self"]
    named: list[str] = []
    body: list[str] = []
    annotations: dict[str, Any] = {}
    for index, field in enumerate(dataclasses.fields(cls)):
        name = value = parameter = field.name
        if field.default is not dataclasses.MISSING:
            scope[f"__default_{index}__"] = field.default
            parameter = f"{name}=__default_{index}__"
        elif field.default_factory is not dataclasses.MISSING:
            scope[f"__make_{index}__"] = field.default_factory
            parameter = f"{name}=__unset__"
            value = f"__make_{index}__() if {name} is __unset__ else {name}"
        annotations[name] = field.type
        (named if field.kw_only else positional).append(parameter)
        body.append(f"__assign__(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join([*positional, *(["*", *named] if named else [])])
    source = f"def __init__({parameters}):\n  " + "\n  ".join(body or ["pass"])
    # As a closure, so that what its annotations name is looked up in the module of the class.
    whole = f"def enclose({', '.join(scope)}):\n {source.replace(chr(10), chr(10) + ' ')}\n return __init__"
    made: dict[str, Any] = {}
    exec(whole, vars(sys.modules[cls.__module__]), made)  # noqa: S102 of field names alone, as the library does
    constructor = made["enclose"](**scope)
    constructor.__annotations__ = annotations | {"return": None}
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    return constructor


def _freeze(cls: Any, slots: bool) -> None:
    """Let nothing be assigned, and let what has slots be pickled and copied all the same."""
    names = frozenset(cls.__dataclass_fields__)

    def assign(self: object, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete(self: object, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    cls.__setattr__ = assign
    cls.__delattr__ = delete
    if slots:
        cls.__getstate__ = _state
        cls.__setstate__ = _restore


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
