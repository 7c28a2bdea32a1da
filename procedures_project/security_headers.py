"""What every answer tells browsers: what a page may load, and who may show it.

Nothing inline runs or styles: no page of ours, of the admin or of Swagger UI has a script or a style of its own in it.
The gate gives the same headers to what it answers itself, which no middleware sees; so they are not a library's.
"""

from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Swagger UI's stylesheet has icons in it
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

FOR_PAGES: Mapping[str, str] = {"Content-Security-Policy": PAGE_POLICY, "Permissions-Policy": PERMISSIONS_POLICY}
FOR_DATA: Mapping[str, str] = {"Content-Security-Policy": DATA_POLICY}


class SecurityHeadersMiddleware:
    """Adds the headers that Django has no setting for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return protected(self.get_response(request))


def protected(response: HttpResponse) -> HttpResponse:
    """Add the headers to a response that does not have them."""
    for name, value in (FOR_PAGES if is_page(response) else FOR_DATA).items():
        response.headers.setdefault(name, value)
    return response


def protected_without_django(response: HttpResponse) -> HttpResponse:
    """Add the headers to a response that passes no middleware, those of Django's middlewares too."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
    response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
    response.headers.setdefault("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY)
    return protected(response)


def is_page(response: HttpResponse) -> bool:
    """Tell whether a response is for browsers to show."""
    return response.headers.get("Content-Type", "").startswith("text/html")
