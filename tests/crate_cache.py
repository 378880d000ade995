"""Lets the RO-Crate validator work without a network: run with the Python of .venv/tools.

python tests/crate_cache.py CACHE CONTEXT     puts the JSON-LD context of the rocrate package into its HTTP cache
"""

import sys
from pathlib import Path

import requests
from requests_cache import CachedSession

URL = "https://w3id.org/ro/crate/1.1/context"


class OneAnswer(requests.adapters.BaseAdapter):
    """Answers every request with the same JSON-LD."""

    def send(self, request, **more):
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 200, request, request.url
        answer.raw = requests.packages.urllib3.HTTPResponse(
            body=Path(sys.argv[2]).open("rb"),
            status=200,
            headers={"Content-Type": "application/ld+json"},
            preload_content=False,
        )
        answer.headers.update(answer.raw.headers)
        return answer

    def close(self):
        """Nothing is open."""


if __name__ == "__main__":
    session = CachedSession(sys.argv[1], expire_after=-1)
    session.mount("https://", OneAnswer())
    session.get(URL, headers={"Accept": "application/ld+json, application/json"})
