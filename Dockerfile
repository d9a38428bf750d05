# One image with both programs, `tenantry` and `tenantry-operator`. Targets: `runtime`, the one to ship, and `dev`.
# Engines from 20.10 on build it with BuildKit. A mirror of PyPI is named by pip's own configuration:
#   docker build --secret id=pip,src=$HOME/.config/pip/pip.conf .
FROM python:3.13-slim AS base
# pydantic would look for plugins in every installed package at each start
ENV PATH=/opt/tenantry/bin:$PATH \
    PYDANTIC_DISABLE_PLUGINS=__all__ \
    PYTHONSAFEPATH=1


# What pip installs, each into an environment without pip; the final stage gets nothing else from here.
FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/tenantry && python -m venv --without-pip /opt/hatchling
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/tenantry install --no-compile --require-hashes -r requirements/runtime.txt \
    && pip --python /opt/hatchling install --no-compile --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY backend backend
COPY operator operator
# two layers, so that a new release is a small one; times and bytecode are the same at every build
RUN /opt/hatchling/bin/python -m hatchling build --target wheel --directory dist \
    && pip --python /opt/tenantry install --no-cache-dir --no-compile --no-deps --no-index --no-warn-script-location \
        --root /layers/program dist/*.whl \
    && mkdir --parents /layers/dependencies/opt \
    && mv /opt/tenantry /layers/dependencies/opt/ \
    && for layer in dependencies program; do \
        python -m compileall -q -f --invalidation-mode unchecked-hash -s /layers/$layer /layers/$layer/opt/tenantry/lib \
        || exit; done \
    && find /layers -exec touch --no-dereference --date=1980-01-01 {} +


FROM base AS runtime
COPY --from=build /layers/dependencies /
COPY --from=build /layers/program /
# Neither pip nor what brings it; and the bytecode of the standard library, which the base image ships without: the
# interpreter keeps that of all that it loads. The data directory may be written by any UID of the group 0.
RUN find /usr -depth \( -path '*-packages/pip*' -o -path '*/ensurepip*' -o -path '*/bin/pip*' \) -delete \
    && python -c 'import tenantry.cli.serve, tenantry.cli.migrate, tenantry.probe, tenantry_operator.__main__, tenantry_operator.process' \
    && install --directory --mode=0770 --owner=65532 --group=0 /var/lib/tenantry
# A look-up takes a thread until the resolver gives up: twice for 2 seconds, not for 5, a name of somebody's webhook.
ENV TENANTRY_DATA_DIR=/var/lib/tenantry \
    RES_OPTIONS="timeout:2 attempts:2"
WORKDIR /var/lib/tenantry
USER 65532:0
EXPOSE 8080 8443 9090
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-m", "tenantry.probe"]
CMD ["tenantry", "serve"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Tenantry" \
      org.opencontainers.image.description="Tenant and configuration control plane: API and operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"


FROM build AS reload
RUN python -m venv --without-pip /opt/reload
COPY requirements/reload.txt requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/reload install --no-compile --require-hashes -r requirements/reload.txt


# The same programs from the sources in /tmp/sources, started again when those change. Compose mounts the work tree
# there; in a pod, whose root is read-only, they are copied there, and skaffold writes what has changed.
FROM runtime AS dev
USER 0
COPY --from=reload /opt/reload /opt/reload
COPY backend /sources/backend
COPY operator /sources/operator
# hadolint ignore=SC2016
RUN mkdir /opt/reload/programs \
    && printf '%s\n' '#!/bin/sh' \
    '[ -e /tmp/sources ] || cp -r /sources /tmp/sources' \
    'program="/opt/tenantry/bin/${0##*/}"' \
    'case "$1" in' \
    'serve | run) exec /opt/reload/bin/watchfiles --target-type command --sigint-timeout 25 "$program $*" /tmp/sources ;;' \
    '*) exec "$program" "$@" ;;' \
    'esac' > /opt/reload/programs/tenantry \
    && chmod 0755 /opt/reload/programs/tenantry \
    && ln -s tenantry /opt/reload/programs/tenantry-operator
ENV PATH=/opt/reload/programs:$PATH \
    PYTHONPATH=/tmp/sources/backend:/tmp/sources/operator
USER 65532:0


# what is built when no target is named
FROM runtime
