"""`coexist.records.dataclass` against the library's own decorator: every method, for every shape of class."""

import copy
import dataclasses
import inspect
import itertools
import pickle
import typing
from dataclasses import FrozenInstanceError, InitVar, field
from typing import Any, ClassVar

import pytest

from coexist import records

SHAPES = [
    {"frozen": frozen, "slots": slots, "kw_only": kw_only, "eq": eq, "order": order}
    for frozen, slots, kw_only, eq, order in itertools.product((False, True), repeat=5)
    if eq or not order
]


def spread(decorator: Any, shape: dict[str, bool]) -> type:
    """A class with every kind of field that the package uses."""

    @decorator(**shape)
    class Spread:
        kind: ClassVar[str] = "spread"
        number: int
        text: str = "x"
        items: list[int] = field(default_factory=list)
        hidden: int = field(default=0, compare=False, repr=False)
        last: tuple[int, ...] = ()

    return Spread


def checked(decorator: Any, shape: dict[str, bool]) -> type:
    """A class that refuses, that takes a value it does not keep, and that sets a field by itself."""

    @decorator(**shape)
    class Checked:
        start: int
        add: InitVar[int]
        total: int = field(init=False)

        def __post_init__(self, add: int) -> None:
            object.__setattr__(self, "total", self.start + add)

    return Checked


def empty(decorator: Any, shape: dict[str, bool]) -> type:
    @decorator(**shape)
    class Empty:
        pass

    return Empty


def own_methods(decorator: Any, shape: dict[str, bool]) -> type:
    @decorator(**shape)
    class Own:
        number: int

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ValueError(self.number)

        def __repr__(self) -> str:
            return "own"

        def __hash__(self) -> int:
            return 7

    return Own


def own_equality(decorator: Any, shape: dict[str, bool]) -> type:
    @decorator(**shape)
    class Even:  # noqa: PLW1641 that is what is tried
        number: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Even) and (self.number - other.number) % 2 == 0

    return Even


def outcome(call: Any) -> Any:
    """What a call gives, or the kind of its refusal."""
    try:
        return call()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error)


def behaviour(cls: Any, shape: dict[str, bool], calls: list[dict[str, Any]]) -> list[Any]:
    """All that can be seen from outside of a class and of what its constructor makes."""
    seen: list[Any] = [
        [(f.name, f.type, f.init, f.compare, f.kw_only) for f in dataclasses.fields(cls)],
        cls.__match_args__,
        hasattr(cls, "__slots__"),
        cls.__hash__ is None,
        [outcome(lambda call=call: cls(*call.values())) is TypeError for call in calls],
    ]
    made = [outcome(lambda call=call: cls(**call)) for call in calls]
    for one in made:
        seen.append(one if isinstance(one, type) else repr(one))
        seen.append(outcome(lambda one=one: hash(one)) is TypeError)
        if isinstance(one, cls):
            first = dataclasses.fields(cls)[:1]
            seen += [outcome(lambda one=one, f=f: setattr(one, f.name, getattr(one, f.name))) for f in first]
            # CPython 3.11 refuses this by a TypeError where there are slots: its super() has the other class.
            seen.append(outcome(lambda one=one: setattr(one, "other", 1)) is not None)
            seen.append(outcome(lambda one=one: delattr(one, "other")) is not None)
            seen.append(repr(copy.copy(one)))
            seen.append(outcome(lambda one=one: repr(dataclasses.replace(one))))
    for one, two in itertools.product(made, repeat=2):
        if isinstance(one, cls) and isinstance(two, cls):
            seen += [one == two, one != two, outcome(lambda one=one, two=two: one < two)]
            seen.append(outcome(lambda one=one, two=two: one >= two))
    signature = inspect.signature(cls)
    seen.append([(p.name, p.kind, str(p.annotation)) for p in signature.parameters.values()])
    seen.append([p.default is p.empty for p in signature.parameters.values()])
    return seen


@pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: "-".join(k for k, v in shape.items() if v) or "bare"
)
@pytest.mark.parametrize(
    ("made", "calls"),
    [
        (
            spread,
            [
                {"number": 1},
                {"number": 1, "hidden": 5},
                {"number": 2, "text": "y", "items": [3], "last": (1,)},
                {},
                {"number": 1, "other": 2},
            ],
        ),
        (checked, [{"start": 1, "add": 2}, {"start": 1}, {"start": 2, "add": 1}]),
        (empty, [{}, {"number": 1}]),
        (own_methods, [{"number": 1}, {"number": -1}, {"number": 2}]),
        (own_equality, [{"number": 1}, {"number": 2}, {"number": 3}]),
    ],
)
def test_a_class_is_what_the_library_makes_of_it(
    made: Any, calls: list[dict[str, Any]], shape: dict[str, bool]
) -> None:
    theirs = outcome(lambda: made(dataclasses.dataclass, shape))
    ours = outcome(lambda: made(records.dataclass, shape))
    if theirs is not ours and not isinstance(theirs, type(ours)):
        pytest.fail(f"{theirs} and {ours}")
    assert behaviour(ours, shape, calls) == behaviour(theirs, shape, calls)


def test_factories_make_a_new_value_each_time() -> None:
    cls: Any = spread(records.dataclass, {"frozen": True, "slots": True, "kw_only": True})
    assert cls(number=1).items is not cls(number=1).items


@records.dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    number: int


@records.dataclass(frozen=True, slots=True, kw_only=True)
class Child(Parent):
    text: "Text" = "x"


Text = str


def test_a_child_has_its_parents_fields_whichever_is_made_first() -> None:
    child = Child(number=1)
    assert (child.number, child.text) == (1, "x")
    assert Parent(number=1) != child
    with pytest.raises(FrozenInstanceError):
        child.number = 2  # type: ignore[misc]


def test_what_has_slots_is_pickled_and_copied() -> None:
    child = Child(number=3, text="y")
    assert pickle.loads(pickle.dumps(child)) == child
    assert copy.deepcopy(child) == child


def test_annotations_are_looked_up_in_the_module_of_the_class() -> None:
    assert typing.get_type_hints(Child.__init__)["text"] is str


def test_a_method_is_written_once_and_then_the_classes_own() -> None:
    cls: Any = spread(records.dataclass, {"frozen": True, "slots": True, "kw_only": True})
    assert not inspect.isfunction(vars(cls)["__init__"])
    made = [cls(number=number) for number in range(9)]
    assert inspect.isfunction(vars(cls)["__init__"])
    assert not inspect.isfunction(vars(cls)["__eq__"])
    assert made[0] != made[1]
    assert inspect.isfunction(vars(cls)["__eq__"])


@pytest.mark.parametrize("shape", [{"frozen": True, "slots": True}, {}])
def test_the_first_objects_are_made_as_the_later_ones(shape: dict[str, bool]) -> None:
    ours, theirs = spread(records.dataclass, shape), spread(dataclasses.dataclass, shape)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((1,), {}),
        ((1, "y"), {"last": (2,)}),
        ((), {"number": 3, "items": [4]}),
        ((), {}),
        ((1,), {"number": 1}),
        ((1, "x", [], 0, (), 9), {}),
        ((1,), {"unknown": 2}),
    ]
    for values, named in calls * 3:
        for cls in (spread(records.dataclass, shape), ours):
            told, expected = (
                outcome(lambda cls=cls, a=values, b=named: dataclasses.astuple(cls(*a, **b)))
                for cls in (cls, theirs)
            )
            assert told == expected
