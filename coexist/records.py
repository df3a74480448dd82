"""Dataclasses whose fields and methods are written when they are first asked for.

`dataclasses.dataclass` reads the fields and compiles six methods for each class when a module is imported.
One command meets some two hundred and fifty dataclasses and uses few methods of half of them: to make them
all was a third of the time that ``coexist check`` of a small site takes. What `dataclass` of this module
makes is what the library makes, one piece at a time. A mistake in the fields is told at their first use.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

__all__ = ["dataclass"]

_ORDER = ("__lt__", "__le__", "__gt__", "__ge__")
_COMPARING = ("__eq__", "__hash__")
_OF_EACH_CLASS = ("__dict__", "__weakref__")
_PSEUDO = ("ClassVar", "InitVar", "KW_ONLY")
_OWN = "__record_fields__"

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
            cls = _with_fields(cls, slots=slots, kw_only=kw_only)
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


def _with_fields(cls: Any, *, slots: bool, kw_only: bool) -> Any:
    """The class with what the library tells of its fields; with ``slots`` another one of the same name."""
    declared = dict(vars(cls))
    annotations = declared.get("__annotations__", {})
    names = [name for name, kind in annotations.items() if not _is_pseudo_field(kind)]
    if slots:
        body = {name: value for name, value in declared.items() if name not in (*names, *_OF_EACH_CLASS)}
        body["__slots__"] = _slots(cls, names)
        qualname = cls.__qualname__
        cls = type(cls)(cls.__name__, cls.__bases__, body)
        cls.__qualname__ = qualname
    else:
        for name in annotations:
            value = declared.get(name)
            if isinstance(value, dataclasses.Field):
                if value.default is dataclasses.MISSING:
                    delattr(cls, name)
                else:
                    setattr(cls, name, value.default)
    fields = _Fields(cls, {name: declared[name] for name in annotations if name in declared}, names, kw_only)
    setattr(cls, _OWN, fields)
    for name in _Fields.TOLD:
        if name not in declared:
            setattr(cls, name, _Told(fields, name))
    return cls


def _is_pseudo_field(annotation: Any) -> bool:
    """Whether an annotation, or its text, is of a class variable, a parameter that is not kept, or a mark."""
    text = annotation if isinstance(annotation, str) else str(annotation)
    return text.removeprefix("typing.").removeprefix("dataclasses.").startswith(_PSEUDO)


def _slots(cls: type, names: list[str]) -> tuple[str, ...]:
    """A slot for each field that no class above has a slot for."""
    above = [(base, vars(base)) for base in reversed(cls.__mro__[1:-1])]
    taken = {slot for _, inside in above for slot in inside.get("__slots__", ())}
    without = [base for base, inside in above if "__slots__" not in inside and dataclasses.is_dataclass(base)]
    inherited = [name for base in without for name in base.__dataclass_fields__]
    return tuple(name for name in dict.fromkeys([*inherited, *names]) if name not in taken)


class _Fields:
    """The fields that a class declares itself, and what the library tells of them when it is first asked."""

    TOLD = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")

    def __init__(self, cls: Any, defaults: dict[str, Any], names: list[str], kw_only: bool) -> None:
        self.cls = cls
        self.defaults = defaults
        self.names = names
        self.kw_only = kw_only

    def tell(self, name: str) -> Any:
        cls = self.cls
        body = self.defaults | {"__annotations__": vars(cls).get("__annotations__", {})}
        body |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        # Of a class with the same fields and the same classes above, and nothing else.
        twin: Any = type(cls)(cls.__name__, cls.__bases__, body)
        twin = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=self.kw_only)(twin)
        fields = [field.name for field in dataclasses.fields(twin)]
        if not {*self.names} <= {*fields}:
            raise TypeError(f"{cls.__qualname__}: write ClassVar, InitVar and KW_ONLY by these names")
        for told in self.TOLD:
            if isinstance(vars(cls)[told], _Told):
                setattr(cls, told, vars(twin)[told])
        return getattr(cls, name)

    def parameters(self) -> dict[str, Any] | None:
        """The fields by name, if each is an ordinary parameter; None if that is for the library to say."""
        annotations = vars(self.cls).get("__annotations__", {})
        if len(self.names) != len(annotations):
            return None
        found = {}
        for name in self.names:
            default = self.defaults.get(name, dataclasses.MISSING)
            field = default if isinstance(default, dataclasses.Field) else dataclasses.field(default=default)
            if not field.init or type(field.default).__hash__ is None:
                return None
            kw_only = self.kw_only if field.kw_only is dataclasses.MISSING else field.kw_only
            found[name] = _Parameter(name, annotations[name], field.default, field.default_factory, kw_only)
        return found


class _Parameter(NamedTuple):
    """What a constructor takes for a field."""

    name: str
    type: Any
    default: Any
    default_factory: Any
    kw_only: bool


def _parameters(cls: type) -> dict[str, _Parameter] | None:
    """What the constructor takes, in its order; None where the library has to be asked."""
    found: dict[str, _Parameter] = {}
    for base in reversed(cls.__mro__[:-1]):
        own = vars(base).get(_OWN)
        parameters = {} if own is None else own.parameters()
        if parameters is None or (own is None and "__dataclass_fields__" in vars(base)):
            return None
        found |= parameters
    return found


class _Told:
    """The place of one thing that the library tells of the fields."""

    __slots__ = ("fields", "name")

    def __init__(self, fields: _Fields, name: str) -> None:
        self.fields = fields
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self.fields.tell(self.name)


class _Method:
    """The place of a method until it is first asked for; from then on the class has the method itself."""

    __slots__ = ("cls", "frozen", "name")

    def __init__(self, cls: type, name: str, frozen: bool) -> None:
        self.cls = cls
        self.name = name
        self.frozen = frozen

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        method = _written(self.cls, self.name, self.frozen)
        setattr(self.cls, self.name, method)
        return method.__get__(instance, owner)


def _written(cls: Any, name: str, frozen: bool) -> Any:
    """The method as the library writes it."""
    parameters = _parameters(cls) if name == "__init__" else None
    if parameters is not None:
        return _constructor(cls, parameters.values(), frozen)
    if name in _COMPARING:
        return _comparing(cls, name)
    fields = cls.__dataclass_fields__
    body = {field.name: field for field in fields.values()}
    body["__annotations__"] = {field.name: field.type for field in fields.values()}
    body |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    order = name in _ORDER
    # A class that has the same fields and nothing else gets the method, and only that one.
    twin: Any = dataclasses.dataclass(
        init=name == "__init__",
        repr=name == "__repr__",
        eq=order,
        order=order,
        frozen=frozen,
    )(type(cls.__name__, (), body))
    return vars(twin)[name]


def _comparing(cls: Any, name: str) -> Any:
    """``__eq__`` or ``__hash__`` by the values of the fields that count, as a tuple; nothing is compiled."""
    fields = dataclasses.fields(cls)
    if name == "__hash__":
        fields = tuple(f for f in fields if (f.compare if f.hash is None else f.hash))
        method: Any = _hashing(_values([f.name for f in fields]))
    else:
        method = _equality(_values([f.name for f in fields if f.compare]))
    method.__qualname__ = f"{cls.__qualname__}.{name}"
    return method


def _hashing(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _equality(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, Any], Any]:
    def __eq__(self: Any, other: Any) -> Any:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gets some attributes, however few, as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


def _constructor(cls: Any, fields: Iterable[_Parameter], frozen: bool) -> Any:
    """``__init__`` of a class whose fields are all parameters.

    It is the method that is asked for most; for a frozen class the library would compile two more with it.
    """
    scope: dict[str, Any] = {"__unset__": dataclasses.MISSING, "__assign__": object.__setattr__}
    positional = ["self"]
    named: list[str] = []
    body: list[str] = []
    annotations: dict[str, Any] = {}
    for index, field in enumerate(fields):
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

    def assign(self: object, name: str, value: object) -> None:
        if type(self) is cls or name in cls.__dataclass_fields__:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete(self: object, name: str) -> None:
        if type(self) is cls or name in cls.__dataclass_fields__:
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
