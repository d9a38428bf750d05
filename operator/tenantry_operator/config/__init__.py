"""A Config in the cluster: published to the API, with the revision that it got there in its status."""
