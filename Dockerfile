# docker build -t openretina .                      for the CPU
# docker build -t openretina --build-arg CUDA=1 .   for CPU and GPU
# docker run --rm -v openretina:/cache -v "$PWD:/work" openretina predict --model …
FROM golang:1.26-bookworm AS build
ARG CUDA=0
ARG VERSION=unknown
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1
WORKDIR /src
# The native libraries first: they change seldom, and this layer takes minutes.
COPY go.mod go.sum ./
COPY scripts scripts
COPY pkg/torch/internal/shim pkg/torch/internal/shim
COPY pkg/torch/internal/libtorch/shim.h pkg/torch/internal/libtorch/shim.h
RUN scripts/install-libtorch.sh "$(if [ "$CUDA" = 1 ]; then echo --cuda; else echo --cpu; fi)"
COPY . .
RUN make build VERSION="$VERSION" && make install PREFIX=/opt/openretina

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libstdc++6 zlib1g && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 openretina && mkdir /cache /work && chown openretina /cache /work
COPY --from=build /opt/openretina /opt/openretina
ENV PATH=/opt/openretina/bin:/usr/local/bin:/usr/bin:/bin
ENV OPENRETINA_CACHE_DIRECTORY=/cache
ENV NVIDIA_VISIBLE_DEVICES=all
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME /cache
WORKDIR /work
USER openretina
ENTRYPOINT ["openretina"]
