"""From tokens to trees: one for the text itself, and one for each ``define`` and ``block`` in it."""

from __future__ import annotations

from typing import Final, NamedTuple

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError, TemplateError
from bank_vaults.templating.functions import Function, Lookup
from bank_vaults.templating.golang.strconv import quote, unquote
from bank_vaults.templating.language import lexer, numbers, tree
from bank_vaults.templating.language.lexer import Token


class Trees(NamedTuple):
    """What a text was parsed to: the body of each template by its name."""

    name: str
    text: str
    bodies: dict[str, list[tree.Node]]


def parse(text: str, name: str, delimiters: tuple[str, str], functions: Lookup) -> Trees:
    """Parse a text. Raises TemplateError where it is not well formed, or names an unknown function."""
    try:
        return _Parser(text, name, delimiters, functions).run()
    except RecursionError:
        raise TemplateError(f"template: {name}: {_TOO_DEEP}") from None


_TOO_DEEP: Final = f"more than {limits.MAX_DEPTH} constructs within one another"


_OPERANDS: Final = frozenset(
    (
        lexer.BOOL,
        lexer.CHARACTER,
        lexer.COMPLEX,
        lexer.DOT,
        lexer.FIELD,
        lexer.IDENTIFIER,
        lexer.NUMBER,
        lexer.NIL,
        lexer.RAW_STRING,
        lexer.STRING,
        lexer.VARIABLE,
        lexer.LEFT_PAREN,
    )
)
_IN_ANGLES: Final = lexer.KEYWORDS | {lexer.DOT, lexer.NIL}
_BRANCHES: Final[dict[str, type[tree.Branch]]] = {"if": tree.If, "range": tree.Range, "with": tree.With}
_NOT_EXECUTABLE: Final = (tree.Bool, tree.Dot, tree.Nil, tree.NumberNode, tree.String)


class _Parser:
    def __init__(self, text: str, name: str, delimiters: tuple[str, str], functions: Lookup) -> None:
        self._text = text
        self._name = name
        self._functions: dict[str, Function | None] = {}
        self._lookup = functions
        # A function that is called "break" takes the keyword's place.
        words = frozenset(
            word
            for word in lexer.KEYWORDS
            if word not in ("break", "continue") or self._function(word) is None
        )
        self._tokens = lexer.tokens(text, *delimiters, words=words)
        self._next = 0
        self._furthest = 0
        self._bodies: dict[str, list[tree.Node]] = {}
        self._variables = ["$"]
        self._loops = 0
        self._depth = 0
        self._action_start = -1

    def run(self) -> Trees:
        body: list[tree.Node] = []
        while (token := self._peek())[0] != lexer.END_OF_TEXT:
            if token[0] == lexer.LEFT:
                start = self._next
                self._take()
                if self._take_solid()[0] == "define":
                    self._definition()
                    continue
                self._next = start
            node = self._statement()
            if isinstance(node, (tree.End, tree.Else)):
                raise self._error(f"unexpected {node.written()}")
            body.append(node)
        self._add(self._name, body)
        return Trees(self._name, self._text, self._bodies)

    # Tokens.

    def _take(self) -> Token:
        at = self._next
        if at > self._furthest:
            self._furthest = at
        # The last token, the end or an error, is there for ever.
        if at + 1 < len(self._tokens):
            self._next = at + 1
        return self._tokens[at]

    def _peek(self) -> Token:
        if self._next > self._furthest:
            self._furthest = self._next
        return self._tokens[self._next]

    def _peek_solid(self) -> Token:
        """The next token that is no blank; blanks are behind."""
        token = self._peek()
        if token[0] == lexer.SPACE:
            self._next += 1
            token = self._peek()
        return token

    def _take_solid(self) -> Token:
        self._peek_solid()
        return self._take()

    def _expect(self, kind: str, context: str) -> Token:
        token = self._take_solid()
        if token[0] != kind:
            raise self._unexpected(token, context)
        return token

    # Errors.

    def _line(self, position: int) -> int:
        return self._text.count("\n", 0, position) + 1

    def _error(self, message: str) -> TemplateError:
        line = self._line(self._tokens[self._furthest][2])
        return TemplateError(f"template: {self._name}:{line}: {message}")

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        kind, text, position = token
        if kind == lexer.ERROR:
            where = ""
            if self._action_start >= 0 and self._line(self._action_start) != self._line(position):
                where = f" started at {self._name}:{self._line(self._action_start)}"
                if not text.endswith(" action"):
                    where = f" in action{where}"
            return self._error(f"{text}{where}")
        if kind == lexer.END_OF_TEXT:
            shown = "EOF"
        elif kind in _IN_ANGLES:
            shown = f"<{text}>"
        else:
            shown = (
                f"{quote(text[:10])}..." if len(text.encode("utf-8", "surrogateescape")) > 10 else quote(text)
            )
        return self._error(f"unexpected {shown} in {context}")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > limits.MAX_DEPTH:
            raise self._error(_TOO_DEEP)

    # Statements.

    def _statements(self) -> tuple[list[tree.Node], tree.Node]:
        """Statements, and the ``end`` or ``else`` that they end with."""
        self._deeper()
        nodes: list[tree.Node] = []
        while self._peek_solid()[0] != lexer.END_OF_TEXT:
            node = self._statement()
            if isinstance(node, (tree.End, tree.Else)):
                self._depth -= 1
                return nodes, node
            nodes.append(node)
        raise self._error("unexpected EOF")

    def _statement(self) -> tree.Node:
        token = self._take_solid()
        if token[0] == lexer.TEXT:
            return tree.Text(token[2], token[1])
        if token[0] != lexer.LEFT:
            raise self._unexpected(token, "input")
        self._action_start = token[2]
        kind, _, position = self._peek_solid()
        node: tree.Node
        if kind in _BRANCHES:
            self._take()
            node = self._branch(kind)
        elif kind in lexer.KEYWORDS and kind != "define":
            node = self._keyword(self._take())
        else:
            node = tree.Action(position, self._pipeline("command", lexer.RIGHT))
        self._action_start = -1
        return node

    def _keyword(self, token: Token) -> tree.Node:
        kind = token[0]
        if kind == "end":
            return tree.End(self._expect(lexer.RIGHT, "end")[2])
        if kind == "else":
            # For "else if" and "else with" the word stays for the branch that this belongs to.
            following = self._peek_solid()
            if following[0] in ("if", "with"):
                return tree.Else(following[2])
            return tree.Else(self._expect(lexer.RIGHT, "else")[2])
        if kind == "template":
            return self._template()
        if kind == "block":
            return self._block()
        written = f"{{{{{kind}}}}}"
        self._expect(lexer.RIGHT, written)
        if not self._loops:
            raise self._error(f"{written} outside {{{{range}}}}")
        return tree.Break(token[2]) if kind == "break" else tree.Continue(token[2])

    def _branch(self, kind: str) -> tree.Branch:
        known = len(self._variables)
        pipe = self._pipeline(kind, lexer.RIGHT)
        self._loops += kind == "range"
        body, ending = self._statements()
        self._loops -= kind == "range"
        otherwise: list[tree.Node] | None = None
        if isinstance(ending, tree.Else):
            if self._peek()[0] == kind:
                self._take()
                self._deeper()
                otherwise = [self._branch(kind)]
                self._depth -= 1
            else:
                otherwise, ending = self._statements()
                if not isinstance(ending, tree.End):
                    raise self._error(f"expected end; found {ending.written()}")
        del self._variables[known:]
        return _BRANCHES[kind](pipe, body, otherwise)

    # Templates within the template.

    def _template_name(self, context: str) -> Token:
        token = self._take_solid()
        if token[0] not in (lexer.STRING, lexer.RAW_STRING):
            raise self._unexpected(token, context)
        return token[0], self._unquoted(token[1]), token[2]

    def _template(self) -> tree.Template:
        context = "template clause"
        _, name, position = self._template_name(context)
        if self._peek_solid()[0] == lexer.RIGHT:
            self._take()
            return tree.Template(position, name, None)
        return tree.Template(position, name, self._pipeline(context, lexer.RIGHT))

    def _definition(self) -> None:
        context = "define clause"
        name = self._template_name(context)[1]
        self._expect(lexer.RIGHT, context)
        self._body(name, context)

    def _block(self) -> tree.Template:
        context = "block clause"
        _, name, position = self._template_name(context)
        pipe = self._pipeline(context, lexer.RIGHT)
        self._body(name, context)
        return tree.Template(position, name, pipe)

    def _body(self, name: str, context: str) -> None:
        """The body of a template within this one; it knows nothing of the variables and loops around."""
        outside = self._variables, self._loops, self._action_start
        self._variables, self._loops, self._action_start = ["$"], 0, -1
        body, ending = self._statements()
        if not isinstance(ending, tree.End):
            raise self._error(f"unexpected {ending.written()} in {context}")
        self._add(name, body)
        self._variables, self._loops, self._action_start = outside

    def _add(self, name: str, body: list[tree.Node]) -> None:
        """A second template of a name takes the place of an empty first one; else it must be empty."""
        known = self._bodies.get(name)
        if known is None or _is_empty(known):
            self._bodies[name] = body
        elif not _is_empty(body):
            raise self._error(f"template: multiple definition of template {quote(name)}")

    # Pipelines.

    def _pipeline(self, context: str, ending: str) -> tree.Pipe:
        pipe = tree.Pipe(self._peek_solid()[2])
        self._declarations(pipe, context)
        while True:
            token = self._peek_solid()
            if token[0] in _OPERANDS:
                pipe.commands.append(self._command())
            elif token[0] == ending:
                self._take()
                break
            else:
                self._take()
                raise self._unexpected(token, context)
        if not pipe.commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(pipe.commands[1:], 2):
            # Only the first command may be a plain value.
            if isinstance(command.operands[0], _NOT_EXECUTABLE):
                raise self._error(f"non executable command in pipeline stage {stage}")
        return pipe

    def _declarations(self, pipe: tree.Pipe, context: str) -> None:
        while self._peek_solid()[0] == lexer.VARIABLE:
            start = self._next
            name = self._take()[1]
            after = self._peek_solid()
            if after[0] in (lexer.ASSIGN, lexer.DECLARE):
                self._take()
                pipe.assigns = after[0] == lexer.ASSIGN
                pipe.variables.append(name)
                self._variables.append(name)
                return
            if after[0] != lexer.COMMA or after[1] != ",":
                self._next = start
                return
            self._take()
            pipe.variables.append(name)
            self._variables.append(name)
            if context != "range" or len(pipe.variables) >= 2:
                raise self._error(f"too many declarations in {context}")
            if self._peek_solid()[0] not in (lexer.VARIABLE, lexer.RIGHT, lexer.RIGHT_PAREN):
                raise self._error("range can only initialize variables")

    def _command(self) -> tree.Command:
        operands: list[tree.Node] = []
        position = self._peek_solid()[2]
        while True:
            self._peek_solid()
            operand = self._operand()
            if operand is not None:
                operands.append(operand)
            token = self._peek()
            if token[0] in (lexer.RIGHT, lexer.RIGHT_PAREN):
                break
            self._take()
            if token[0] == lexer.SPACE:
                continue
            if token[0] == lexer.PIPE:
                break
            raise self._unexpected(token, "operand")
        return tree.Command(position, operands)

    def _operand(self) -> tree.Node | None:
        node = self._term()
        if node is None or self._peek()[0] != lexer.FIELD:
            return node
        position = self._peek()[2]
        names = []
        while self._peek()[0] == lexer.FIELD:
            names.append(self._take()[1][1:])
        if isinstance(node, tree.Field):
            return tree.Field(position, (*node.names, *names))
        if isinstance(node, tree.Variable):
            return tree.Variable(position, node.name, (*node.fields, *names))
        if isinstance(node, _NOT_EXECUTABLE):
            raise self._error(f"unexpected . after term {quote(node.written())}")
        return tree.Chain(position, node, tuple(names))

    def _term(self) -> tree.Node | None:
        kind, text, position = self._peek_solid()
        if kind not in _OPERANDS:
            return None
        self._take()
        if kind == lexer.IDENTIFIER:
            function = self._function(text)
            if function is None:
                raise self._error(f"function {quote(text)} not defined")
            return tree.Call(position, function)
        if kind in (lexer.STRING, lexer.RAW_STRING):
            return tree.String(position, text, self._unquoted(text))
        if kind == lexer.FIELD:
            return tree.Field(position, (text[1:],))
        if kind == lexer.VARIABLE:
            if text not in self._variables:
                raise self._error(f"undefined variable {quote(text)}")
            return tree.Variable(position, text)
        if kind == lexer.LEFT_PAREN:
            self._deeper()
            pipe = self._pipeline("parenthesized pipeline", lexer.RIGHT_PAREN)
            self._depth -= 1
            return pipe
        if kind == lexer.DOT:
            return tree.Dot(position)
        if kind == lexer.NIL:
            return tree.Nil(position)
        if kind == lexer.BOOL:
            return tree.Bool(position, text == "true")
        try:
            number = numbers.read_complex(text) if kind == lexer.COMPLEX else numbers.read(text)
        except ValueError as error:
            raise self._error(str(error)) from None
        return tree.NumberNode(position, text, number)

    def _unquoted(self, literal: str) -> str:
        try:
            return unquote(literal)
        except ValueError as error:
            raise self._error(str(error)) from None

    def _function(self, name: str) -> Function | None:
        known = self._functions
        if name not in known:
            try:
                known[name] = self._lookup(name)
            except FunctionError as error:
                raise self._error(str(error)) from None
        return known[name]


def _is_empty(body: list[tree.Node]) -> bool:
    return all(isinstance(node, tree.Text) and not node.text.strip() for node in body)
