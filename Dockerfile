# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84 AS build
# `--build-arg REQUIREMENTS=telemetry` adds what traces and reports of faults need.
ARG REQUIREMENTS=production
COPY requirements/${REQUIREMENTS}.txt /requirements.txt
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /requirements.txt

FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84
LABEL org.opencontainers.image.title="procedures" \
      org.opencontainers.image.description="Written procedures, executed as runs, committed step by step" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.documentation="docs/operations.md"
RUN useradd --system --uid 10001 --no-create-home procedures \
    && install -d -o procedures /run/metrics
COPY --from=build /venv /venv
COPY . /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STATIC_ROOT=/app/staticfiles PROMETHEUS_MULTIPROC_DIR=/run/metrics \
    SERVE_HOST=0.0.0.0
# collectstatic reads the settings, which insist on these; none of them reaches the image's environment. The secret is
# made here and thrown away, so there is none to be known.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" ALLOWED_HOSTS=build.invalid \
    DATABASE_URL=postgresql:///build REDIS_URL=redis://build \
    python manage.py collectstatic --no-input
# A number, so that an orchestrator can tell that it is not root.
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["python", "manage.py", "serve"]
