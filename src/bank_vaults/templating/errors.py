"""What goes wrong in a template."""

from __future__ import annotations


class TemplateError(Exception):
    """A template is not well formed, or its rendering failed.

    The text is what Go's ``text/template`` would say, position included: ``template: config:3:7: …``.
    """


class FunctionError(Exception):
    """A function of a template failed, or would have panicked in Go; the text is the function's own.

    The evaluator adds position and name: ``error calling fail: …``.
    """


class CannotCallError(FunctionError):
    """Go would not call the function at all; the text is Go's as a whole, without the function's name."""
