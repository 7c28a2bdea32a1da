"""An editor who changes tags in the admin, with a browser's form."""

from html.parser import HTMLParser
from http import HTTPStatus

import httpx

from tests.faults.soak.answers import Answers

LOGIN = "/admin/login/"


class Form(HTMLParser):
    """The fields of a page's form of a given id, with their values, as a browser would send them."""

    def __init__(self, form_id: str, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._form_id = form_id
        self._is_inside = False
        self._textarea = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self._is_inside = attributes.get("id") == self._form_id
        name = attributes.get("name") or ""
        if not self._is_inside or not name:
            return
        if tag == "textarea":
            self._textarea = name
            self.fields[name] = ""
        elif tag == "input" and attributes.get("type") not in {"submit", "checkbox"}:
            self.fields[name] = attributes.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""
        elif tag == "form":
            self._is_inside = False


class Editor:
    """Someone with a session in the admin."""

    def __init__(self, base_url: str, answers: Answers, username: str, password: str) -> None:
        self._client = httpx.Client(base_url=base_url, trust_env=False, timeout=30, headers={"Accept": "text/html"})
        self._answers = answers
        self._credentials = {"username": username, "password": password}

    def log_in(self) -> None:
        """Open a session. To be called while all is well."""
        self._client.get(LOGIN).raise_for_status()
        form = self._credentials | {"csrfmiddlewaretoken": self._client.cookies["csrftoken"], "next": "/admin/"}
        answer = self._client.post(LOGIN, data=form, headers={"Referer": str(self._client.base_url)})
        assert answer.status_code == HTTPStatus.FOUND, answer.text

    def close(self) -> None:
        """Close the browser."""
        self._client.close()

    def set_tags(self, procedure_id: int, tags: str) -> bool:
        """Change the tags of a procedure; tell whether the admin said that it did."""
        path = f"/admin/procedures/procedure/{procedure_id}/change/"
        page = self._answers.request(self._client, "admin page", "GET", path, expected=HTTPStatus.OK)
        if page is None:
            return False
        form = Form("procedure_form", page.text).fields | {"tags": tags}
        answer = self._answers.request(
            self._client, "admin edit", "POST", path, expected=HTTPStatus.FOUND, data=form,
            headers={"Referer": str(self._client.base_url)},
        )  # fmt: skip
        return answer is not None
