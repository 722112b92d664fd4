"""How the models lie in the tables: keys, codec, and one module for each aggregate.

Reading goes through the store; writing is a list of changes that a service hands to the store as
one write, so that what must hold together is written together.
"""
