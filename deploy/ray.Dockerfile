# The image of the service with Ray and pyarrow in it, for the machines of a Ray cluster:
#   make image && docker build -f deploy/ray.Dockerfile -t forecaster-ray .
#
# It weighs several hundred megabytes more, which the service has no use for. Head and workers are of this one image, so
# their versions are the same; kernels are compiled in it, so no worker waits for them.
ARG IMAGE=forecaster
FROM ${IMAGE}
ARG RAY=2.60.0
USER root
# KubeRay's probes call wget. "default" is what it talks to: the dashboard's agents.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/* \
 && /usr/local/bin/python -m pip --python /opt/forecaster/bin/python install --no-cache-dir "ray[default]==${RAY}" pyarrow
ENV RAY_USAGE_STATS_ENABLED=0
# The port of the service is of no concern here.
HEALTHCHECK NONE
USER 10001:10001
CMD ["ray", "--help"]
