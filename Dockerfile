# Schedulo on Airflow, as docker-compose.yaml runs it: pinned packages, the project as a distribution, no root.
ARG PYTHON=python:3.12.13-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY include include
COPY plugins plugins
COPY sandbox sandbox
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${PYTHON}
ENV PYTHONUNBUFFERED=1
# The first process: it passes signals on, and buries processes that nobody waits for.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["tini", "-s", "--"]
# New volumes take the owner of the folders they cover.
RUN useradd --uid 50000 --gid 0 --create-home schedulo \
    && install -d -o schedulo -g 0 /opt/airflow /opt/airflow/logs /var/lib/schedulo /var/lib/schedulo/media /var/lib/schedulo/reports
WORKDIR /opt/schedulo
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
COPY dags dags
# The other modules of plugins/ are in the distribution.
COPY plugins/schedulo_plugin.py plugins/
COPY deploy deploy
USER 50000:0
