"""A Plan in the cluster: its record in the API, and the tenants on it that a change is told to."""
