"""One module for each noun of the command line; a command parses, calls the client, presents."""
