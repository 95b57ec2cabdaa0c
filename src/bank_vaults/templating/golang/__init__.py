"""What the templates need of Go and its standard library: values, printing, conversions, times."""
