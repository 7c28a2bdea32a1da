"""The form on a page of the admin, as a browser would send it back."""

from html.parser import HTMLParser
from typing import Any


class _Form(HTMLParser):
    """Collects what the form with the given id would send."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._form_id = form_id
        self._is_inside = False
        self._textarea: str | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        members = dict(attrs)
        if tag == "form":
            self._is_inside = members.get("id") == self._form_id
        if not self._is_inside:
            return
        name = members.get("name", "")
        if tag == "textarea":
            self._textarea, self.sent[name] = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in members:
            self.sent[self._select] = members.get("value", "")
        elif tag == "input" and name and self._is_sent(members):
            self.sent[name] = members.get("value", "on" if members.get("type") == "checkbox" else "")

    @staticmethod
    def _is_sent(members: dict[str, str]) -> bool:
        kind = members.get("type", "text")
        return kind not in {"submit", "button"} and (kind != "checkbox" or "checked" in members)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        if tag == "textarea" and self._textarea is not None:
            # HTML drops the line break that follows the tag; browsers send CRLF.
            self.sent[self._textarea] = self.sent[self._textarea].removeprefix("\n").replace("\n", "\r\n")
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self.sent[self._textarea] += data.replace("\r\n", "\n")


def form_on(page: str, form_id: str) -> dict[str, str]:
    """Return the members of the form with this id, but for its buttons and the empty row for one more step."""
    parser = _Form(form_id)
    parser.feed(page)
    return {name: value for name, value in parser.sent.items() if "__prefix__" not in name}
