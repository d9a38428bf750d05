"""Pure types and rules: what a Plan, Tenant or Config is, and when one is valid.

No I/O here, ever: no database, no HTTP, no clock read behind a caller's back (time and ids are parameters).
One declaration per type; the CRDs, JSON Schemas, OpenAPI and the docs tables are generated from it.
Everybody may import it; it imports nothing of ours.
"""
