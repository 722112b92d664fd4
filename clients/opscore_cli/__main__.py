"""`python -m opscore_cli`, where the script is not on the path."""

from opscore_cli.main import app

app()
