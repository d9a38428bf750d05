"""``python -m tenantry`` is the same as ``tenantry``."""

from tenantry.cli import main

main()
