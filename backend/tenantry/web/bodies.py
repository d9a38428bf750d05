"""Request bodies: read within limits and parsed without surprises."""

MAX_BODY = 3 << 19  # bytes: 1.5 MiB, as etcd and so kube-apiserver have it
