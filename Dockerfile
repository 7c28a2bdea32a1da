# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
COPY requirements/production.txt /requirements.txt
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home procedures \
    && install -d -o procedures /run/metrics
COPY --from=build /venv /venv
COPY . /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STATIC_ROOT=/app/staticfiles PROMETHEUS_MULTIPROC_DIR=/run/metrics
# collectstatic reads the settings, which insist on these; none of them reaches the image's environment.
RUN SECRET_KEY=$(python -c "import secrets; print(secrets.token_urlsafe(50))") ALLOWED_HOSTS=build DATABASE_URL=postgresql:///build \
    REDIS_URL=redis://build python manage.py collectstatic --no-input
USER procedures
EXPOSE 8000
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
