"""What of a module tells one product from another: names it writes, comparisons, tables, foreign modules.

It follows names inside one module: what is assigned from a record of the table is a record, what is assigned
from a server's product or its traits says the product.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from coexist.inventory import products as table
from coexist.inventory.product import Product
from coexist.inventory.products import COEXIST, GENERIC, products

WORDS = {COEXIST.name, GENERIC.name}
"""The program's own name and a plain word: told apart from a product's only where they are compared."""
RECORDS = {name for name, value in vars(table).items() if isinstance(value, Product)}
"""The table's records, by the constants that hold them."""
ASKED = {"software", "product"}
"""What says which product it is, by the names of variables and attributes."""

VOCABULARY = {"usual_roles", "settings", "program_settings", "default_programs", "capabilities", "as_proxy"}
"""Traits that hold words which products share."""

# What takes a text apart, and what gives it another shape.
PARTS = {
    *(
        "startswith",
        "endswith",
        "find",
        "rfind",
        "index",
        "count",
        "split",
        "rsplit",
        "partition",
        "rpartition",
    ),
    *("removeprefix", "removesuffix", "lower", "upper", "casefold"),
}
SHAPING = PARTS | {"strip", "encode", "replace", "translate", "format", "join", "get"}
# What looks for a pattern in it.
PATTERNS = {"match", "fullmatch", "search", "findall", "finditer", "sub", "fnmatch", "fnmatchcase", "filter"}
# What compares or looks up without an operator.
COMPARING = {
    *("eq", "ne", "is_", "is_not", "contains", "countOf", "indexOf", "count", "index", "remove", "discard"),
    *(
        "__eq__",
        "__ne__",
        "__contains__",
        "isdisjoint",
        "issubset",
        "issuperset",
        "intersection",
        "difference",
    ),
}
SPELLING = {"str", "repr", "type", "vars", "asdict", "len", "ord", "hash", "id"}
LOOKING_UP = {"get", "pop", "setdefault", "__getitem__"}
HOLDING = {"set", "frozenset", "dict", "fromkeys", "defaultdict", "OrderedDict", "MappingProxyType"}
GETTERS = {"attrgetter", "itemgetter"}
KEEPING = {*HOLDING, "tuple", "list", "sorted", "reversed"}


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _text(node: ast.AST) -> str | None:
    """The text that an expression of constants is."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.Constant(value=bytes(value)):
            return value.decode("latin-1")
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            first, second = _text(left), _text(right)
            return None if first is None or second is None else first + second
    return None


def names_in(tree: ast.AST) -> Iterator[int]:
    """Lines with a text that is a product's name, with or without a version, or that of a record."""
    names = {name.casefold() for name in set(products()) - WORDS}
    for node in ast.walk(tree):
        text = _text(node)
        if text is None or text.endswith(" "):
            continue
        first, _, version = text.partition(" ")
        is_name = first.casefold() in names and first[1:] == first[1:].casefold()
        if text in RECORDS or (is_name and (not version or version[0].isdigit())):
            yield node.lineno  # type: ignore[attr-defined]


class Comparisons(ast.NodeVisitor):
    """The lines of one module that compare products. ``own``: modules that are a single product's."""

    def __init__(self, tree: ast.AST) -> None:
        self.lines: set[int] = set()
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        named = [(node.module or "", name) for node in imports for name in node.names]
        self.records = RECORDS | {n.asname for _, n in named if n.asname and n.name in RECORDS}
        self.models = {
            name.asname or name.name
            for module, name in named
            if module.startswith("coexist.boot.") and is_own(module) and name.name[:1].isupper()
        }
        self.texts: set[str] = set()
        self.told = set(ASKED)
        bound = list(_bindings(tree))
        size = -1
        while size != (size := len(self.records) + len(self.texts) + len(self.told)):
            for name, value, is_one_of in bound:
                if self.holds_record(value):
                    self.records.add(name)
                elif self.is_text(value):
                    self.texts.add(name)
                elif not is_one_of and self.tells(value):
                    self.told.add(name)
        self.visit(tree)

    # -- what an expression is -------------------------------------------------------------------

    def holds_record(self, node: ast.AST) -> bool:
        """Whether an expression is a record of the table, a part of one that names it, or a collection with
        one."""
        match node:
            case ast.Name(id=name):
                return name in self.records
            case ast.Attribute(attr=attr) if attr in RECORDS:
                return True
            case ast.Attribute(value=value, attr=attr):
                return attr in ("name", "software") and self.holds_record(value)
            case ast.Call(args=args) if _called(node) in KEEPING:
                return any(map(self.holds_record, args))
            case ast.Dict(keys=keys):
                return any(self.holds_record(key) for key in keys if key is not None)
            case ast.Tuple() | ast.List() | ast.Set() | ast.Starred() | ast.IfExp() | ast.BoolOp():
                return any(map(self.holds_record, ast.iter_child_nodes(node)))
            case ast.BinOp(left=left, right=right):
                return self.holds_record(left) or self.holds_record(right)
        return False

    def mentions_record(self, node: ast.AST) -> bool:
        """Whether a record stands anywhere in an expression."""
        return any(
            (isinstance(part, ast.Name) and part.id in self.records)
            or (isinstance(part, ast.Attribute) and part.attr in RECORDS)
            for part in ast.walk(node)
        )

    def is_text(self, node: ast.AST) -> bool:
        """Whether an expression is a text, or a collection of texts."""
        match node:
            case ast.Name(id=name):
                return name in self.texts
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return bool(parts) and all(map(self.is_text, parts))
            case ast.Dict(keys=keys):
                return bool(keys) and all(key is not None and self.is_text(key) for key in keys)
            case ast.Call(args=[held]) if _called(node) in KEEPING:
                return self.is_text(held)
        return bool(_text(node))

    def tells(self, node: ast.AST) -> bool:
        """Whether an expression is what a server runs, a trait of it, or a text that is made of these."""
        match node:
            case ast.Name(id=name):
                return name in self.told
            case ast.Attribute(value=value, attr=attr):
                return attr in ASKED or (attr not in VOCABULARY and self.tells(value))
            case ast.Subscript(value=value):
                return self.tells(value)
            case ast.Call(args=args) if _called(node) == "getattr":
                return any(_text(arg) in ASKED for arg in args[1:]) or self.tells(args[0])
            case ast.Call(args=args) if _called(node) in (
                "str",
                "repr",
                "type",
                "vars",
                "asdict",
                "len",
                "ord",
            ):
                return any(map(self.tells, args))
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in SHAPING:
                return self.tells(value)
            case ast.JoinedStr() | ast.FormattedValue() | ast.BoolOp() | ast.NamedExpr():
                return any(map(self.tells, ast.iter_child_nodes(node)))
            case ast.IfExp(body=body, orelse=orelse):
                return self.tells(body) or self.tells(orelse)
            case ast.BinOp(left=left, right=right):
                return self.tells(left) or self.tells(right)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return any(map(self.tells, parts))
        return False

    @staticmethod
    def is_name(node: ast.AST) -> bool:
        """Whether an expression is a product's name: ``software.product`` or ``product.name``."""
        if not isinstance(node, ast.Attribute):
            return False
        owner = node.value
        of = getattr(owner, "attr", "") or getattr(owner, "id", "")
        return (of, node.attr) in {("software", "product"), ("product", "name")}

    # -- what compares ---------------------------------------------------------------------------

    def found(self, node: ast.AST) -> None:
        """This line compares."""
        self.lines.add(node.lineno)  # type: ignore[attr-defined]

    def visit_Compare(self, node: ast.Compare) -> None:
        """With a record, with a product's name, a text with a trait, a class with a model."""
        operands = [node.left, *node.comparators]
        is_told = any(map(self.is_text, operands)) and any(map(self.tells, operands))
        is_model = any(isinstance(each, ast.Name) and each.id in self.models for each in operands)
        if is_told or is_model or any(self.mentions_record(o) or self.is_name(o) for o in operands):
            self.found(node)
        self.generic_visit(node)

    def visit_Match(self, node: ast.Match) -> None:
        """Of what a server runs."""
        if self.tells(node.subject):
            self.found(node)
        self.generic_visit(node)

    def visit_MatchValue(self, node: ast.MatchValue) -> None:
        """A record as a pattern."""
        if self.mentions_record(node.value):
            self.found(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        """A record taken apart, or a single product's model."""
        if getattr(node.cls, "id", getattr(node.cls, "attr", "")) in {"Product", "Software", *self.models}:
            self.found(node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """A table by product or by a trait of it."""
        if self.tells(node.slice) or self.mentions_record(node.slice):
            self.found(node)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        """Such a table."""
        if any(key is not None and self.mentions_record(key) for key in node.keys):
            self.found(node)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        """A set of products."""
        if any(map(self.mentions_record, node.elts)):
            self.found(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """What compares, looks up or takes a text apart by a call."""
        name, args = _called(node), node.args
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
        of_it = receiver is not None and self.tells(receiver)
        by_record = any(map(self.mentions_record, [*args, *([receiver] if receiver is not None else [])]))
        said = any(map(self.tells, args))
        is_class = name in ("isinstance", "issubclass") and len(args) == 2
        models = [part for part in ast.walk(args[1]) if isinstance(part, ast.Name)] if is_class else []
        if (
            (name in PARTS and of_it)
            or (name in PATTERNS and said)
            or (name in COMPARING and (by_record or of_it or said))
            or (name in LOOKING_UP and (said or any(map(self.mentions_record, args))))
            or (name in HOLDING and by_record)
            or (
                name in ("attrgetter", "itemgetter")
                and any((_text(a) or "").split(".")[0] in ASKED for a in args)
            )
            or any(model.id in self.models for model in models)
        ):
            self.found(node)
        self.generic_visit(node)


def _bindings(tree: ast.AST) -> Iterator[tuple[str, ast.AST, bool]]:
    """Names, what they are bound to, and whether to one after the other of it."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _named(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _named(target, value)
            case ast.NamedExpr(target=target, value=value):
                yield from _named(target, value)
            case (
                ast.For(target=ast.Name(id=name), iter=value)
                | ast.comprehension(target=ast.Name(id=name), iter=value)
            ):
                yield name, value, True
            case ast.arguments():
                plain = [*node.posonlyargs, *node.args]
                pairs = [*zip(plain[::-1], node.defaults[::-1], strict=False)]
                pairs += [(a, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d]
                yield from ((argument.arg, default, False) for argument, default in pairs)


def _named(target: ast.AST, value: ast.AST) -> Iterator[tuple[str, ast.AST, bool]]:
    if isinstance(target, ast.Name):
        yield target.id, value, False
    elif (
        isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts)
    ):
        for inner, held in zip(target.elts, value.elts, strict=True):
            yield from _named(inner, held)


SHARED_PARTS = {"coexist.boot.leases.lease_times"}
"""Modules with a part each of several products."""


@cache
def _own() -> tuple[str, ...]:
    """What the names of single products' modules begin with, by the parts that the table's records name.

    A reader of own files and what takes their secrets out stand in a package, or among modules, of one
    language.
    """
    found: set[str] = set()
    for name in RECORDS - {"GENERIC"}:
        record = getattr(table, name)
        for part in Product.__annotations__:
            value = getattr(record, part)
            module, colon, _ = value.partition(":") if isinstance(value, str) else ("", "", "")
            if not colon or not module.startswith("coexist.") or " " in value or module in SHARED_PARTS:
                continue
            found.add(module.removesuffix("own_file").removesuffix("secrets"))
    return tuple(sorted(found))


def is_own(module: str) -> bool:
    """Whether a module belongs to a single product."""
    return any(
        module.startswith(part) if part[-1] in "._" else f"{module}.".startswith(f"{part}.")
        for part in _own()
    )


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The modules of single products that a module imports, anywhere in it, and where."""
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{name.name}" for name in node.names)]
        elif isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        found = next(filter(is_own, modules), None)
        if found is not None:
            yield found, node.lineno  # type: ignore[attr-defined]


def compared(tree: ast.AST) -> set[int]:
    """Lines that compare a product, its name or a trait, match it, look it up, or keep a table by it."""
    return Comparisons(tree).lines
