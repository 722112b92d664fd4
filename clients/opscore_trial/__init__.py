"""Runs workflow templates without a fleet: their compiled definitions, in moto's interpreter.

`mends` lets the interpreter do as AWS does, `clock` lets it skip time, `interpreter` runs one
definition. `casefile` reads what a template's cases say, `trial` runs them.
"""
