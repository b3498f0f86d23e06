# Two stages on one base: the first installs, compiles and trains, the second only holds the result.

FROM python:3.13-slim-bookworm AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The one step that needs a network. What the wheel is built with stays out of the environment that is shipped, and so
# do pip and the tests of other packages.
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/forecaster \
 && python -m pip --python /opt/forecaster/bin/python install --require-hashes -r requirements/run.txt \
 && find /opt/forecaster -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} + \
 && python -m pip install --require-hashes -r requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY forecaster forecaster
COPY service service
COPY data data
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
 && python -m pip --python /opt/forecaster/bin/python install --no-deps --no-index wheels/*.whl

# Kernels are compiled where they will be loaded from, for every level of processor the image may run on, and the build
# fails if one of them would be compiled again or a file written.
ENV PATH=/opt/forecaster/bin:$PATH FORECASTER_CACHE_DIR=/opt/forecaster/kernels FORECASTER_CPU_LEVEL=auto
RUN forecaster warm-up --levels all && ls /opt/forecaster/kernels > warm \
 && forecaster warm-up --levels all --check && ls /opt/forecaster/kernels | cmp - warm

# The demo model. Training and forecasting compile nothing either: the kernels on disk stay those that warm-up made.
RUN forecaster train data/flights_daily.csv --h 14 --model /srv/models/flights \
 && forecaster predict /srv/models/flights data/flights_daily.csv --output forecast.csv \
 && ls /opt/forecaster/kernels | cmp - warm \
 && chmod -R a+rX,go-w /opt/forecaster/kernels \
 && mkdir -p /var/lib/forecaster && chmod 700 /var/lib/forecaster


FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="forecaster" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /opt/forecaster /opt/forecaster
COPY --from=builder --chown=10001:10001 /srv/models /srv/models
COPY --from=builder --chown=10001:10001 /var/lib/forecaster /var/lib/forecaster

# A container is reached from outside or not at all, so it listens on all its addresses; who reaches it is chosen where
# its port is published.
ENV PATH=/opt/forecaster/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FORECASTER_CACHE_DIR=/opt/forecaster/kernels \
    FORECASTER_CPU_LEVEL=auto \
    FORECASTER_MODELS=/srv/models \
    FORECASTER_STATE=/var/lib/forecaster \
    FORECASTER_HOST=0.0.0.0 \
    FORECASTER_ALLOW_ANONYMOUS=true \
    FORECASTER_PORT=8000
USER 10001:10001
WORKDIR /srv
# As the user that will run it: the compiled kernels can be read, and are the right ones.
RUN ["forecaster", "warm-up", "--levels", "all", "--check"]

# What changes: models, and what the service keeps (jobs, their files, keys). The rest may be read-only.
VOLUME ["/srv/models", "/var/lib/forecaster"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-S", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FORECASTER_PORT']), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
CMD ["forecaster", "serve"]
