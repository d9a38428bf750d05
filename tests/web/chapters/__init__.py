"""The conversation with a kube-apiserver and our API, in chapters: what is said, and which differences are meant."""
