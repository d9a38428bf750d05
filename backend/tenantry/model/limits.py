"""How large a document may be: the limits of every door that takes one."""

from __future__ import annotations

#: bytes of a document as JSON text, as it is sent: 1.5 MiB, what etcd and so kube-apiserver keeps
MAX_BYTES = 3 << 19
#: and as it is stored; status, times and versions, which the server writes, have room beyond it, so that what was read
#: can always be sent again
MAX_STORED_BYTES = MAX_BYTES - (64 << 10)
#: objects and lists in each other
MAX_DEPTH = 64
#: operations of a JSON patch, as in kube-apiserver
MAX_OPERATIONS = 10_000
