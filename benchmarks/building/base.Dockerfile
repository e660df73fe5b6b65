# A Debian with Python and a current pip: what a Dockerfile usually begins with. Not timed.
FROM shipmark-bench-rootfs
ARG PIP
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/ca.pem \
    python3.11 -m pip install --no-cache-dir --cert /run/ca.pem "pip==$PIP"
