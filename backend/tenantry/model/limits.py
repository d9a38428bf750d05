"""How large a document may be: the limits of every door that takes one."""

from __future__ import annotations

#: bytes of a document as JSON text, as it is sent: 1.5 MiB, what etcd and so kube-apiserver keeps
MAX_BYTES = 3 << 19
#: and as it is stored; status, times and versions, which the server writes, have room beyond it, so that what was read
#: can always be sent again
MAX_STORED_BYTES = MAX_BYTES - (64 << 10)
#: objects and lists in each other
MAX_DEPTH = 64
#: objects, lists and scalars, counting what the aliases of YAML stand for; names of fields are none. It bounds how long
#: one call of a parser holds the interpreter lock, and so every other request
MAX_VALUES = 1 << 16
#: and as they are stored, for the same reason as the bytes
MAX_STORED_VALUES = MAX_VALUES - 1024
#: operations of a JSON patch, as in kube-apiserver
MAX_OPERATIONS = 10_000
