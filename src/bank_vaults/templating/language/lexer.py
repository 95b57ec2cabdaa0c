"""From the text of a template to tokens.

Text outside of actions is found with ``str.find`` and never looked at character by character. What is
wrong is a token of its own, ERROR with the message as its value, because the parser may find an earlier
mistake first.
"""

from __future__ import annotations

from typing import Final

from bank_vaults.templating import limits

TEXT: Final = "text"
LEFT: Final = "left delimiter"
RIGHT: Final = "right delimiter"
SPACE: Final = "space"
STRING: Final = "string"
RAW_STRING: Final = "raw string"
CHARACTER: Final = "character constant"
NUMBER: Final = "number"
COMPLEX: Final = "complex"
BOOL: Final = "bool"
IDENTIFIER: Final = "identifier"
FIELD: Final = "field"
VARIABLE: Final = "variable"
LEFT_PAREN: Final = "("
RIGHT_PAREN: Final = ")"
PIPE: Final = "|"
ASSIGN: Final = "="
DECLARE: Final = ":="
COMMA: Final = "character"
"""Any printable ASCII character that means nothing else; of use to the parser is the comma."""
ERROR: Final = "error"
END_OF_TEXT: Final = "EOF"
DOT: Final = "."
NIL: Final = "nil"
KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
)
"""Token kinds that are the word itself."""

Token = tuple[str, str, int]
"""Kind, text, and where it starts in the template, in characters."""

_SPACES: Final = " \t\r\n"
_MARKERS: Final = tuple(_SPACES)
_ENDS_WORD: Final = frozenset(" \t\r\n.,|:()")
_COMMENT: Final = "/*"
_COMMENT_END: Final = "*/"
_HEXADECIMAL: Final = "0123456789abcdefABCDEF_"
_NUMBER_STARTS: Final = frozenset("+-0123456789")
_UNTERMINATED: Final = {'"': "unterminated quoted string", "'": "unterminated character constant"}
_SIMPLE: Final = {"|": PIPE, "=": ASSIGN}
_QUOTED: Final = {'"': STRING, "'": CHARACTER}


def tokens(template: str, left: str, right: str, *, words: frozenset[str] = KEYWORDS) -> list[Token]:
    """All tokens, the last of kind END_OF_TEXT or ERROR. ``words`` are the keywords that are reserved."""
    return _Lexer(template, left, right, words).run()


class _Lexer:
    __slots__ = ("found", "left", "right", "template", "words")

    def __init__(self, template: str, left: str, right: str, words: frozenset[str]) -> None:
        self.template = template
        self.left = left
        self.right = right
        self.words = words
        self.found: list[Token] = []

    def run(self) -> list[Token]:
        template, found = self.template, self.found
        position: int | None = 0
        while position is not None:
            start = template.find(self.left, position)
            end = len(template) if start < 0 else start
            if start >= 0 and self._marked(start + len(self.left)):
                text = template[position:end].rstrip(_SPACES)
            else:
                text = template[position:end]
            if text:
                found.append((TEXT, text, position))
            if start < 0:
                found.append((END_OF_TEXT, "EOF", end))
                break
            position = self._after_delimiter(start)
        return found

    def _marked(self, position: int) -> bool:
        """Does a left delimiter that ends there trim the text before it?"""
        return (
            self.template.startswith("-", position) and self.template[position + 1 : position + 2] in _MARKERS
        )

    def _error(self, position: int, message: str) -> None:
        self.found.append((ERROR, message, position))

    def _closing(self, position: int) -> tuple[int, bool]:
        """The length of a right delimiter there, 0 where there is none, and whether it trims."""
        template = self.template
        if template.startswith(self.right, position):
            return len(self.right), False
        if (
            template.startswith("-", position + 1)
            and template[position] in _SPACES
            and template.startswith(self.right, position + 2)
        ):
            return 2 + len(self.right), True
        return 0, False

    def _trimmed(self, position: int) -> int:
        """Where the next text begins that is no blank."""
        template, end = self.template, len(self.template)
        while position < end and template[position] in _SPACES:
            position += 1
        return position

    def _after_delimiter(self, start: int) -> int | None:
        """Reads the action or comment whose left delimiter is there; where it ends, None after an error."""
        position = start + len(self.left)
        inside = position + 2 if self._marked(position) else position
        if not self.template.startswith(_COMMENT, inside):
            self.found.append((LEFT, self.left, start))
            return self._action(inside)
        end = self.template.find(_COMMENT_END, inside + len(_COMMENT))
        if end < 0:
            self._error(inside, "unclosed comment")
            return None
        end += len(_COMMENT_END)
        length, trims = self._closing(end)
        if not length:
            self._error(inside, "comment ends before closing delimiter")
            return None
        return self._trimmed(end + length) if trims else end + length

    def _action(self, position: int) -> int | None:
        template, found, size = self.template, self.found, len(self.template)
        depth = 0
        first_of_right = self.right[0]
        while position < size:
            if len(found) > limits.MAX_WORDS:
                self._error(position, f"more than {limits.MAX_WORDS} words and signs")
                return None
            character = template[position]
            if character == first_of_right or character in _SPACES:
                length, trims = self._closing(position)
                if length:
                    if depth:
                        self._error(position, "unclosed left paren")
                        return None
                    found.append((RIGHT, self.right, position + (2 if trims else 0)))
                    position += length
                    return self._trimmed(position) if trims else position
            if character in _SPACES:
                end = position + 1
                while end < size and template[end] in _SPACES:
                    end += 1
                # The last blank may belong to a right delimiter that trims.
                if end - position > 1 and self._closing(end - 1)[1]:
                    end -= 1
                found.append((SPACE, " ", position))
            elif character == "(":
                depth += 1
                end = position + 1
                found.append((LEFT_PAREN, "(", position))
            elif character == ")":
                depth -= 1
                if depth < 0:
                    self._error(position, "unexpected right paren")
                    return None
                end = position + 1
                found.append((RIGHT_PAREN, ")", position))
            else:
                end = self._word(position, character)
                if end < 0:
                    return None
            position = end
        self._error(position, "unclosed action")
        return None

    def _word(self, position: int, character: str) -> int:
        """Reads one token that is no blank, parenthesis or delimiter; where it ends, -1 after an error."""
        template, found = self.template, self.found
        if character == "_" or character.isalpha() or (character.isdecimal() and character > "9"):
            return self._identifier(position)
        if character == ".":
            after = template[position + 1 : position + 2]
            # A dot that ends the template is taken for a number, as in Go.
            if after and not "0" <= after <= "9":
                return self._name(position, FIELD, DOT)
            return self._number(position)
        if character in _NUMBER_STARTS:
            return self._number(position)
        if character in _QUOTED:
            return self._quoted(position, character)
        if character == "`":
            end = template.find("`", position + 1)
            if end < 0:
                self._error(position, "unterminated raw quoted string")
                return -1
            found.append((RAW_STRING, template[position : end + 1], position))
            return end + 1
        if character == "$":
            return self._name(position, VARIABLE, VARIABLE)
        if character == ":":
            if not template.startswith(":=", position):
                self._error(position, "expected :=")
                return -1
            found.append((DECLARE, ":=", position))
            return position + 2
        if " " <= character <= "~":
            found.append((_SIMPLE.get(character, COMMA), character, position))
            return position + 1
        self._error(position, f"unrecognized character in action: {unicode_of(character)}")
        return -1

    def _end_of_name(self, position: int) -> int:
        template, size = self.template, len(self.template)
        while position < size and ((each := template[position]) == "_" or each.isalpha() or each.isdecimal()):
            position += 1
        return position

    def _terminated(self, end: int) -> bool:
        """May a name end there? Notes the error where it may not."""
        template = self.template
        if end >= len(template) or template[end] in _ENDS_WORD or template.startswith(self.right, end):
            return True
        self._error(end, f"bad character {unicode_of(template[end])}")
        return False

    def _identifier(self, position: int) -> int:
        end = self._end_of_name(position)
        if not self._terminated(end):
            return -1
        word = self.template[position:end]
        if word in self.words:
            kind = word
        elif word == "nil":
            kind = NIL
        elif word in ("true", "false"):
            kind = BOOL
        else:
            kind = IDENTIFIER
        self.found.append((kind, word, position))
        return end

    def _name(self, position: int, kind: str, alone: str) -> int:
        """A dot or dollar and the name after it; ``alone`` is the kind where there is no name."""
        end = self._end_of_name(position + 1)
        if not self._terminated(end):
            return -1
        self.found.append((kind if end > position + 1 else alone, self.template[position:end], position))
        return end

    def _quoted(self, position: int, quotation: str) -> int:
        """A literal that ends on its line, with escape sequences in it."""
        template = self.template
        end = position
        escape = template.find("\\", position)
        while True:
            end = template.find(quotation, end + 1)
            if end < 0:
                break
            while 0 <= escape < end:
                # What follows the backslash, a quotation mark perhaps, ends nothing.
                if escape + 1 == end:
                    break
                escape = template.find("\\", escape + 2)
            else:
                if "\n" in template[position:end]:
                    break
                self.found.append((_QUOTED[quotation], template[position : end + 1], position))
                return end + 1
            escape = template.find("\\", escape + 2)
        self._error(position, _UNTERMINATED[quotation])
        return -1

    def _number(self, position: int) -> int:
        end = self._scan_number(position)
        kind = NUMBER
        if end > 0 and self.template[end : end + 1] in ("+", "-"):
            # A complex number is written without blanks and ends in "i".
            end = self._scan_number(end)
            if end > 0 and self.template[end - 1] != "i":
                self._bad_number(position, end)
                return -1
            kind = COMPLEX
        if end < 0:
            self._bad_number(position, -end)
            return -1
        self.found.append((kind, self.template[position:end], position))
        return end

    def _bad_number(self, position: int, end: int) -> None:
        from bank_vaults.templating.golang.strconv import quote

        self._error(position, f"bad number syntax: {quote(self.template[position:end])}")

    def _scan_number(self, position: int) -> int:
        """Where the number ends; where it is none, the negative of where that shows, plus one character."""
        template, size = self.template, len(self.template)

        def accept(position: int, allowed: str) -> int:
            while position < size and template[position] in allowed:
                position += 1
            return position

        if template[position : position + 1] in ("+", "-"):
            position += 1
        digits = "0123456789_"
        if template[position : position + 1] == "0":
            position += 1
            prefix = template[position : position + 1].lower()
            if prefix and prefix in "xob":
                position += 1
                digits = {"x": _HEXADECIMAL, "o": "01234567_", "b": "01_"}[prefix]
        position = accept(position, digits)
        if template.startswith(".", position):
            position = accept(position + 1, digits)
        if (len(digits) == 11 and template[position : position + 1] in ("e", "E")) or (
            digits is _HEXADECIMAL and template[position : position + 1] in ("p", "P")
        ):
            position += 1
            if template[position : position + 1] in ("+", "-"):
                position += 1
            position = accept(position, "0123456789_")
        if template.startswith("i", position):
            position += 1
        after = template[position : position + 1]
        if after and (after == "_" or after.isalpha() or after.isdecimal()):
            return -(position + 1)
        return position


def unicode_of(character: str) -> str:
    """As Go's ``%#U``: the number of the character, and the character where it can be shown."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code, character = 0xFFFD, "\ufffd"
    return f"U+{code:04X} '{character}'" if character.isprintable() else f"U+{code:04X}"
