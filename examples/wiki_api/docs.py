"""A page about the API, made of its OpenAPI description. It needs no script, so the app's own policy allows it."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="/static/favicon.svg">
  <link rel="stylesheet" href="/static/app.css">
  <main class="reading">
    <h1>{title}</h1>
    <p class="quiet">
      Errors are problems as in RFC 9457. Changes accept If-Match with the ETag of an answer. Listings have a Link
      header to the next page. The machine-readable description is <a href="/openapi.json">/openapi.json</a>.
    </p>
    {operations}
    <p><a class="button" href="/">Back to the wikis</a></p>
  </main>
</html>
"""
_OPERATION = """<section class="card operation">
  <h2><span class="badge">{method}</span> <code>{path}</code></h2>
  <p>{description}</p>{parameters}
</section>
"""


@router.get("/docs")
async def get_docs(request: Request) -> HTMLResponse:
    """List the operations of the API with their parameters."""
    described: dict[str, Any] = request.app.openapi()
    operations = [
        _OPERATION.format(
            method=escape(method.upper()),
            path=escape(path),
            description="</p><p>".join(escape(operation.get("description", operation["summary"])).split("\n\n")),
            parameters=_list(_parameters(operation)),
        )
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    return HTMLResponse(_PAGE.format(title=escape(described["info"]["title"]), operations="".join(operations)))


def _parameters(operation: dict[str, Any]) -> list[str]:
    named = [f"{parameter['in']}: {parameter['name']}" for parameter in operation.get("parameters", [])]
    contents = operation.get("requestBody", {}).get("content", {})
    return named + [f"body: {kind}" for kind in contents]


def _list(entries: list[str]) -> str:
    return "<ul>" + "".join(f"<li><code>{escape(entry)}</code></li>" for entry in entries) + "</ul>" if entries else ""
