"""The Kubernetes operator: Tenant, Plan and Config of one cluster become real there and known to the API.

kopf tells what happened (``handlers``), a work queue decides when to look (``queue``), and ``tenant``, ``plan`` and
``config`` make what is equal to what is wanted, through one Kubernetes client (``kube``) and the API's own
(``tenantry.client``). It holds no state and no database password. Never here: anything of the server's layers
(storage, services, web); nothing of ``tenantry`` imports this package.
"""
