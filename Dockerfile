# Logitscope in a container: the embedded model is fetched while building, so that the image runs without network.
#
#   docker build -t logitscope .
#   docker run --rm -p 127.0.0.1:8501:8501 logitscope
#
# It runs on the CPU unless told otherwise. For NVIDIA GPUs, name an index that carries PyTorch's CUDA builds, and start
# it with the GPUs:
#
#   docker build -t logitscope:cuda --build-arg TORCH_INDEX=<address of the index with CUDA builds> .
#   docker run --rm --gpus all -p 127.0.0.1:8501:8501 logitscope:cuda
#
# TORCH_INDEX may as well name one with CPU-only builds, which makes the image some gigabytes smaller where pip's own
# index serves CUDA builds by default (x86-64 Linux).
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG TORCH_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 LOGITSCOPE_CACHE=/opt/models
WORKDIR /app
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then pip install --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.txt)"; fi \
 && pip install -r requirements.txt
COPY engine ./engine
RUN python -m engine fetch smollm2-135m > /dev/null

FROM ${PYTHON_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1=* \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 logitscope \
 && install -d -o logitscope -g logitscope /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build --chown=logitscope:logitscope /opt/models /opt/models
WORKDIR /app
COPY --chown=logitscope:logitscope . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LOGITSCOPE_CACHE=/opt/models LOGITSCOPE_DATA=/data
USER 10001
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import sys, urllib.request as u; sys.exit(u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=2).read() != b'ok')"]
# Inside the container the server must listen on every interface; publish the port on 127.0.0.1 as above unless others
# may reach it, and then name the hosts they use: STREAMLIT_SERVER_ALLOWED_HOSTS is not read as a list, so mount a
# .streamlit/config.toml of your own.
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "8501"]
