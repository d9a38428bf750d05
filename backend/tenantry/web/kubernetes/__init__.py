"""The resource API: Plans, Tenants and Configs as kubectl and other clients of Kubernetes have them.

Paths, verbs, options, errors and watches are kube-apiserver's, and so are the words. Nothing here knows of pages or of
the other doors.
"""
