"""The grammar of `${{ … }}`: a closed part of Jinja's expressions, read into a tree.

    literals      1  0.5  'text'  "text"  true false null  [1, 2]
    names         inputs.NAME  steps.ID.outputs.NAME  steps['my-id'].status
    operators     or  and  not  == != < <= > >=  in  not in  + -  ~  * / // %  **  -x  (…)  a if c else b
    filters       value | name   value | name(argument)

The order in which operators bind is Jinja's (a test compares the two). What Jinja has beyond this (calls, tests
with `is`, slices, maps, loops) is left out, so that nothing here can reach Python, loop or grow without bound.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

MAX_TEXT = 1000  # characters of one expression
MAX_TOKENS = 200  # so that no tree is deeper than Python's stack allows
MAX_DEPTH = 50


class Tree(NamedTuple):
    """`op` with its operands; `at` is the offset in the expression's text; `value` what `op` needs besides."""

    op: str  # const list name attr item filter if or and not compare neg and the arithmetic signs
    at: int
    value: Any = None
    kids: tuple[Tree, ...] = ()


class Unreadable(Exception):
    """The text is no expression: `message`, where (`at`), and what to do."""

    def __init__(self, message: str, at: int, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint


class Decimal(NamedTuple):
    """A literal with a point, as written."""

    text: str


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_]))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%~<>()\[\],.|])
  | (?P<end>$)
  )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
_MISSPELT = frozenset(("True", "False", "Null", "None", "TRUE", "FALSE", "NULL", "NONE"))
_WORDS = _MISSPELT | {"and", "or", "not", "in", "is", "if", "else"}
_COMPARE = frozenset(("==", "!=", "<", "<=", ">", ">="))
_INSTEAD = {
    "=": "compare with ==",
    "&": "write `and`",
    "!": "write `not`",
    "?": "write `a if condition else b`",
    "{": "maps are not part of an expression",
    ":": "slices and maps are not part of an expression",
    "$": "an expression holds no second ${{",
}


class Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse(text: str) -> Tree:
    """The tree of one expression. Raises Unreadable."""
    if len(text) > MAX_TEXT:
        raise Unreadable(f"this expression is longer than {MAX_TEXT} characters", 0, "compute it in a step")
    return _Parser(_tokens(text)).whole()


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _no_token(text, at + len(text[at:]) - len(text[at:].lstrip()))
        kind = str(match.lastgroup)
        found.append(Token(kind, match[kind], match.start(kind)))
        if kind == "end":
            return found
        if len(found) > MAX_TOKENS:
            raise Unreadable("this expression is too long", found[-1].at, "compute it in a step")
        at = match.end()


def _no_token(text: str, at: int) -> Unreadable:
    sign = text[at]
    if sign in "'\"":
        return Unreadable("this quote is not closed", at, "close it")
    if sign.isdigit():
        return Unreadable("this number cannot be read", at, "write decimal digits, such as 1024 or 0.5")
    return Unreadable(
        f"{sign!r} has no meaning in an expression", at, _INSTEAD.get(sign, "take it out, or quote a text")
    )


class _Parser:
    def __init__(self, tokens: list[Token]):
        self.tokens = tokens
        self.place = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def whole(self) -> Tree:
        if self.next.kind == "end":
            raise Unreadable("the expression is empty", 0, "write what it should yield")
        tree = self.choice()
        if self.next.kind != "end":
            raise self.unexpected()
        return tree

    def unexpected(self) -> Unreadable:
        token = self.next
        if token.kind == "end":
            return Unreadable("the expression ends too early", token.at, "finish it")
        if token.text == "is":
            return Unreadable(
                "`is` is not part of the language", token.at, "compare with ==, such as x == null"
            )
        if token.text == "(":
            return Unreadable("nothing can be called here", token.at, "use a filter: value | name")
        if token.text in _MISSPELT:
            return Unreadable(f"`{token.text}` is not known here", token.at, f"write `{token.text.lower()}`")
        return Unreadable(f"`{token.text}` cannot stand here", token.at, "join texts with ~, quote a text")

    def take(self, *texts: str, kind: str = "sign") -> Token | None:
        token = self.next
        if token.kind == kind and token.text in texts:
            self.place += 1
            return token
        return None

    def need(self, text: str) -> None:
        if not self.take(text):
            if self.next.kind == "end":
                raise Unreadable(f"a `{text}` is missing", self.next.at, "close it")
            raise self.unexpected()

    def choice(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("this expression is nested too deep", self.next.at, "compute it in a step")
        tree = self.either()
        while word := self.take("if", kind="name"):
            condition = self.either()
            if not self.take("else", kind="name"):
                raise Unreadable("`if` without `else`", word.at, "write `a if condition else b`")
            tree = Tree("if", word.at, None, (condition, tree, self.choice()))
        self.depth -= 1
        return tree

    def either(self) -> Tree:
        tree = self.both()
        while word := self.take("or", kind="name"):
            tree = Tree("or", word.at, None, (tree, self.both()))
        return tree

    def both(self) -> Tree:
        tree = self.negation()
        while word := self.take("and", kind="name"):
            tree = Tree("and", word.at, None, (tree, self.negation()))
        return tree

    def negation(self) -> Tree:
        words = []
        while word := self.take("not", kind="name"):
            words.append(word)
        tree = self.comparison()
        for word in reversed(words):
            tree = Tree("not", word.at, None, (tree,))
        return tree

    def comparison(self) -> Tree:
        first = self.sum()
        signs: list[str] = []
        kids = [first]
        at = self.next.at
        while True:
            sign = self.take(*_COMPARE)
            if sign:
                signs.append(sign.text)
            elif self.take("in", kind="name"):
                signs.append("in")
            elif self.next.text == "not" and self.tokens[self.place + 1].text == "in":
                self.place += 2
                signs.append("not in")
            else:
                break
            kids.append(self.sum())
        return Tree("compare", at, tuple(signs), tuple(kids)) if signs else first

    def sum(self) -> Tree:
        tree = self.joined()
        while sign := self.take("+", "-"):
            tree = Tree(sign.text, sign.at, None, (tree, self.joined()))
        return tree

    def joined(self) -> Tree:
        tree = self.product()
        while sign := self.take("~"):
            tree = Tree("~", sign.at, None, (tree, self.product()))
        return tree

    def product(self) -> Tree:
        tree = self.power()
        while sign := self.take("*", "/", "//", "%"):
            tree = Tree(sign.text, sign.at, None, (tree, self.power()))
        return tree

    def power(self) -> Tree:
        tree = self.unary()
        while sign := self.take("**"):
            tree = Tree("**", sign.at, None, (tree, self.unary()))
        return tree

    def unary(self, *, filters: bool = True) -> Tree:
        if sign := self.take("-"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise Unreadable("this expression is nested too deep", sign.at)
            tree = Tree("neg", sign.at, None, (self.unary(filters=False),))
            self.depth -= 1
        else:
            tree = self.postfix(self.primary())
        return self.filtered(tree) if filters else tree

    def primary(self) -> Tree:
        token = self.next
        self.place += 1
        if token.kind == "number":
            return Tree("const", token.at, Decimal(token.text) if "." in token.text else _whole(token))
        if token.kind == "text":
            return Tree("const", token.at, _unescape(token))
        if token.kind == "name" and token.text in _CONSTANTS:
            return Tree("const", token.at, _CONSTANTS[token.text])
        if token.kind == "name" and token.text not in _WORDS:
            return Tree("name", token.at, token.text)
        if token.text == "(" and token.kind == "sign":
            tree = self.choice()
            self.need(")")
            return tree
        if token.text == "[" and token.kind == "sign":
            return Tree("list", token.at, None, self.items("]"))
        self.place -= 1
        raise self.unexpected()

    def items(self, end: str) -> tuple[Tree, ...]:
        kids: list[Tree] = []
        while not self.take(end):
            if kids:
                self.need(",")
                if self.take(end):
                    break
            kids.append(self.choice())
        return tuple(kids)

    def postfix(self, tree: Tree) -> Tree:
        while True:
            if sign := self.take("."):
                token = self.next
                if token.kind != "name":
                    raise Unreadable(
                        "a name must follow the point", token.at, "other names go in brackets: ['my-id']"
                    )
                self.place += 1
                tree = Tree("attr", sign.at + 1, token.text, (tree,))
            elif sign := self.take("["):
                index = self.choice()
                self.need("]")
                same = index.op == "const" and isinstance(index.value, str)
                # x['name'] and x.name are the same thing
                tree = (
                    Tree("attr", index.at, index.value, (tree,))
                    if same
                    else Tree("item", sign.at, None, (tree, index))
                )
            else:
                return tree

    def filtered(self, tree: Tree) -> Tree:
        while self.take("|"):
            token = self.next
            if token.kind != "name":
                raise Unreadable("the name of a filter must follow `|`", token.at, "such as | length")
            self.place += 1
            arguments = self.items(")") if self.take("(") else ()
            tree = Tree("filter", token.at, token.text, (tree, *arguments))
        return tree


def _whole(token: Token) -> int:
    if len(token.text) > 18:
        raise Unreadable("this number is too large", token.at)
    return int(token.text)


def _unescape(token: Token) -> str:
    inner = token.text[1:-1]
    if "\\" not in inner:
        return inner
    try:  # Jinja's own way of reading escapes
        text = inner.encode("ascii", "backslashreplace").decode("unicode-escape")
        text.encode()
    except UnicodeError:
        raise Unreadable(
            "this text holds an escape that means nothing", token.at, r"write \\ for a backslash"
        ) from None
    if "\0" in text:
        raise Unreadable("a text cannot hold NUL", token.at, "no program can receive it")
    return text


def dotted(tree: Tree) -> str | None:
    """`a.b.c` of a chain of names, None for anything else; parts that are no plain names stand as they are."""
    parts: list[str] = []
    while tree.op == "attr":
        parts.append(tree.value)
        tree = tree.kids[0]
    if tree.op != "name":
        return None
    return ".".join([tree.value, *reversed(parts)])
