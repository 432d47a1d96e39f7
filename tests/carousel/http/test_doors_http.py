"""Doors that lock, over HTTP: each path needs a token of its scope, but for the probes."""

import httpx
import pytest
from starlette.routing import Route

TOKENS = {"predict": "p" * 32, "admin": "a" * 32, "metrics": "m" * 32}
OPEN = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json"}
METRICS = {"/metrics", "/monitoring/prometheus/metrics"}
CHANGING = ("/load", "/unload", "sharedmemory", "/trace", "/logging")


@pytest.fixture
def guarded(server, tmp_path):
    """Start a server with tokens, and give a plain client of its HTTP port and every path with a method for it."""
    file = tmp_path / "tokens.toml"
    file.write_text("".join(f'[{name}]\ntoken = "{token}"\nscopes = ["{name}"]\n' for name, token in TOKENS.items()))
    clients = []

    def start(**settings):
        serving = server(tokens=file, repository_control=True, **settings)
        clients.append(httpx.Client(base_url=serving.metrics.removesuffix("/metrics"), timeout=30))
        application = serving.server._endpoint._server.config.app
        routes = [route for route in application.routes if isinstance(route, Route)]
        return clients[-1], [(route.path, min(route.methods - {"HEAD"})) for route in routes]

    yield start
    for client in clients:
        client.close()


def bearing(name):
    return {"authorization": f"Bearer {TOKENS[name]}"}


def test_every_path_but_the_probes_and_the_pages_files_needs_a_token_of_its_scope(guarded):
    web, routes = guarded()
    assert len(routes) > 20
    for route, method in routes:
        path = route.replace("{rest:path}", "models").replace("{model}", "small").replace("{version}", "1")
        if path in OPEN or path == "/" or path.endswith((".js", ".css")):
            assert web.request(method, path).status_code == 200, path
            continue
        right = "predict"
        if path in METRICS or any(word in path for word in CHANGING):
            right = "metrics" if path in METRICS else "admin"
        assert web.request(method, path).status_code == 401, path
        assert web.request(method, path, headers={"authorization": "Bearer " + "x" * 32}).status_code == 401, path
        for name in TOKENS.keys() - {right}:
            assert web.request(method, path, headers=bearing(name)).status_code == 403, path
        assert web.request(method, path, headers=bearing(right)).status_code not in {401, 403}, path


def test_a_path_that_is_not_served_needs_a_token_too_and_no_refusal_names_a_model(guarded):
    web, _ = guarded()
    for path in ("/nothing", "/v1/models/nothing", "/v2/models/nothing", "//metrics", "/v2/../metrics", "/page/none"):
        refused = web.get(f"{str(web.base_url).rstrip('/')}{path}")
        assert refused.status_code == 401
        assert "small" not in refused.text
    assert "small" in web.get("/v2/models/nothing", headers=bearing("predict")).text


def test_with_an_admin_socket_nothing_that_changes_models_is_served_over_http(guarded, tmp_path):
    web, _ = guarded(admin_socket=tmp_path / "admin.sock")
    refused = web.post("/v2/repository/models/small/load", headers=bearing("admin"))
    assert refused.status_code == 403
    assert "admin_socket" in refused.text
    assert web.get("/v2/models/small", headers=bearing("predict")).status_code == 200
