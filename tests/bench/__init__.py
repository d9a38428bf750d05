"""What the product costs, measured against a baseline in the same run (`make bench`).

No test lives here and nothing here asserts: a bench prints a ratio, its target and whether it was met.
"""
