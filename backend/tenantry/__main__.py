"""``python -m tenantry`` is the same as ``tenantry``."""

from tenantry.cli.main import program

program()
