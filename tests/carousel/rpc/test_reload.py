"""HandleReloadConfigRequest, by TensorFlow Serving's own stubs: what is listed is served, and nothing else."""

import grpc
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

ALL = ("small", "whole")


@pytest.fixture
def reloaded(server, only):
    """Serve two models; give what asks for a list of them, each with a policy."""
    repository = only(*ALL)
    (repository / "small" / "2").symlink_to((repository / "small" / "1").resolve())
    serving = server(repository=repository, repository_control=True)
    with grpc.insecure_channel(serving.target) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)

        def reload(*models, fill=True):
            request = model_management_pb2.ReloadConfigRequest()
            if fill:
                request.config.model_config_list.SetInParent()
            for name, change in models:
                config = request.config.model_config_list.config.add(name=name, base_path=str(repository / name))
                change(config)
            return stub.HandleReloadConfigRequest(request, timeout=120)

        def versions():
            found = {}
            for name in ALL:
                request = get_model_status_pb2.GetModelStatusRequest()
                request.model_spec.name = name
                try:
                    states = stub.GetModelStatus(request, timeout=30).model_version_status
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.NOT_FOUND:
                        raise
                    continue
                found[name] = sorted(each.version for each in states if each.state == 30)
            return {name: numbers for name, numbers in found.items() if numbers}

        yield reload, versions, serving


def as_it_is(_config):
    """Change nothing."""


def test_what_is_listed_is_served_by_its_policy_and_nothing_else(reloaded):
    reload, versions, serving = reloaded
    assert versions() == {"small": [2], "whole": [1]}

    def both(config):
        config.model_version_policy.specific.versions.extend([1, 2])
        config.version_labels["stable"] = 1

    assert reload(("small", both)).status.error_code == 0
    assert versions() == {"small": [1, 2]}
    assert serving.on_loop(lambda: serving.server._catalog.find("small", 0, "stable").version.number) == 1
    reload(("small", as_it_is), ("whole", as_it_is))
    assert versions() == {"small": [2], "whole": [1]}
    reload()
    assert versions() == {}


def elsewhere(config):
    config.base_path = "/elsewhere"


def no_label(config):
    config.version_labels["1"] = 1


REFUSED = {
    "a model that is not there": ([("none", as_it_is)], grpc.StatusCode.NOT_FOUND, "the repository has no 'none'"),
    "a folder elsewhere": ([("small", elsewhere)], grpc.StatusCode.INVALID_ARGUMENT, "base_path: is /elsewhere"),
    "a model twice": ([("small", as_it_is)] * 2, grpc.StatusCode.INVALID_ARGUMENT, "config[1].name: is 'small'"),
    "a label that is a number": ([("small", no_label)], grpc.StatusCode.INVALID_ARGUMENT, "numbers are versions"),
}


def test_what_cannot_be_is_refused_by_name_and_changes_nothing(reloaded):
    reload, versions, _ = reloaded
    for models, code, words in REFUSED.values():
        with pytest.raises(grpc.RpcError) as refused:
            reload(*models)
        assert refused.value.code() is code
        assert words in refused.value.details()
    with pytest.raises(grpc.RpcError) as refused:
        reload(fill=False)
    said = "ServerModelConfig type not supported by HandleReloadConfigRequest. "
    assert refused.value.details().startswith(said)
    assert versions() == {"small": [2], "whole": [1]}
