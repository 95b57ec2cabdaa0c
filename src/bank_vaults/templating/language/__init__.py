"""The language of Go's `text/template`: lexer, parser, evaluator."""
